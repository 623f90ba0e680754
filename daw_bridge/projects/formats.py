"""The formats that projects are written in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from daw_bridge.errors import OptionError, suggestion
from daw_bridge.projects.aaf import write_aaf
from daw_bridge.projects.ardour import write_ardour
from daw_bridge.projects.dawproject import write_dawproject
from daw_bridge.projects.rpp import write_rpp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from daw_bridge.files.reach import Folder
    from daw_bridge.files.stem_files import Codec
    from daw_bridge.projects.destination import Destination, Way
    from daw_bridge.projects.project import Project

    FileWriter: TypeAlias = Callable[[Project, BinaryIO, Destination], None]
    """Writes a project into a new file, which it can read and seek in too."""

    FolderWriter: TypeAlias = Callable[[Project, Folder, Destination], None]
    """Writes a project into a new folder."""


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

    write: FileWriter

    def place(self, folder: Path, title: str) -> Path:
        """Return the path of the file."""
        return folder / f"{title}{self.ending}"


@dataclass(frozen=True)
class FolderFormat(Format):
    """A format whose projects are a folder each, with a file of its name that DAWs open."""

    write: FolderWriter

    def place(self, folder: Path, title: str) -> Path:
        """Return the path of the file in the project's folder."""
        return folder / title / f"{title}{self.ending}"


def _stem_mp4(codec: Codec) -> FileWriter:
    def write(project: Project, file: BinaryIO, destination: Destination) -> None:
        from daw_bridge.projects.stem_mp4 import write_stem_mp4  # slow to load

        write_stem_mp4(project, file, destination, codec=codec)

    return write


_FOR_DJS = "Traktor, Mixxx and others for DJs"
_ALL: tuple[Format, ...] = (
    FileFormat(
        "dawproject",
        ".dawproject",
        "Bitwig Studio, Studio One, Cubase, VST Live, n-Track",
        ("embed", "link"),
        write_dawproject,
    ),
    FileFormat("rpp", ".rpp", "REAPER", ("link",), write_rpp),
    FileFormat("aaf", ".aaf", "Pro Tools, Logic Pro, Premiere, Resolve", ("embed",), write_aaf),
    FolderFormat("ardour", ".ardour", "Ardour 7 or newer", ("embed", "link"), write_ardour),
    FileFormat("stem.mp4", ".stem.mp4", _FOR_DJS, ("embed",), _stem_mp4("aac")),
    FileFormat("stem.mp4:alac", ".stem.mp4", _FOR_DJS, ("embed",), _stem_mp4("alac")),
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
