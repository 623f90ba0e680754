"""Which files may be opened: any, or those below some folders, on a path without links.

A path that was checked may lead elsewhere by the time that it is opened. So a file that a stranger
named is looked for from a root on, each folder by the descriptor of the one before; what is read is
what that descriptor opened, and what is written gets its name in the very folder that is held open.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HAS_FOLDER_DESCRIPTORS = os.open in os.supports_dir_fd

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_AS_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
)
_TO_LIST = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_CLOSED = -1
_MAY_BE_LINKS = {errno.ELOOP, errno.ENOTDIR}


class Folder:
    """A folder that is held open: names mean files in it, wherever its path may lead by now.

    Use it in a ``with`` block. Windows has no descriptors of folders: there, names mean files at
    the folder's path, and each is compared with what was opened.

    Attributes:
        path: where it was when it was opened.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the folder go."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, _CLOSED
            os.close(descriptor)

    def open(self, name: str, flags: int) -> int:
        """Open a file in it, as an opener of Python's :func:`open`.

        Raises:
            OSError: it is missing, a link, or no file; also from all other methods.
        """
        with _links_told():
            opened = _open_file(self._at(name), flags | _NO_LINK, self._descriptor)
        if not HAS_FOLDER_DESCRIPTORS and not os.path.samestat(
            os.fstat(opened), os.lstat(self._at(name))
        ):
            os.close(opened)
            raise _link_error()
        return opened

    def read(self, name: str, *, at_most: int) -> bytes:
        """Return what a small file holds; one that is larger is an error."""
        with open(name, "rb", opener=self.open) as file:
            return _read_at_most(file, at_most)

    def create(self, name: str) -> io.FileIO:
        """Return a new file to write and read, without a buffer."""
        return io.FileIO(name, "x+", opener=self.open)

    def replace(self, part: str, name: str) -> None:
        """Give a part its name; a link in its place is replaced, not followed."""
        held = self._descriptor
        os.replace(self._at(part), self._at(name), src_dir_fd=held, dst_dir_fd=held)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name), dir_fd=self._descriptor)

    def names(self) -> list[str]:
        """Return the names of all that is in it, sorted."""
        if self._descriptor is None:
            return _list(self.path)
        listed = os.open(".", _TO_LIST, dir_fd=self._descriptor)
        try:
            return _list(listed)
        finally:
            os.close(listed)

    def step(self, name: str, *, make: bool) -> Folder:
        """Return a folder in it, which is made if need be."""
        if not HAS_FOLDER_DESCRIPTORS:
            return _open_unlinked(self.path.resolve() / name, make=make)
        with _links_told():
            try:
                inner = os.open(name, _AS_FOLDER | _NO_LINK, dir_fd=self._descriptor)
            except FileNotFoundError:
                if not make:
                    raise
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=self._descriptor)
                inner = os.open(name, _AS_FOLDER | _NO_LINK, dir_fd=self._descriptor)
        return Folder(self.path / name, inner)

    def remove_folder(self, name: str) -> None:
        """Remove a folder in it, which must be empty."""
        os.rmdir(self._at(name), dir_fd=self._descriptor)

    def _at(self, name: str) -> str:
        return name if HAS_FOLDER_DESCRIPTORS else str(self.path / name)


class Reach(ABC):
    """Which files may be opened."""

    @abstractmethod
    def open(self, path: str, flags: int) -> int:
        """Open a file, as an opener of Python's :func:`open`; never wait for a pipe.

        Raises:
            OSError: it is missing, out of reach, or no file.
        """

    @abstractmethod
    def folder(self, path: Path, *, make: bool = False) -> Folder:
        """Return a folder, held open; it and those above it are made if need be.

        Raises:
            OSError: it is missing, out of reach, or no folder.
        """


class Anywhere(Reach):
    """All files, as whoever runs this program may open them; links are followed."""

    def open(self, path: str, flags: int) -> int:
        """Open a file."""
        return _open_file(path, flags)

    def folder(self, path: Path, *, make: bool = False) -> Folder:
        """Return a folder."""
        if make:
            path.mkdir(parents=True, exist_ok=True)
        return _open_folder(path)


ANYWHERE = Anywhere()


def read_small(path: Path, *, at_most: int) -> bytes:
    """Return all of a small file, which may be anywhere.

    Raises:
        OSError: it is missing, no file, or has more than so many bytes.
    """
    with open(path, "rb", opener=ANYWHERE.open) as file:
        return _read_at_most(file, at_most)


@dataclass(frozen=True)
class Beneath(Reach):
    """Files below some folders, on a path without links: one that leads elsewhere is refused.

    Links above the roots are followed. On Windows a path is resolved right before it is opened,
    which leaves a moment in which it can be changed.

    Attributes:
        roots: the folders, links followed.
    """

    roots: Sequence[Path]

    def open(self, path: str, flags: int) -> int:
        """Open a file."""
        with self.folder(Path(path).parent) as folder:
            return folder.open(Path(path).name, flags)

    def folder(self, path: Path, *, make: bool = False) -> Folder:
        """Return a folder, to which steps lead from the outermost root."""
        above = [root for root in self.roots if path.is_relative_to(root)]
        if not above or ".." in path.parts:
            raise PermissionError(errno.EACCES, "it is not in a folder that clients may use")
        if not HAS_FOLDER_DESCRIPTORS:
            return _open_unlinked(path, make=make)
        root = min(above, key=lambda each: len(each.parts))
        folder = _open_folder(root)
        for name in path.relative_to(root).parts:
            with folder:
                folder = folder.step(name, make=make)
        return folder


def _open_file(path: str, flags: int, folder: int | None = None) -> int:
    """Open what is a file; what is none is closed again before anything waits for it."""
    opened = os.open(path, flags | _WITHOUT_WAITING, 0o666, dir_fd=folder)
    kind = os.fstat(opened).st_mode
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):  # of a folder, open() has its own to say
        return opened
    os.close(opened)
    raise OSError(errno.EINVAL, "it is a pipe, a socket or a device")


def _read_at_most(file: BinaryIO, size: int) -> bytes:
    content = file.read(size + 1)
    if len(content) > size:
        raise OSError(errno.EFBIG, f"it has more than {size:,} bytes")
    return content


def _list(folder: Path | int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def _open_folder(path: Path) -> Folder:
    return Folder(path, os.open(path, _AS_FOLDER) if HAS_FOLDER_DESCRIPTORS else None)


def _open_unlinked(path: Path, *, make: bool) -> Folder:
    """Return a folder where they have no descriptors: its path must lead to itself."""
    if path.resolve() != path:
        raise _link_error()
    return ANYWHERE.folder(path, make=make)


def _link_error() -> OSError:
    return OSError(errno.ELOOP, "a link is in its path, or a file in place of a folder")


@contextmanager
def _links_told() -> Iterator[None]:
    """Say of links what systems say in several ways."""
    try:
        yield
    except OSError as error:
        if error.errno in _MAY_BE_LINKS:
            raise _link_error() from error
        raise
