"""The ``[[quality]]`` of manifests and catalogue entries: what was measured of a model's stems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from daw_bridge.library.limits import MAX_STEMS
from daw_bridge.library.names import Line, StemName
from daw_bridge.library.stages import ManifestTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MAX_FIGURES = 4 * MAX_STEMS


class Figure(ManifestTable, frozen=True, kw_only=True):
    """How well one stem is made, as somebody measured it and tells.

    Attributes:
        stem: which.
        sdr_db: the signal-to-distortion ratio.
        data: the songs that it was measured on, and how, as in "MUSDB18-HQ, median of songs".
        source: who says so: a page, a paper or a list.
    """

    stem: StemName
    sdr_db: Annotated[float, msgspec.Meta(ge=-100, le=200)]
    data: Annotated[Line, msgspec.Meta(min_length=1)]
    source: Annotated[Line, msgspec.Meta(min_length=1)]


Quality: TypeAlias = Annotated[tuple[Figure, ...], msgspec.Meta(max_length=_MAX_FIGURES)]


def check_figures(figures: Iterable[Figure], stems: Sequence[str]) -> None:
    """Raise :class:`ValueError` unless each figure is of one of a model's stems."""
    for figure in figures:
        if figure.stem not in stems:
            raise ValueError(f"a figure is of '{figure.stem}', which is no stem of the model")
