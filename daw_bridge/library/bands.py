"""The ``[[bands]]`` of a manifest: how spectra of several sample rates are joined into one.

Each band is a resampled copy of the signal with a transform of its own, of which some bins are
taken; bands follow each other, the lowest first. All hops take equally long.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from daw_bridge.library.limits import MAX_OVERLAPS, Bins, Hop, SampleRate, Window
from daw_bridge.library.stages import ManifestTable

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BANDS = 8
_LEAST_DETERMINANT = 0.01

Bin: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1 << 15)]
EdgeBin: TypeAlias = Annotated[int, msgspec.Meta(ge=-1, le=(1 << 15) + 1)]
"""Of a filter, whose slope may end beside the spectrum."""
Share: TypeAlias = Annotated[float, msgspec.Meta(ge=-4, le=4)]
Mixing: TypeAlias = tuple[tuple[Share, Share], tuple[Share, Share]]
UNMIXED: Mixing = ((1.0, 0.0), (0.0, 1.0))
Power: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=4)]
Resampling: TypeAlias = Literal["polyphase", "sinc"]
"""``polyphase`` is what scipy's ``resample_poly`` does, ``sinc`` libsamplerate's fastest one."""


class Slope(ManifestTable, frozen=True):
    """The edge of a filter: gains from 0 to 1, linear between two bins.

    A low-pass has ``full_bin`` below ``silent_bin``, a high-pass the other way round.
    """

    full_bin: EdgeBin
    silent_bin: EdgeBin

    def check(self) -> None:
        """Raise :class:`ValueError` unless it slopes."""
        if self.full_bin == self.silent_bin:
            raise ValueError("the full and the silent bin of a slope are different bins")


class RollOff(ManifestTable, frozen=True):
    """A low-pass of about 3.5 dB more for each bin between two; those from the end on are left."""

    first_bin: Bin
    end_bin: Bin


class Sharpening(ManifestTable, frozen=True):
    """The powers that masks are raised to, below a bin and from there on."""

    split_bin: Bin
    below: Power
    above: Power


class Band(ManifestTable, frozen=True, kw_only=True):
    """One band, from ``first_bin`` up to but without ``end_bin`` of its own transform.

    Attributes:
        slopes: filters of what becomes of it, where it meets its neighbours.
        mixing: what the network sees in it: two sums of left and right, by the shares of each.
        resampling: how it is made of the next higher band.
    """

    sample_rate_hz: SampleRate
    window_samples: Window
    hop_samples: Hop
    first_bin: Bin
    end_bin: Bins
    slopes: Annotated[tuple[Slope, ...], msgspec.Meta(max_length=2)] = ()
    mixing: Mixing = UNMIXED
    resampling: Resampling = "polyphase"

    @property
    def bins(self) -> int:
        """How many bins are taken."""
        return self.end_bin - self.first_bin

    def check(self) -> None:
        """Raise :class:`ValueError` unless its keys fit each other."""
        if self.window_samples % 2:
            raise ValueError("window_samples of a band is even")
        if not 1 <= self.window_samples / self.hop_samples <= MAX_OVERLAPS:
            raise ValueError(
                f"hop_samples is at most window_samples, and at least a {MAX_OVERLAPS}th of it"
            )
        if not self.first_bin < self.end_bin <= self.window_samples // 2 + 1:
            raise ValueError(
                f"a band takes bins {self.first_bin} to {self.end_bin} of a transform that has"
                f" {self.window_samples // 2 + 1}"
            )
        (a, b), (c, d) = self.mixing
        if abs(a * d - b * c) < _LEAST_DETERMINANT:
            raise ValueError("left and right cannot be told from a band's mixing")
        for slope in self.slopes:
            slope.check()


def check_bands(bands: Sequence[Band], sample_rate_hz: int, bins: int) -> None:
    """Raise :class:`ValueError` unless bands can be joined to so many bins at most."""
    for band in bands:
        band.check()
    if bands[-1].sample_rate_hz != sample_rate_hz:
        raise ValueError("the sample rate of the last band is that of the model")
    for low, high in pairwise(bands):
        if low.sample_rate_hz > high.sample_rate_hz:
            raise ValueError("bands follow each other from the lowest sample rate to the highest")
        if low.hop_samples * high.sample_rate_hz != high.hop_samples * low.sample_rate_hz:
            raise ValueError("hops of all bands take equally long")
    if sum(band.bins for band in bands) > bins:
        raise ValueError(f"the bands have more bins than the {bins} that the network sees")
