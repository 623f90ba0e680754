"""Sum-to-mixture nulls: how far below the mixture lies what its stems do not add up to."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.files.blocks import energy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block, Samples

_FRAMES_AT_A_TIME = 1 << 14  # so that what is computed stays in the processor's cache


class NullMeter:
    """Measures Σ stems - mixture over consecutive blocks."""

    def __init__(self) -> None:
        self._mixture_energy = 0.0
        self._residual_energy = 0.0

    def add(self, mixture: Samples, residual: Samples) -> None:
        """Take a block (channels, frames) of the mixture, and of what its stems leave of it."""
        self._mixture_energy += energy(mixture)
        self._residual_energy += energy(residual)

    def add_stems(self, mixture: Block, stems: NDArray[np.float32]) -> None:
        """Take a block (channels, frames) and its stems (stems, channels, frames)."""
        for start in range(0, mixture.shape[1], _FRAMES_AT_A_TIME):
            part = slice(start, start + _FRAMES_AT_A_TIME)
            rest = mixture[:, part].astype(np.float64)  # single would round the error away
            self._mixture_energy += energy(rest)
            for stem in stems:
                rest -= stem[:, part]
            self._residual_energy += energy(rest)

    def null_db(self, *, gain: float = 1.0, rounding_energy: Iterable[float] = ()) -> float:
        """Return the residual's level relative to the mixture's, in dB.

        Args:
            gain: what stems and mixture alike were multiplied by afterwards.
            rounding_energy: for each stem, the energy of what was then rounded away. Errors of
                different stems are taken to add up in the worst way, so the figure is a bound.
        """
        residual = gain * math.sqrt(self._residual_energy)
        residual += sum(math.sqrt(rounding) for rounding in rounding_energy)
        mixture = gain * math.sqrt(self._mixture_energy)
        if not residual:
            return -math.inf
        return 20 * math.log10(residual / mixture) if mixture else math.inf
