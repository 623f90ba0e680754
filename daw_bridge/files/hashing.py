"""Hashes of files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from daw_bridge.files.regular import open_regular

if TYPE_CHECKING:
    from pathlib import Path


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    digest = hashlib.sha256()
    with open_regular(file) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
