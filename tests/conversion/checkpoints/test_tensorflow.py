"""Against a checkpoint that TensorFlow wrote; tests/golden/README.md says how it is made."""

from __future__ import annotations

import numpy as np
import pytest

from daw_bridge.conversion.checkpoints.tensorflow import read_checkpoint
from daw_bridge.errors import WeightsError
from tests.golden.songs import GOLDEN

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
