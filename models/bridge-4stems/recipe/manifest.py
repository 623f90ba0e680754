"""What was made: the data set's manifest, a line a song."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "data.csv"


@dataclass(frozen=True)
class Row:
    """A song that was made.

    Attributes:
        song: its folder.
        source: the collection that it comes from.
        licence: SPDX expression of what is played, or of the recording.
        instruments: SPDX expression of what it is played on; empty: it is a recording.
        seconds: how long it is.
        stems: its stems, with spaces between them.
    """

    song: str
    source: str
    licence: str
    instruments: str
    seconds: float
    stems: str


def read(path: Path) -> list[Row]:
    """Return the songs of a manifest; none where there is none yet.

    Raises:
        ValueError, IndexError, TypeError: it is not such a manifest.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [Row(*texts[:4], float(texts[4]), texts[5]) for texts in lines]


def append(path: Path, row: Row) -> None:
    """Add a song to a manifest."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)])
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(row))


def totals(rows: Sequence[Row]) -> str:
    """Return a table of minutes by source and licence, and by stem."""
    songs = Counter((row.source, row.licence) for row in rows)
    minutes: defaultdict[tuple[str, str], float] = defaultdict(float)
    stem_minutes: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        minutes[row.source, row.licence] += row.seconds / 60
        for stem in row.stems.split():
            stem_minutes[stem] += row.seconds / 60
    lines = [
        f"{total:7.1f} min  {songs[source, licence]:4d} songs  {source} ({licence})"
        for (source, licence), total in sorted(minutes.items(), key=lambda item: -item[1])
    ]
    lines += [f"{total:7.1f} min  {stem}" for stem, total in sorted(stem_minutes.items())]
    return "\n".join(lines)
