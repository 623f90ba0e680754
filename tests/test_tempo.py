"""Tempos of songs that are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from daw_bridge.tempo import estimate_tempo
from tests.conftest import make_noise
from tests.drums import play_drums


def blocks_of(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, samples.shape[1], size):
        yield samples[:, start : start + size]


@pytest.mark.parametrize("bpm", [88.0, 98.5, 120.0, 133.37, 141.0])
@pytest.mark.parametrize("rate_hz", [22_050, 44_100, 96_000])
def test_a_tempo_is_found_to_a_twentieth(bpm: float, rate_hz: int) -> None:
    found = estimate_tempo(blocks_of(play_drums(bpm, rate_hz, 20), 65_536), rate_hz)
    assert found == pytest.approx(bpm, abs=0.05)


def test_it_does_not_depend_on_the_blocks() -> None:
    drums = play_drums(111.11, 44_100, 10)
    found = {estimate_tempo(blocks_of(drums, size), 44_100) for size in (313, 44_100, 10**6)}
    assert len(found) == 1


@pytest.mark.parametrize("seconds", [0, 0.01, 3])
def test_what_is_too_short(seconds: float) -> None:
    assert estimate_tempo(blocks_of(play_drums(120, 44_100, seconds), 1000), 44_100) is None


def test_what_has_no_pulse() -> None:
    silence = np.zeros((2, 441_000), np.float32)
    assert estimate_tempo([silence], 44_100) is None
    assert estimate_tempo([make_noise(441_000).samples], 44_100) is None
