"""The names of stems that mean something wherever they come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

REST = "other"
RESTS = (REST, "accompaniment")
"""What is left when the other stems are known, whichever these are."""

RESIDUAL = "residual"
REMIX = "remix"
RESULTS = (RESIDUAL, REMIX)
"""What jobs write beside stems, so that no stem has these names."""

DASH = " – "  # noqa: RUF001
"""Between a song's name and that of a stem of it, on tracks and in the names of files."""

_BELOW = "."
"""Between the name of a part and that of a part of it, as in ``vocals.lead``."""

_RANKS = {"vocals": 0, "drums": 1, "bass": 2, REST: 4}
_WITHOUT = "no "
_OTHER_NAMES = {"vox": "vocals", "vocal": "vocals", "voice": "vocals", "drum": "drums"}
_COMPLEMENTS = {"vocals": "instrumental", "instrumental": "vocals"}


def check_names(stems: Sequence[str]) -> None:
    """Raise :class:`ValueError` unless each stem has a file of its own, on any system."""
    if len({stem.casefold() for stem in stems}) < len(stems):
        raise ValueError("two stems share a name, or would where upper case is lower case")
    if taken := [stem for stem in stems if stem.casefold() in RESULTS]:
        raise ValueError(f"no stem can be called '{taken[0]}', as a result of another kind is")


def usual_name(name: str) -> str:
    """Return the name of a stem that people call otherwise, in lower case: vocals, of ``Vox``."""
    name = name.casefold()
    return _OTHER_NAMES.get(name, name)


def whole_of(stem: str) -> str:
    """Return the name of what a stem is a part of, by its own name; empty: it tells nothing."""
    return stem.rpartition(_BELOW)[0]


def lineage(stem: str) -> Iterator[str]:
    """Yield the name of a stem, of what it is a part of, and so on: vocals.lead, then vocals."""
    while stem:
        yield stem
        stem = whole_of(stem)


def in_usual_order(stems: Iterable[str]) -> list[str]:
    """Return stems as they come by default: vocals, drums, bass, then by name, ``other`` last."""
    return sorted(stems, key=lambda stem: (_RANKS.get(stem, 3), stem))


def rest_last(stems: Sequence[str]) -> list[int]:
    """Return the order of stems in which what is left when the others are known comes last."""
    return sorted(range(len(stems)), key=lambda index: stems[index] in RESTS)


def without(stems: Iterable[str]) -> str:
    """Return what to call what is left when some stems are taken away: ``no drums+bass``."""
    return _WITHOUT + "+".join(stems)


def is_without(stem: str) -> bool:
    """Return whether a stem is called what is left when others are taken away."""
    return stem.startswith(_WITHOUT)


def complement(stem: str) -> str:
    """Return what to call all but one stem; that of ``no piano`` is ``piano``."""
    if is_without(stem):
        return stem.removeprefix(_WITHOUT)
    return _COMPLEMENTS.get(stem, "rest")
