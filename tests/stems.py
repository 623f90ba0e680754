"""Stems of noise, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from daw_bridge import Audio, Stems
from daw_bridge.jobs.sources import Selection
from tests.conftest import make_noise

FRAMES = 100_000


def make_stems(frames: int = FRAMES, *, names: tuple[str, ...] = ("bass", "drums")) -> Stems:
    parts = [make_noise(frames, seed=seed).samples for seed in range(len(names))]
    return Stems(names, np.stack(parts), np.sum(parts, axis=0), 44_100)


def write_stems(folder: Path, stems: Stems) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in zip(stems.names, stems.samples, strict=True):
        soundfile.write(folder / f"{name}.wav", samples.T, stems.sample_rate_hz, "FLOAT")


def passage_of(stems: Stems, start: int = 0, length: int | None = None) -> Selection:
    return Selection(Audio(stems.mixture, stems.sample_rate_hz), start, length)
