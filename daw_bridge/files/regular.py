"""Regular files: what can be read to an end, unlike a pipe, a socket or a device."""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def check_regular(path: Path) -> None:
    """Find out whether a file has an end.

    Raises:
        OSError: it cannot be seen, or is no regular file.
    """
    _check_mode(path, path.stat().st_mode)


def open_regular(path: Path) -> IO[bytes]:
    """Open a file for reading, at once: a pipe to which nobody writes is not waited for.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    check_regular(path)
    # It may have become a pipe since; Windows has none in folders.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    try:
        _check_mode(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, limit_bytes: int) -> bytes:
    """Return all of a small file.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger than the limit.
    """
    with open_regular(path) as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"it has more than {limit_bytes >> 10} KiB", str(path))
    return content


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


def _check_mode(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))
