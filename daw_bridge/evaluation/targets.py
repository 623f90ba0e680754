"""Which stems of a model are compared with which stems of songs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daw_bridge.errors import AudioError
from daw_bridge.library.stems import REST, RESTS

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class Target:
    """What is compared: a sum of a model's stems with a sum of a song's.

    Attributes:
        name: what tables call it.
        model_stems: what the estimate is the sum of.
        song_stems: what the reference is the sum of.
    """

    name: str
    model_stems: tuple[str, ...]
    song_stems: tuple[str, ...]


def match_stems(model_stems: Collection[str], song_stems: Collection[str]) -> tuple[Target, ...]:
    """Match a model's stems with those of songs.

    Stems of the same name are compared with each other. All others, and ``other`` and
    ``accompaniment`` always, are the rest: the sum of the model's with the sum of the songs'. So
    accompaniment is compared with all but the vocals, and a model's ``other`` with songs' ``other``
    and ``piano`` where it makes no ``piano``.

    Raises:
        AudioError: model and songs have no stem in common.
    """
    shared = [stem for stem in model_stems if stem in song_stems and stem not in RESTS]
    if not shared:
        raise AudioError(
            f"There is nothing to compare: the songs have {', '.join(sorted(song_stems))},"
            f" the model makes {', '.join(model_stems)}."
        )
    targets = [Target(stem, (stem,), (stem,)) for stem in shared]
    model_rest, song_rest = (
        tuple(stem for stem in stems if stem not in shared)
        for stems in (model_stems, sorted(song_stems))
    )
    if model_rest and song_rest:
        targets.append(Target(_name_rest(model_rest, song_rest), model_rest, song_rest))
    return tuple(targets)


def _name_rest(model_rest: tuple[str, ...], song_rest: tuple[str, ...]) -> str:
    """Return the name of the rest: that of a stem where either side has just one."""
    for rest in (model_rest, song_rest):
        if len(rest) == 1:
            return rest[0]
    return REST
