"""One colour a stem, wherever stems are shown: on tracks, in projects, in reports.

The colours are those of Okabe and Ito, which people who see fewer colours can tell apart too.
"""

from __future__ import annotations

import colorsys
import zlib
from typing import TYPE_CHECKING, NamedTuple

from daw_bridge.library.stems import RESIDUAL, is_without, lineage

if TYPE_CHECKING:
    from collections.abc import Mapping


class Colour(NamedTuple):
    """Red, green and blue, 0 to 255 each."""

    red: int
    green: int
    blue: int

    @classmethod
    def parse(cls, text: str) -> Colour:
        """Return the colour of ``#RRGGBB``."""
        return cls(*bytes.fromhex(text.removeprefix("#")))

    def __str__(self) -> str:
        """Return ``#RRGGBB``."""
        return f"#{bytes(self).hex().upper()}"


SOURCE = Colour.parse("#999999")
"""Of what was separated."""

COLOURS: Mapping[str, Colour] = {
    name: Colour.parse(text)
    for text, names in {
        "#56B4E9": "vocals voice speech lead",
        "#0072B2": "accompaniment instrumental music backing",
        "#009E73": "drums percussion kick snare toms hihat cymbals ride crash",
        "#D55E00": "bass",
        "#CC79A7": "other rest",
        "#F0E442": "piano keys synth",
        "#E69F00": "guitar strings wind brass",
        "#999999": f"{RESIDUAL} effects noise",
    }.items()
    for name in names.split()
}


def colour_of(stem: str) -> Colour:
    """Return the colour of a stem: its own, that of what it is a part of, or one by its name.

    What is left when others are taken away is an accompaniment.
    """
    if is_without(stem):
        return COLOURS["accompaniment"]
    for name in lineage(stem):
        if name in COLOURS:
            return COLOURS[name]
    hue = zlib.crc32(stem.encode()) / 2**32
    return Colour(*(round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.6, 0.5)))
