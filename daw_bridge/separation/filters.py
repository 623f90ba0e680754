"""Splits that need no training. Each takes any number of time frames and bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.separation.providers import CPU
from daw_bridge.system import usable_cpus

if TYPE_CHECKING:
    from daw_bridge.separation.network import Magnitudes, Masks

_SILENCE = np.float32(1e-20)


class _Filter:
    """What filters have in common as networks of a pipeline: they run on the CPU, on one thread."""

    provider: str = CPU

    @property
    def concurrent_runs(self) -> int:
        """How many calls at a time use the machine fully."""
        return usable_cpus()


@dataclass(frozen=True)
class HarmonicPercussive(_Filter):
    """Splits into what is percussive and what is harmonic.

    A median over neighbouring frames keeps steady tones and drops clicks; one over neighbouring
    bins does the reverse. Masks are the ratio of their powers; silence is shared equally.

    D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx 2010.

    Attributes:
        frames: neighbours that the harmonic median sees.
        bins: neighbours that the percussive median sees.
        exponent: of the medians in the masks.
    """

    frames: int
    bins: int
    exponent: int

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        """Return the masks of the percussive and of the harmonic part, 0 … 1."""
        percussive = _running_median(magnitudes, self.bins, axis=2) ** self.exponent
        harmonic = _running_median(magnitudes, self.frames, axis=1) ** self.exponent
        percussive += _SILENCE
        harmonic += _SILENCE
        percussive /= percussive + harmonic
        return np.stack([percussive, 1 - percussive])


@dataclass(frozen=True)
class LowPass(_Filter):
    """Splits into the lowest bins and all others.

    Attributes:
        bins: how many are the lowest.
    """

    bins: int

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        """Return the masks of the lowest bins and of all others, 0 or 1."""
        masks = np.zeros((2, *magnitudes.shape), np.float32)
        masks[0, ..., : self.bins] = 1
        masks[1, ..., self.bins :] = 1
        return masks


def _running_median(magnitudes: Magnitudes, length: int, *, axis: int) -> Magnitudes:
    """Return medians along an axis; beyond an edge, its value goes on.

    Line by line: SciPy's median of one dimension is several times as fast as that of more.
    """
    from scipy.ndimage import median_filter  # slow to load, and no network needs it

    return np.apply_along_axis(median_filter, axis, magnitudes, length, mode="nearest")
