"""Small data sets of songs whose stems are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from tests.conftest import make_noise

RATE_HZ = 8000
FRAMES = round(2.5 * RATE_HZ)


def make_stems() -> dict[str, np.ndarray]:
    """Return noises of different bands that take turns: (channels, frames) each."""
    turns = 1 + np.cos(2 * np.pi * np.arange(FRAMES) / (RATE_HZ / 4))
    noises = (make_noise(FRAMES, seed=seed).samples for seed in range(3))
    envelopes = (turns, 2 - turns, np.ones(FRAMES))
    names = ("vocals", "drums", "bass")
    return {
        name: noise * envelope
        for name, noise, envelope in zip(names, noises, envelopes, strict=True)
    }


def write_song(folder: Path, stems: Mapping[str, np.ndarray]) -> None:
    """Write a file a stem."""
    folder.mkdir(parents=True)
    for name, samples in stems.items():
        soundfile.write(folder / f"{name}.wav", samples.T, RATE_HZ, "FLOAT")


def write_songs(root: Path) -> Path:
    """Write a song with all stems, one whose vocals are silent and one with neither."""
    stems = make_stems()
    write_song(root / "1 whole", stems)
    write_song(root / "2 silent", stems | {"vocals": 0 * stems["vocals"]})
    write_song(root / "3 drums", {"drums": stems["drums"]})
    return root
