"""Recordings as the recipe wants them: stereo, at one sample rate."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_RATE_HZ = 44100


@dataclass(frozen=True)
class Archived:
    """A file in an archive, which other processes can be told of, unlike :class:`zipfile.Path`."""

    archive: Path
    at: str

    @property
    def name(self) -> str:
        """What it is called."""
        return self.at.rpartition("/")[2]

    def open(self, mode: Literal["rb"]) -> IO[bytes]:
        """Open it."""
        return zipfile.Path(self.archive, self.at).open(mode)


def read_stereo(path: Path | Archived, speed: float = 1.0) -> np.ndarray:
    """Return a recording, played at a speed: float32 (2, frames) at 44.1 kHz.

    Raises:
        OSError, soundfile.LibsndfileError: there is no such recording.
    """
    with path.open("rb") as stream:
        samples, rate_hz = soundfile.read(stream, dtype="float32", always_2d=True)
    if samples.shape[1] == 1:
        samples = np.repeat(samples, 2, axis=1)
    return np.ascontiguousarray(soxr.resample(samples[:, :2], rate_hz * speed, SAMPLE_RATE_HZ).T)
