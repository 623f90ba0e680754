"""The formats that projects are written in, and what their files are called.

This is quick to load, for help texts; `writers` has what writes them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daw_bridge.errors import OptionError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from daw_bridge.projects.destination import Way


@dataclass(frozen=True)
class Format(ABC):
    """A format of projects; what it is written under gets its name when it is whole.

    Attributes:
        name: what people ask for it by.
        ending: how the name of the file ends that DAWs open.
        programs: which these are.
        ways: how audio can come along; the first is usual.
    """

    name: str
    ending: str
    programs: str
    ways: tuple[Way, ...]

    @abstractmethod
    def place(self, folder: Path, title: str) -> Path:
        """Return the path of a project of a name in a folder: that of the file that DAWs open."""

    def choose_way(self, way: Way | None) -> Way:
        """Return how audio comes along, as it was said, or as is usual.

        Raises:
            OptionError: the format does not allow it.
        """
        if way and way not in self.ways:
            raise OptionError(
                f"{self.name} cannot {way} audio, only {self.ways[0]} it; leave --{way} out."
            )
        return way or self.ways[0]


@dataclass(frozen=True)
class FileFormat(Format):
    """A format whose projects are a file each."""

    def place(self, folder: Path, title: str) -> Path:
        """Return the path of the file."""
        return folder / f"{title}{self.ending}"


@dataclass(frozen=True)
class FolderFormat(Format):
    """A format whose projects are a folder each, with a file of its name that DAWs open."""

    def place(self, folder: Path, title: str) -> Path:
        """Return the path of the file in the project's folder."""
        return folder / title / f"{title}{self.ending}"


_FOR_DJS = "Traktor, Mixxx and others for DJs"
_ALL: tuple[Format, ...] = (
    FileFormat(
        "dawproject",
        ".dawproject",
        "Bitwig Studio, Studio One, Cubase, VST Live, n-Track",
        ("embed", "link"),
    ),
    FileFormat("rpp", ".rpp", "REAPER", ("link",)),
    FileFormat("aaf", ".aaf", "Pro Tools, Logic Pro, Premiere, Resolve", ("embed",)),
    FolderFormat("ardour", ".ardour", "Ardour 7 or newer", ("embed", "link")),
    FileFormat("stem.mp4", ".stem.mp4", _FOR_DJS, ("embed",)),
    FileFormat("stem.mp4:alac", ".stem.mp4", _FOR_DJS, ("embed",)),
)

FORMATS: Mapping[str, Format] = {each.name: each for each in _ALL}


def find_formats(names: Iterable[str]) -> tuple[Format, ...]:
    """Return formats by their names, each once.

    Raises:
        OptionError: there is no such format, or two of them would be one file.
    """
    chosen = dict.fromkeys(names)
    for name in chosen:
        if name not in FORMATS:
            raise OptionError(
                f"There is no project format '{name:.40}'{suggestion(name, FORMATS)};"
                f" there are {', '.join(FORMATS)}."
            )
    formats = tuple(map(FORMATS.__getitem__, chosen))
    if len({each.ending for each in formats}) < len(formats):
        raise OptionError(f"Of {' and '.join(chosen)} some would be one file; leave one out.")
    return formats
