"""What the tests of remixes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from daw_bridge import Audio, Separator, Stems
from daw_bridge.rendering.preset import Preset
from daw_bridge.rendering.remix import Master, mix
from tests.conftest import SONGS

Render: TypeAlias = Callable[..., np.ndarray]


def in_blocks(stems: Stems, frames: int = 50_021) -> Iterator[Stems]:
    for start in range(0, stems.mixture.shape[1], frames):
        part = slice(start, start + frames)
        yield Stems(
            stems.names, stems.samples[..., part], stems.mixture[:, part], stems.sample_rate_hz
        )


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Return a function that remixes stems as a whole job does."""

    def render(stems: Stems, preset: Preset, frames: int = 50_021) -> np.ndarray:
        channels, rate = len(stems.mixture), stems.sample_rate_hz
        how: dict[str, Any] = {
            "channels": channels,
            "sample_rate_hz": rate,
            "output": tmp_path / "x",
        }
        with Master(preset, lambda: None, **how) as master:
            blocks = [master.push(block) for block in mix(in_blocks(stems, frames), preset)]
            return np.concatenate([*blocks, *master.finish()], axis=1)

    return render


@pytest.fixture(scope="session")
def sung(separator: Separator) -> Stems:
    """The stems of a song that is sung."""
    return separator.separate(Audio.read(SONGS / "sodium.ogg"))
