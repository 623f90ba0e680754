"""Against a checkpoint that TensorFlow wrote; tests/golden/README.md says how it is made."""

from __future__ import annotations

import os
import struct
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge.conversion.checkpoints import tensorflow
from daw_bridge.conversion.checkpoints.tensorflow import list_variables, read_checkpoint
from daw_bridge.errors import WeightsError
from tests.golden.songs import GOLDEN
from tests.mini_model import tensorflow_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

INDEX = (GOLDEN / "tiny-checkpoint" / "model.index").read_bytes()
DATA = (GOLDEN / "tiny-checkpoint" / "model.data-00000-of-00001").read_bytes()


def test_every_tensor_is_read_as_it_was_written() -> None:
    expected = np.load(GOLDEN / "tiny-checkpoint.npz")
    tensors = read_checkpoint(INDEX, DATA)
    assert set(tensors) == set(expected)  # and not global_step, which is an integer
    for name, tensor in tensors.items():
        assert np.array_equal(tensor, expected[name])
        assert tensor.shape == expected[name].shape


@pytest.mark.parametrize(
    ("index", "data"),
    [
        (b"", DATA),
        (b"x" * 100, DATA),
        (INDEX[:-1] + b"x", DATA),
        (INDEX[100:], DATA),
        (INDEX, DATA[:-1]),
    ],
)
def test_what_is_no_checkpoint_is_refused(index: bytes, data: bytes) -> None:
    with pytest.raises(WeightsError):
        read_checkpoint(index, data)


def test_no_damage_to_the_index_does_more_than_raise() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        damaged = bytearray(INDEX)
        for position in rng.integers(0, len(INDEX), 3):
            damaged[position] = rng.integers(256)
        try:
            read_checkpoint(bytes(damaged), DATA)
        except WeightsError:
            continue


def varint(number: int) -> bytes:
    """Write a LEB128 number."""
    low = b""
    while number >= 0x80:
        low += bytes([number & 0x7F | 0x80])
        number >>= 7
    return low + bytes([number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def value(shape: tuple[int, ...], offset: int, size: int) -> bytes:
    """Write what a table says of a float32 tensor."""
    dims = b"".join(field(2, b"\x08" + varint(each)) for each in shape)
    return b"\x08\x01" + field(2, dims) + b"\x20" + varint(offset) + b"\x28" + varint(size)


def block(*entries: tuple[int, bytes, bytes]) -> bytes:
    """Write a block of entries: what their keys share with the one before, the rest, the value."""
    written = b"".join(
        varint(shared) + varint(len(rest)) + varint(len(held)) + rest + held
        for shared, rest, held in entries
    )
    return written + struct.pack("<II", 0, 1)


def table(data: bytes, handles: int = 1) -> bytes:
    """Write a table of one block of data, to which its index points so many times."""
    handle = varint(0) + varint(len(data))
    index = block(*((0, b"k", handle) for _ in range(handles)))
    footer = varint(0) + varint(0) + varint(len(data) + 5) + varint(len(index))
    magic = struct.pack("<Q", 0xDB4775248B80FB57)
    return data + bytes(5) + index + bytes(5) + footer.ljust(40, b"\0") + magic


def test_tables_that_the_tests_write_are_read() -> None:
    index = table(block((0, b"", b"\x08\x01"), (0, b"abc", value((2, 3), 4, 24))))
    (tensor,) = read_checkpoint(index, np.arange(7, dtype="<f4").tobytes()).values()
    assert np.array_equal(tensor, np.arange(1, 7).reshape(2, 3))


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        (table(block((0, b"a", value((2**31, 2**31), 0, 2**64)))), "larger than its data"),
        (table(block((0, b"a", value((2, 3), 20, 24)))), "does not lie in its data"),
        (table(block((0, b"a", value((2, 3), 2**70, 24)))), "more than 64 bits"),
        (table(block((0, b"a", value((0, 2**63, 2**63), 0, 0)))), "no possible shape"),
        (table(block((0, b"a", value((1,) * 33, 0, 4)))), "more than 32 dimensions"),
        (table(block((0, b"a", b"\x80" * 10**6))), "more than 64 bits"),
        (table(block((0, b"a" * 2000, value((1,), 0, 4)))), "a key of more than 1,000 bytes"),
        (table(block((0, b"\x1b[2J", value((1,), 0, 4)))), "cannot be printed"),
        (table(block((0, b"\xff", value((1,), 0, 4)))), "not a TensorFlow checkpoint's index"),
        (
            table(block(*((0, bytes([97 + n]), value((6,), 0, 24)) for n in range(9)))),
            "larger than its data",
        ),
        (
            table(block((0, b"a" * 900, b""), *((900, b"", b"") for _ in range(10**3)))),
            "more than 1,000 entries",
        ),
        (table(block(*((0, b"a", b"") for _ in range(100))), 100), "more than 1,000 entries"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_table_that_asks_for_more_than_it_has_is_refused(
    index: bytes, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorflow, "_ENTRIES", 1_000)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=complaint):
            read_checkpoint(index, bytes(28))
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def test_folders_and_pipes_are_no_files_of_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "folder.index").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.index")
    index, _ = tensorflow_checkpoint({"weight": np.ones(3, np.float32)})
    (tmp_path / "model.index").write_bytes(index)
    assert list_variables(tmp_path) == {"weight"}
