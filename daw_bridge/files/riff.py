"""Chunks of WAV files: RIFF, and its forms beyond 4 GB (EBU Tech 3306)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = struct.Struct("<4sI")
_SIZES = struct.Struct("<QQ")  # of the file and of its samples, in the chunk ds64
_FORMS = (b"RIFF", b"RF64", b"BW64")
_SEE_DS64 = 0xFFFFFFFF
_OF_SAMPLES = {b"ds64", b"fmt ", b"fact", b"data", b"PEAK", b"JUNK"}
_MOST_BYTES = 1 << 62  # so that a file can be asked for what lies behind


def find_chunk(file: BinaryIO, wanted: bytes, *, most_bytes: int) -> bytes | None:
    """Return the first bytes of a chunk of an open file; None where it has none, or is no WAV."""
    return next(find_chunks(file, wanted, most_bytes=most_bytes), None)


def find_chunks(file: BinaryIO, wanted: bytes, *, most_bytes: int) -> Iterator[bytes]:
    """Yield the first bytes of each chunk of a name, none where an open file is no WAV."""
    for name, size in _chunks(file):
        if name == wanted:
            yield file.read(min(size, most_bytes))


def holds_samples_alone(file: BinaryIO) -> bool:
    """Tell whether an open file is a WAV whose chunks are all about its samples."""
    names = (name for name, _ in _chunks(file))
    return next(names, None) in _OF_SAMPLES and all(name in _OF_SAMPLES for name in names)


def append_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    """Add a chunk at the end of an open WAV file."""
    file.seek(0)
    form, _ = _HEADER.unpack(file.read(_HEADER.size))
    padding = bytes(file.seek(0, os.SEEK_END) % 2)
    file.write(padding + _HEADER.pack(name, len(content)) + content + bytes(len(content) % 2))
    size = file.tell() - _HEADER.size
    if form == b"RIFF":
        file.seek(4)
        file.write(struct.pack("<I", size))
    else:
        file.seek(12 + _HEADER.size)  # behind the first twelve bytes comes ds64
        file.write(struct.pack("<Q", size))


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the name and size of each chunk, with the file at the first byte of its content."""
    file.seek(0)
    magic = file.read(12)
    if magic[:4] not in _FORMS or magic[8:] != b"WAVE":
        return
    samples_bytes = 0
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        name, size = _HEADER.unpack(header)
        start = file.tell()
        if name == b"ds64" and len(sizes := file.read(_SIZES.size)) == _SIZES.size:
            samples_bytes = _SIZES.unpack(sizes)[1]
            file.seek(start)
        if name == b"data" and size == _SEE_DS64:
            size = min(samples_bytes, _MOST_BYTES)
        yield name, size
        file.seek(start + size + size % 2)
