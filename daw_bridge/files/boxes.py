"""The boxes that MP4 files are made of, found and added (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD_BYTES = 8
_LONG_HEAD_BYTES = 16
_IS_LONG = 1
_TO_THE_END = 0
_MAX_BOXES = 1_000
"""Beside each other: a movie has one a track, and few more."""
_MAX_MOVED_BYTES = 64 << 20
_VERSION_BYTES = 1
_FLAGS_BYTES = 3


class BoxError(ValueError):
    """Boxes do not fit into each other: a sentence without its stop."""


class Box(NamedTuple):
    """Where a box is in its file, in bytes.

    Attributes:
        kind: its four letters.
        start: where its head begins.
        content: where its head ends.
        end: where the next box begins.
    """

    kind: bytes
    start: int
    content: int
    end: int

    def read(self, file: BinaryIO, *, at_most: int) -> bytes:
        """Return what it holds.

        Raises:
            BoxError: that is more.
        """
        size = self.end - self.content
        if size > at_most:
            raise BoxError(f"its box '{_text(self.kind)}' has {size:,} bytes")
        file.seek(self.content)
        return file.read(size)


def whole_file(file: BinaryIO) -> Box:
    """Return a file as the box of its boxes."""
    return Box(b"file", 0, 0, file.seek(0, os.SEEK_END))


def inner_boxes(file: BinaryIO, outer: Box) -> Iterator[Box]:
    """Yield the boxes that a box begins with.

    Raises:
        BoxError: one is larger than the box that it is in, or there are too many.
    """
    start = outer.content
    for _ in range(_MAX_BOXES):
        if outer.end - start < _HEAD_BYTES:
            return
        box = _read_head(file, start, outer)
        yield box
        start = box.end
    raise BoxError(f"'{_text(outer.kind)}' holds more than {_MAX_BOXES:,} boxes")


def find_boxes(file: BinaryIO, kinds: Sequence[bytes]) -> list[Box]:
    """Return a box and those that it is in, from the outermost on; those that there are.

    Raises:
        BoxError: as :func:`inner_boxes`.
    """
    found = [whole_file(file)]
    for kind in kinds:
        box = next((each for each in inner_boxes(file, found[-1]) if each.kind == kind), None)
        if box is None:
            break
        found.append(box)
    return found[1:]


def add_box(file: BinaryIO, kinds: Sequence[bytes], content: bytes) -> None:
    """Add a box at the end of one that the file ends with; what it is to be in is made.

    Only what ends the file can grow, so that nothing moves that a position elsewhere points to.

    Args:
        file: is written in place.
        kinds: of the boxes that it is in, from the outermost on, and its own.
        content: what it holds.

    Raises:
        BoxError: the outermost is not there, or is not the last.
    """
    around = find_boxes(file, kinds[:-1])
    if not around or around[0].end != whole_file(file).end:
        raise BoxError(f"it does not end with '{_text(kinds[0])}'")
    for kind in reversed(kinds[len(around) :]):
        content = (_HEAD_BYTES + len(content)).to_bytes(4, "big") + kind + content
    _insert(file, around[-1].end, content)
    for box in around:
        _enlarge(file, box, len(content))


def set_flags(file: BinaryIO, box: Box, flags: int) -> None:
    """Set the flags that a full box begins with, behind its version."""
    file.seek(box.content + _VERSION_BYTES)
    file.write(flags.to_bytes(_FLAGS_BYTES, "big"))


def _read_head(file: BinaryIO, start: int, outer: Box) -> Box:
    file.seek(start)
    head = file.read(_LONG_HEAD_BYTES)
    size, kind, content = int.from_bytes(head[:4], "big"), head[4:8], start + _HEAD_BYTES
    if size == _IS_LONG:
        size, content = int.from_bytes(head[8:], "big"), start + _LONG_HEAD_BYTES
    elif size == _TO_THE_END:
        size = outer.end - start
    box = Box(kind, start, content, start + size)
    if not content <= box.end <= outer.end:
        raise BoxError(f"its box '{_text(kind)}' has no size that fits into '{_text(outer.kind)}'")
    return box


def _insert(file: BinaryIO, position: int, content: bytes) -> None:
    file.seek(position)
    behind = file.read(_MAX_MOVED_BYTES + 1)
    if len(behind) > _MAX_MOVED_BYTES:
        raise BoxError("too much lies behind what is to grow")
    file.seek(position)
    file.write(content + behind)


def _enlarge(file: BinaryIO, box: Box, by: int) -> None:
    """Count bytes more in a box's head; a size of zero counts by itself."""
    size = box.end - box.start + by
    if box.content - box.start == _LONG_HEAD_BYTES:
        file.seek(box.start + _HEAD_BYTES)
        file.write(size.to_bytes(8, "big"))
        return
    file.seek(box.start)
    if file.read(4) != bytes(4):
        file.seek(box.start)
        file.write(size.to_bytes(4, "big"))


def _text(kind: bytes) -> str:
    return kind.decode("latin-1")
