"""TensorFlow V2 checkpoints, read without TensorFlow.

``model.index`` is a sorted string table as in LevelDB (a footer that points to an index block that
points to data blocks of prefix-compressed keys); its values are ``BundleEntryProto`` messages that
say where each tensor lies in ``model.data-00000-of-00001``.

Sources: LevelDB's doc/table_format.md; TensorFlow's tensor_bundle.proto and types.proto.
"""

from __future__ import annotations

import math
import re
import zipfile
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.conversion.checkpoints.archives import is_tar, open_zip, read_tar
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FOOTER_BYTES = 48
_TABLE_MAGIC = 0xDB4775248B80FB57
_DT_FLOAT = 1
_INDEX = ".index"
_ENTRIES = 100_000
_KEY_BYTES = 1_000
"""Keys are told by what they share with the one before: a short table could hold many long ones."""
_DIMENSIONS = 32
_VARINT_BYTES = 10


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
    if not (path.is_dir() or zipfile.is_zipfile(path) or is_tar(path)):
        return set()
    with _opened(path) as files:
        indices = [read() for file, read in files.items() if file.suffix == _INDEX]
    return {name for index in indices for name in _read_index(index)}


@contextmanager
def _opened(path: Path) -> Iterator[Mapping[PurePosixPath, Callable[[], bytes]]]:
    """Give a function for each file of a folder, a tar or a zip, by its path, that reads it."""
    if path.is_dir():
        yield {
            PurePosixPath(file.name): file.read_bytes for file in path.iterdir() if file.is_file()
        }
    elif zipfile.is_zipfile(path):
        with open_zip(path, str(path)) as archive:
            yield {PurePosixPath(name): partial(archive.read, name) for name in archive.names}
    else:
        unpacked = read_tar(path)
        yield {PurePosixPath(name): partial(unpacked.__getitem__, name) for name in unpacked}


def read_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """Return a checkpoint's float32 tensors, of any shape, by name; others are left out.

    Raises:
        WeightsError: the index is no table, is compressed, or points outside the data.
    """
    entries = {name: each for name, each in _read_index(index).items() if each.dtype == _DT_FLOAT}
    if sum(entry.size for entry in entries.values()) > len(data):
        raise WeightsError("The checkpoint's tensors are larger than its data.")
    return {name: _read_tensor(entry, data, name) for name, entry in entries.items()}


def _read_tensor(entry: _Entry, data: bytes, name: str) -> NDArray[np.float32]:
    """Return a tensor of any shape."""
    count = math.prod(entry.shape)
    if entry.size != 4 * count or entry.offset + entry.size > len(data):
        raise WeightsError(f"The checkpoint's tensor {name} does not lie in its data.")
    try:
        flat = np.frombuffer(data, "<f4", count, entry.offset) if count else np.empty(0, "<f4")
        return flat.reshape(entry.shape)
    except ValueError as error:
        raise WeightsError(f"The checkpoint's tensor {name} has no possible shape.") from error


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


def _read_index(index: bytes) -> dict[str, _Entry]:
    try:
        return dict(_read_entries(index))
    except (IndexError, ValueError, KeyError) as error:
        raise WeightsError(f"This is not a TensorFlow checkpoint's index: {error}.") from error


def _read_entries(index: bytes) -> Iterator[tuple[str, _Entry]]:
    if int.from_bytes(index[-8:], "little") != _TABLE_MAGIC:
        raise ValueError("its last bytes are not a table's magic number")
    footer = index[-_FOOTER_BYTES:]
    table = memoryview(index)
    blocks = _limited(_read_block(table, footer[_skip_handle(footer, 0) :]))
    for key, value in _limited(chain.from_iterable(_read_block(table, each) for _, each in blocks)):
        if key:  # the empty key holds the header
            yield _read_name(key), _parse_entry(value)


def _limited(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Give up on more entries than checkpoints have, as a block may be pointed to repeatedly."""
    for count, entry in enumerate(entries):
        if count == _ENTRIES:
            raise ValueError(f"it has more than {_ENTRIES:,} entries")
        yield entry


def _read_name(key: bytes) -> str:
    name = key.decode()
    if not name.isprintable():
        raise ValueError("a variable has a name that cannot be printed")
    return name


def _read_block(table: memoryview, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
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
        if shared + unshared > _KEY_BYTES:
            raise ValueError(f"it has a key of more than {_KEY_BYTES:,} bytes")
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, bytes(block[position : position + value_bytes])
        position += value_bytes


def _skip_handle(data: bytes, position: int) -> int:
    _, position = _varint(data, position)
    return _varint(data, position)[1]


def _parse_entry(message: bytes) -> _Entry:
    fields = _parse_message(message)
    shape = [_parse_message(dim).get(1, 0) for dim in _submessages(fields.get(2, b""), 2)]
    if fields.get(3, 0):
        raise ValueError("it has more than one shard")
    if len(shape) > _DIMENSIONS:
        raise ValueError(f"it has a tensor of more than {_DIMENSIONS} dimensions")
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


def _varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """Return the LEB128 number at a position and the position after it."""
    value = 0
    for place in range(_VARINT_BYTES):
        byte = data[position + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position + place + 1
    raise ValueError("it has a number of more than 64 bits")
