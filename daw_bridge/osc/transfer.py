"""Audio as it travels over TCP, to and from a DAW on another machine."""

from __future__ import annotations

import os
from contextlib import contextmanager
from io import FileIO
from typing import TYPE_CHECKING

from daw_bridge.errors import OutputError
from daw_bridge.files.hashing import sha256_of_rest
from daw_bridge.files.reach import ANYWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.files.reach import Reach

TRANSFER_PREFIX = "transfer:"
"""Goes before an upload's name where a job names it as a path."""
_PIECE_BYTES = 1 << 16


class Outgoing:
    """An open file that is sent: what its size and hash are told of is what is read.

    Attributes:
        size: how many bytes it has.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self._path = path
        self._file = file
        self._state = self._look()
        self.size = self._state[0]

    def sha256(self) -> str:
        """Return its hash; slow for large files.

        Raises:
            OutputError: it cannot be read.
        """
        with _reading_errors(self._path):
            self._file.seek(0)
            return sha256_of_rest(self._file)

    def read_piece(self, offset: int) -> bytes:
        """Return what follows an offset; nothing at the end.

        Raises:
            OutputError: it cannot be read, or is not what it was.
        """
        with _reading_errors(self._path):
            self._file.seek(offset)
            piece = self._file.read(_PIECE_BYTES)
            if self._look() != self._state:
                raise OutputError(f"{self._path} was changed while it was sent; ask for it again.")
        return piece

    def _look(self) -> tuple[int, int]:
        state = os.fstat(self._file.fileno())
        return state.st_size, state.st_mtime_ns


@contextmanager
def open_outgoing(path: Path, *, reach: Reach = ANYWHERE) -> Iterator[Outgoing]:
    """Open a file to send it.

    Raises:
        OutputError: it cannot be read, or is out of reach.
    """
    with _reading_errors(path):
        file = FileIO(path, opener=reach.open)
    with file:
        yield Outgoing(path, file)


def read_pieces(path: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield a file's pieces from an offset on, each with its own.

    Raises:
        OutputError: it cannot be read, or is changed meanwhile.
    """
    with open_outgoing(path) as file:
        while data := file.read_piece(offset):
            yield offset, data
            offset += len(data)


@contextmanager
def _reading_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be read any more: {error.strerror or error}.") from error
