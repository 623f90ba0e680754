"""What writes each format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from daw_bridge.projects.aaf import write_aaf
from daw_bridge.projects.ardour import write_ardour
from daw_bridge.projects.dawproject import write_dawproject
from daw_bridge.projects.rpp import write_rpp
from daw_bridge.projects.stem_mp4 import write_stem_mp4

if TYPE_CHECKING:
    from collections.abc import Callable

    from daw_bridge.files.reach import Folder
    from daw_bridge.projects.destination import Destination
    from daw_bridge.projects.project import Project

    FileWriter: TypeAlias = Callable[[Project, BinaryIO, Destination], None]
    """Writes a project into a new file, which it can read and seek in too."""

    FolderWriter: TypeAlias = Callable[[Project, Folder, Destination], None]
    """Writes a project into a new folder."""

FILE_WRITERS: dict[str, FileWriter] = {
    "dawproject": write_dawproject,
    "rpp": write_rpp,
    "aaf": write_aaf,
    "stem.mp4": partial(write_stem_mp4, codec="aac"),
    "stem.mp4:alac": partial(write_stem_mp4, codec="alac"),
}
FOLDER_WRITERS: dict[str, FolderWriter] = {"ardour": write_ardour}
