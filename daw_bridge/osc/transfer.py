"""Audio as it travels over TCP, to and from a DAW on another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRANSFER_PREFIX = "transfer:"
"""Goes before an upload's name where a job names it as a path."""
_PIECE_BYTES = 1 << 16


def read_pieces(path: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield a file's pieces from an offset on, each with its own."""
    with path.open("rb") as file:
        file.seek(offset)
        while data := file.read(_PIECE_BYTES):
            yield offset, data
            offset += len(data)
