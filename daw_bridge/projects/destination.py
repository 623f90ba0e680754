"""Where a project is written, and how its audio comes along."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias

from daw_bridge.errors import AudioError, OutputError
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.printing import plain, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from daw_bridge.files.reach import Reach
    from daw_bridge.files.room import Room

Way: TypeAlias = Literal["embed", "link"]
"""Whether a project has its audio within it, or names the files where they are."""


@dataclass(frozen=True)
class Destination:
    """Where a project goes.

    Attributes:
        path: the file that a DAW opens, an absolute path; of a project that is a folder, the file
            in it that has the folder's name.
        way: how the audio comes along.
        overwrite: replace a project that exists.
        reach: where all that is read and written may be.
        room: how much may be written; None: as much as there is room for.
        heartbeat: is called now and then; an exception that it raises ends the work.
    """

    path: Path
    way: Way = "embed"
    overwrite: bool = False
    reach: Reach = ANYWHERE
    room: Room | None = None
    heartbeat: Callable[[], None] | None = None

    def open(self, file: Path) -> BinaryIO:
        """Open an audio file that is to come along, or to be read.

        Raises:
            AudioError: it cannot be read.
        """
        try:
            return open(file, "rb", opener=self.reach.open)
        except OSError as error:
            raise AudioError(f"{file} cannot be read: {error.strerror or error}.") from error

    def link_to(self, file: Path) -> str:
        """Return a file's path from the folder of the project on, with ``/`` between names.

        Raises:
            OutputError: it has characters that no project can name.
        """
        try:
            link = PurePath(os.path.relpath(file, self.path.parent)).as_posix()
        except ValueError:  # on another drive of Windows
            link = file.as_posix()
        if plain(link) != link:
            raise OutputError(
                f"{printable(str(file))} cannot be named in {self.path.name}, as it has characters"
                " that cannot be seen; rename it, or its folder."
            )
        return link
