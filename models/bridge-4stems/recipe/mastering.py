"""Stems of a band → a song's folder."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from band import SILENT_DB, active_db
from samples import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path

    from band import Stems

MIXTURE_PEAK = 0.9
STEM_PEAK = 0.99
FADE_FRAMES = 4410  # 0.1 s


def mastered(stems: Stems) -> Stems:
    """Return the stems that sound, with one gain for all and a fade at the end.

    Raises:
        ValueError: none sounds.
    """
    stems = {stem: audio for stem, audio in stems.items() if active_db(audio) > SILENT_DB}
    if not stems:
        raise ValueError("it is silent")
    audio = np.stack(list(stems.values()))
    peak = max(np.abs(audio.sum(axis=0)).max() / MIXTURE_PEAK, np.abs(audio).max() / STEM_PEAK)
    audio /= peak
    audio[..., -FADE_FRAMES:] *= np.linspace(1, 0, FADE_FRAMES, dtype=np.float32)
    return dict(zip(stems, audio, strict=True))


def write(stems: Stems, folder: Path, extension: str) -> int:
    """Write a song's folder, 16 bits a sample, whole or not at all; return its frames."""
    unfinished = folder.with_name(f".{folder.name}.part")
    for leftover in (unfinished, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for stem, audio in stems.items():
        path = unfinished / f"{stem}.{extension}"
        soundfile.write(path, audio.T, SAMPLE_RATE_HZ, subtype="PCM_16")
    unfinished.rename(folder)
    return next(iter(stems.values())).shape[1]
