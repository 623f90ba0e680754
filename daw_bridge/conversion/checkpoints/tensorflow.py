"""TensorFlow V2 checkpoints, read without TensorFlow.

``model.index`` is a sorted string table as in LevelDB (a footer that points to an index block that
points to data blocks of prefix-compressed keys); its values are ``BundleEntryProto`` messages that
say where each tensor lies in ``model.data-00000-of-00001``.

Sources: LevelDB's doc/table_format.md; TensorFlow's tensor_bundle.proto and types.proto.
"""

from __future__ import annotations

import math
import re
import tarfile
import zipfile
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FOOTER_BYTES = 48
_TABLE_MAGIC = 0xDB4775248B80FB57
_DT_FLOAT = 1
_INDEX = ".index"


class _Entry(NamedTuple):
    """The fields of a ``BundleEntryProto`` that a float32 tensor of one shard needs."""

    dtype: int
    shape: tuple[int, ...]
    offset: int
    size: int


def read_latest(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the variables, of any shape, of the checkpoint in a folder, or in an archive of one.

    Of several checkpoints it takes the one that the folder's file ``checkpoint`` calls the latest.

    Raises:
        WeightsError: there is none, or more than one and no such file, or it cannot be read.
    """
    with _opened(path) as files:
        folder, prefix = _find_latest(path, files)
        try:
            index, data = (
                files[folder / f"{prefix}.{suffix}"]()
                for suffix in ("index", "data-00000-of-00001")
            )
        except KeyError as error:
            raise WeightsError(f"{path} holds no file '{error.args[0]}'.") from error
    return read_checkpoint(index, data)


def list_variables(path: Path) -> set[str]:
    """Return the names of the variables in all checkpoints of a folder or an archive.

    Raises:
        WeightsError: an index is damaged.
    """
    if not (path.is_dir() or zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        return set()
    with _opened(path) as files:
        indices = [read() for file, read in files.items() if file.suffix == _INDEX]
    return {name for index in indices for name in _read_index(index)}


@contextmanager
def _opened(path: Path) -> Iterator[Mapping[PurePosixPath, Callable[[], bytes]]]:
    """Give a function for each file of a folder, a tar or a zip, by its path, that reads it."""
    if path.is_dir():
        yield {PurePosixPath(file.name): file.read_bytes for file in path.iterdir()}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            yield {PurePosixPath(name): partial(zipped.read, name) for name in zipped.namelist()}
    else:
        with tarfile.open(path) as archive:
            yield {
                PurePosixPath(member.name): partial(_extract, archive, member)
                for member in archive
                if member.isfile()
            }


def read_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return a checkpoint's float32 tensors, of any shape, by name; others are left out.

    Raises:
        WeightsError: the index is no table, is compressed, or points outside the data.
    """
    tensors = {}
    for name, entry in _read_index(index).items():
        if entry.dtype != _DT_FLOAT:
            continue
        if entry.size != 4 * math.prod(entry.shape) or entry.offset + entry.size > len(data):
            raise WeightsError(f"The checkpoint's tensor {name} does not lie in its data.")
        flat = np.frombuffer(data, "<f4", math.prod(entry.shape), entry.offset)
        tensors[name] = flat.reshape(entry.shape)
    return tensors


def _find_latest(
    path: Path, files: Mapping[PurePosixPath, Callable[[], bytes]]
) -> tuple[PurePosixPath, str]:
    """Return the folder of an archive's latest checkpoint, and how its files' names begin."""
    indices = sorted(file for file in files if file.suffix == _INDEX)
    folders = {file.parent for file in indices}
    if len(folders) > 1:
        raise WeightsError(
            f"{path} holds {len(folders)} models: unpack it and import one of the folders"
            f" {', '.join(sorted(map(str, folders)))}."
        )
    folder = folders.pop() if folders else PurePosixPath()
    table = files[folder / "checkpoint"]() if folder / "checkpoint" in files else b""
    latest = re.search(rb'^model_checkpoint_path: "(?:.*[/\\])?(.*)"', table, re.MULTILINE)
    if latest:
        return folder, latest[1].decode(errors="replace")
    if len(indices) > 1:
        raise WeightsError(
            f"{path} holds checkpoints {', '.join(file.stem for file in indices)}, but no file"
            " 'checkpoint' that says which is the latest."
        )
    return folder, indices[0].stem if indices else "model"


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


def _read_index(index: bytes) -> dict[str, _Entry]:
    try:
        return dict(_read_entries(index))
    except (IndexError, ValueError, KeyError) as error:
        raise WeightsError(f"This is not a TensorFlow checkpoint's index: {error}.") from error


def _read_entries(index: bytes) -> Iterator[tuple[str, _Entry]]:
    if int.from_bytes(index[-8:], "little") != _TABLE_MAGIC:
        raise ValueError("its last bytes are not a table's magic number")
    footer = index[-_FOOTER_BYTES:]
    position = _skip_handle(footer, 0)
    for _, handle in _read_block(index, footer[position:]):
        for key, value in _read_block(index, handle):
            if key:  # the empty key holds the header
                yield key.decode(), _parse_entry(value)


def _read_block(table: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of the block that a handle (offset, size) points to."""
    offset, position = _varint(handle, 0)
    size, _ = _varint(handle, position)
    block = table[offset : offset + size]
    if len(block) != size or table[offset + size] != 0:
        raise ValueError("a block is cut short or compressed")
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        value_bytes, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + value_bytes]
        position += value_bytes


def _skip_handle(data: bytes, position: int) -> int:
    _, position = _varint(data, position)
    return _varint(data, position)[1]


def _parse_entry(message: bytes) -> _Entry:
    fields = _parse_message(message)
    shape = (_parse_message(dim).get(1, 0) for dim in _submessages(fields.get(2, b""), 2))
    if fields.get(3, 0):
        raise ValueError("it has more than one shard")
    return _Entry(
        dtype=_integer(fields.get(1, 0)),
        shape=tuple(_integer(size) for size in shape),
        offset=_integer(fields.get(4, 0)),
        size=_integer(fields.get(5, 0)),
    )


def _parse_message(message: bytes | int) -> Mapping[int, int | bytes]:
    return dict(_fields(message))


def _submessages(message: bytes | int, number: int) -> Iterator[bytes | int]:
    return (value for field, value in _fields(message) if field == number)


def _fields(message: bytes | int) -> Iterator[tuple[int, int | bytes]]:
    """Yield a protobuf message's field numbers and values."""
    if isinstance(message, int):
        raise ValueError("a number stands where a message should")  # noqa: TRY004
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == 2:
            size, position = _varint(message, position)
        else:
            size = {1: 8, 5: 4}[wire_type]
        yield number, message[position : position + size]
        position += size


def _integer(value: int | bytes) -> int:
    return value if isinstance(value, int) else int.from_bytes(value, "little")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the LEB128 number at a position and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
