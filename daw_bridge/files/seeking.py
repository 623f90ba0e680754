"""Files as FFmpeg wants them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from daw_bridge.files.reach import ANYWHERE

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.reach import Reach


class SeekableFile(io.FileIO):
    """A file to read, in which seeking to where there can be nothing is no exception.

    Damage sends FFmpeg there, which takes a negative place for a no. An exception PyAV would print.
    """

    def __init__(self, path: Path, *, reach: Reach = ANYWHERE) -> None:
        super().__init__(os.fspath(path), opener=reach.open)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place and return it; -1: it cannot be."""
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1
