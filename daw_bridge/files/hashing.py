"""Hashes of files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO

from daw_bridge.files.reach import ANYWHERE

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.reach import Reach

_BLOCK_BYTES = 1 << 20


def sha256_of(file: Path, *, reach: Reach = ANYWHERE) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with open(file, "rb", opener=reach.open) as stream:
        return sha256_of_rest(stream)


def sha256_of_rest(stream: BinaryIO) -> str:
    """Return the SHA-256 of what follows in a stream, in hexadecimal."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
