"""Against files that torch itself writes."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from daw_bridge.conversion.checkpoints.torch_files import read_torch_file, read_torch_object
from daw_bridge.errors import WeightsError
from tests import mini_model

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(held: object, *, zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(held, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def make_tensors() -> dict[str, torch.Tensor]:
    numbers = torch.randn(6, 8, 10, generator=torch.Generator().manual_seed(0)) * 100
    return {
        "float": numbers,
        "double": numbers.double(),
        "half": numbers.half(),
        "bfloat16": numbers.bfloat16(),
        "int64": numbers.long(),
        "bool": numbers > 0,
        "scalar": torch.tensor(7),
        "empty": torch.empty(3, 0),
        "shared": numbers[2:4],
        "transposed": numbers.transpose(0, 2),
        "every other": numbers[1::2, :, 3::3],
        "parameter": torch.nn.Parameter(numbers + 1),
    }


@FORMATS
def test_tensors_become_the_same_arrays(zipped: bool) -> None:
    tensors = make_tensors()
    arrays = read_torch_file(save(tensors, zipped=zipped), "it")
    assert arrays.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = tensor.detach().float() if tensor.dtype == torch.bfloat16 else tensor.detach()
        assert arrays[name].dtype == expected.numpy().dtype
        assert np.array_equal(arrays[name], expected.numpy())
    assert np.shares_memory(arrays["float"], arrays["shared"])


@FORMATS
def test_state_dicts_and_what_surrounds_them_are_read(zipped: bool) -> None:
    layer = torch.nn.LSTM(3, 5)
    checkpoint = {"epoch": 3, "state_dict": layer.state_dict(), "loss": [0.5, None]}
    held = read_torch_file(save(checkpoint, zipped=zipped), "it")
    assert isinstance(held["state_dict"], OrderedDict)
    assert np.array_equal(
        held["state_dict"]["bias_hh_l0"], layer.state_dict()["bias_hh_l0"].numpy()
    )
    assert (held["epoch"], held["loss"]) == (3, [0.5, None])


class Network(torch.nn.Linear):
    """A class that a file names."""


@FORMATS
def test_only_what_the_caller_knows_is_read_beside_arrays(zipped: bool) -> None:
    package = {"klass": Network, "segment": Fraction(39, 5), "state": Network(2, 3).state_dict()}
    content = save(package, zipped=zipped)
    known: dict[str, Any] = {
        f"{Network.__module__}.Network": "a network",
        "fractions.Fraction": Fraction,
    }
    held = read_torch_object(content, "it", known)
    assert (held["klass"], held["segment"]) == ("a network", Fraction(39, 5))
    assert held["state"]["weight"].shape == (3, 2)
    for missing in known:
        fewer = {name: stands for name, stands in known.items() if name != missing}
        with pytest.raises(WeightsError, match=f"it holds {missing}, where only arrays may be"):
            read_torch_object(content, "it", fewer)


def rewrite(content: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """Replace something in a member of a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            held = source.read(name)
            assert not name.endswith(member) or old in held
            target.writestr(name, held.replace(old, new) if name.endswith(member) else held)
    return stream.getvalue()


def test_byte_order_is_that_of_the_machine_that_wrote() -> None:
    numbers = np.arange(5, dtype=np.float32)
    content = save({"a": torch.from_numpy(numbers)}, zipped=True)
    content = rewrite(content, "data/0", numbers.tobytes(), numbers.astype(">f4").tobytes())
    content = rewrite(content, "byteorder", b"little", b"big")
    assert np.array_equal(read_torch_file(content, "it")["a"], numbers)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo pwned",)


@FORMATS
@pytest.mark.parametrize("payload", [Evil(), {"down1": Evil()}, [print], ZeroDivisionError()])
def test_anything_but_arrays_is_refused_by_name(
    payload: object, zipped: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsError, match=r"it holds \w+\..+ only arrays may be"):
        read_torch_file(save(payload, zipped=zipped), "it")
    assert capfd.readouterr().out == ""


def test_arrays_of_numpy_are_read() -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(1, np.float32)}
    arrays |= {kind: np.arange(6).reshape(2, 3).astype(kind) for kind in (">f4", "<f2", "?", "u1")}
    arrays["columns first"] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    read = read_torch_file(mini_model.torch_archive(pickle.dumps(arrays, protocol=2)), "it")
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert np.array_equal(read[name], array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}, None]),
        np.array(["text"]),
        np.array(["2026-11-29"], "M8[D]"),
        np.zeros(2, [("a", "f4")]),
        np.ma.masked_array([1.0], [True]),
    ],
    ids=lambda array: f"{type(array).__name__} of {array.dtype}",
)
def test_arrays_of_anything_but_numbers_are_refused(array: np.ndarray) -> None:
    content = mini_model.torch_archive(pickle.dumps({"a": array}, protocol=2))
    with pytest.raises(WeightsError, match=r"anything but numbers|where only arrays may be"):
        read_torch_file(content, "it")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"K\x02K\x03\x86", b"K\x02K\x04\x86", "another size than its content"),
        (b"K\x02K\x03\x86", b"J\xff\xff\xff\xffK\x03\x86", "an impossible shape"),
        (b"K\x02K\x03\x86", b"K\x02G?\xf0\0\0\0\0\0\0\x86", "an impossible shape"),
        (b"K\x02K\x03\x86", b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", "more elements than any"),
        (b"X\x02\0\0\0f4", b"X\x02\0\0\0O8", "anything but numbers"),
        (b"X\x01\0\0\0<", b"X\x01\0\0\0x", "a state that it never has"),
    ],
)
def test_an_array_of_numpy_that_contradicts_itself_is_refused(
    old: bytes, new: bytes, complaint: str
) -> None:
    pickled = pickle.dumps({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, protocol=2)
    assert old in pickled
    with pytest.raises(WeightsError, match=complaint):
        read_torch_file(mini_model.torch_archive(pickled.replace(old, new)), "it")


@FORMATS
@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_file_that_is_cut_short_is_refused(kept: int, zipped: bool) -> None:
    content = save({"a": torch.ones(3)}, zipped=zipped)
    with pytest.raises(WeightsError, match=r"^it is no whole file of torch\.save"):
        read_torch_file(content[:kept], "it")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"K\x05\x85", b"K\x06\x85", "a tensor lies outside of its storage"),
        (b"K\x05t", b"J\xff\xff\xff\x7ft", "storage '0' is larger than the file"),
        (b"storage", b"someone", "holds a persistent object"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(old: bytes, new: bytes, complaint: str) -> None:
    content = rewrite(save({"a": torch.ones(5)}, zipped=True), "data.pkl", old, new)
    with pytest.raises(WeightsError, match=complaint):
        read_torch_file(content, "it")


def unfilled(shape: tuple[int, ...], strides: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Return a tensor that is larger than its storage."""
    return {"a": torch.ones(4).as_strided(shape, strides)}


@FORMATS
def test_numbers_that_stand_at_many_places_are_read_up_to_a_limit(zipped: bool) -> None:
    content = save({"a": torch.arange(3.0).expand(50, 3)}, zipped=zipped)
    assert np.array_equal(read_torch_file(content, "it")["a"], np.tile(np.arange(3.0), (50, 1)))
    for shape in ((2**30,), (2**20, 2**20), (2**40,)):
        content = save(unfilled(shape, (0,) * len(shape)), zipped=zipped)
        with pytest.raises(WeightsError, match=r"in too many places|more elements than any"):
            read_torch_file(content, "it")


def test_tensors_that_share_a_storage_count_each() -> None:
    numbers = torch.ones(2**20)
    tied = {str(number): numbers[:] for number in range(4)}
    assert len(read_torch_file(save(tied, zipped=True), "it")) == 4
    often = {str(number): numbers for number in range(40)}
    with pytest.raises(WeightsError, match="the same arrays or containers in too many places"):
        read_torch_file(save(often, zipped=True), "it")


@pytest.mark.parametrize(("stored", "kept"), [(b"abcd" * 5, 5), (b"abcd", 1), (b"abcd" * 6, 6)])
def test_a_storage_is_as_large_as_its_member(stored: bytes, kept: int) -> None:
    whole = np.ones(5, np.float32).tobytes()
    content = rewrite(save({"a": torch.ones(5)}, zipped=True), "data/0", whole, stored)
    if kept == 5:
        assert np.array_equal(read_torch_file(content, "it")["a"], np.frombuffer(stored, "f4"))
        return
    with pytest.raises(WeightsError, match="a storage is of another size than its tensors have it"):
        read_torch_file(content, "it")


def test_no_storage_is_left_unfilled() -> None:
    content = save({"a": torch.ones(5)}, zipped=False)
    keys = content.rindex(pickle.PROTO + b"\x02]")
    with pytest.raises(WeightsError, match="it lacks a storage"):
        read_torch_file(content[:keys] + pickle.dumps([], 2), "it")


def test_storages_are_no_larger_than_their_file_together() -> None:
    pickled = b"\x80\x02]q\x00("
    for key in range(50):
        pickled += b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x02\0\0\0%02dX\x03\0\0\0cpuJ" % key
        pickled += (2**16).to_bytes(4, "little") + b"tQ"
    content = mini_model.torch_archive(pickled + b"e." + b" " * 2**18)
    with pytest.raises(WeightsError, match=r"storage '\d\d' is larger than the file"):
        read_torch_file(content, "it")


def test_what_is_no_dict_is_refused() -> None:
    with pytest.raises(WeightsError, match="it holds no dict"):
        read_torch_file(save(torch.ones(2), zipped=True), "it")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_of_a_trusted_author_is_run(zipped: bool) -> None:
    content = save({"a": torch.ones(2), "b": complex(1, 2)}, zipped=zipped)
    with pytest.raises(WeightsError, match=r"holds .*complex, .* add --trust if you trust its"):
        read_torch_file(content, "it")
    held = read_torch_file(content, "it", trust=True)
    assert held["b"] == 1 + 2j
    assert np.array_equal(held["a"], [1, 1])
