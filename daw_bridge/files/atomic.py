"""Files that appear whole or not at all: written under another name, then renamed."""

from __future__ import annotations

import glob
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_RANDOM_BYTES = 4


def part_of(path: Path) -> Path:
    """Return a name in a file's folder, to write it under until it is whole."""
    return path.with_name(f".{secrets.token_hex(_RANDOM_BYTES)}-{path.name}")


def remove_parts(paths: Iterable[Path]) -> None:
    """Remove the half-written parts of these files that a killed process left."""
    for path in paths:
        for part in path.parent.glob(f".{'[0-9a-f]' * 2 * _RANDOM_BYTES}-{glob.escape(path.name)}"):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a small file; a link in its place is replaced, not followed.

    Args:
        path: the file.
        content: all of it.
        durable: wait until it is on the disk, so that it survives a power cut.

    Raises:
        OSError: it cannot be written.
    """
    part = part_of(path)
    try:
        with part.open("xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
