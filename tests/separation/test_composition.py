"""Cascades and blends of networks that are known, and classic-4stems on sounds that are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.separation.composition import Blend, Cascade, Split
from daw_bridge.separation.network import Magnitudes, Masks
from tests.conftest import level_db, make_noise

RATE_HZ = 44_100


@dataclass
class Shares:
    """A network that splits everything alike, and remembers what it saw."""

    shares: tuple[float, ...]
    provider: str = "cpu"
    concurrent_runs: int = 2
    seen: list[Magnitudes] = field(default_factory=list)

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        self.seen.append(magnitudes.copy())
        return np.stack([np.full_like(magnitudes, share) for share in self.shares])


def magnitudes() -> Magnitudes:
    return np.random.default_rng(3).random((2, 5, 7), dtype=np.float32)


def test_masks_multiply_down_the_tree_and_come_in_the_order_of_the_stems() -> None:
    band = Shares((0.5, 0.3, 0.2))
    keys = Shares((0.25, 0.75))
    cascade = Cascade(
        [
            Split("mixture", ("vocals", "accompaniment"), Shares((0.4, 0.6))),
            Split("accompaniment", ("drums", "bass", "other"), band),
            Split("other", ("piano", "other"), keys),
        ],
        ["other", "vocals", "piano", "bass", "drums"],
    )
    masks = cascade(magnitudes())
    assert np.allclose(masks[:, 0, 0, 0], [0.09, 0.4, 0.03, 0.18, 0.3])
    assert np.allclose(masks.sum(axis=0), 1)
    assert np.allclose(band.seen[0], 0.6 * magnitudes())
    assert np.allclose(keys.seen[0], 0.12 * magnitudes())


def test_a_cascade_leaves_what_it_is_given_as_it_is() -> None:
    given = magnitudes()
    halves = Shares((0.5, 0.5))
    Cascade([Split("mixture", ("a", "b"), halves), Split("a", ("c", "d"), halves)], "bcd")(given)
    assert np.array_equal(given, magnitudes())


def test_a_blend_averages_by_weight() -> None:
    blend = Blend([Shares((1, 0)), Shares((0.2, 0.8)), Shares((0, 1))], [2, 1, 1])
    assert np.allclose(blend(magnitudes())[:, 1, 2, 3], [0.55, 0.45])


def test_compositions_run_where_their_networks_do() -> None:
    networks = [Shares((1, 0), "cpu", 8), Shares((1, 0), "cuda", 1)]
    blend = Blend(networks, [1, 1])
    assert (blend.provider, blend.concurrent_runs) == ("cuda", 1)
    cascade = Cascade([Split("mixture", ("a", "b"), networks[0])], "ab")
    assert (cascade.provider, cascade.concurrent_runs) == ("cpu", 8)


@pytest.fixture(scope="module")
def classic(network_path: Path) -> Iterator[Separator]:
    with Separator("classic-4stems", provider="cpu") as separator:
        yield separator


def tone(frequency_hz: float) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * frequency_hz * np.arange(6 * RATE_HZ) / RATE_HZ)


def clicks() -> np.ndarray:
    """Two a second, each a millisecond of noise, which reaches all bins alike."""
    samples = np.zeros(6 * RATE_HZ)
    burst = 0.8 * np.random.default_rng(1).standard_normal(44)
    for start in range(RATE_HZ // 4, len(samples), RATE_HZ // 2):
        samples[start : start + len(burst)] = burst
    return samples


def stereo(samples: np.ndarray) -> Audio:
    return Audio(np.stack([samples, samples]).astype(np.float32), RATE_HZ)


@pytest.mark.parametrize("bandwidth", ["11k", "16k"])
def test_classic_sends_clicks_to_drums_and_tones_to_bass_and_other(
    bandwidth: str, classic: Separator
) -> None:
    sounds = {"drums": clicks(), "bass": tone(60), "other": tone(1000)}
    mixture = stereo(np.sum(list(sounds.values()), axis=0))
    stems = classic.separate(mixture, SeparationOptions(bandwidth=bandwidth))
    assert stems.names == ("vocals", "drums", "bass", "other")
    assert level_db(stems.residual(), mixture.samples) < -120
    for name, sound in sounds.items():
        expected = stereo(sound).samples
        error = level_db(stems[name].samples - expected, expected)
        assert error < -15, name


def test_classic_stems_of_noise_sum_to_it(classic: Separator) -> None:
    mixture = make_noise(100_000)
    stems = classic.separate(mixture)
    assert stems.samples.shape == (4, 2, 100_000)
    assert level_db(stems.residual(), mixture.samples) <= -120
