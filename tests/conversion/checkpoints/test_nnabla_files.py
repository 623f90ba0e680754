"""Files that nnabla wrote; see tests/golden/README.md."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from daw_bridge.conversion.checkpoints.nnabla_files import has_names, read_parameters
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.registry import convert
from daw_bridge.errors import OptionError, WeightsError
from tests.golden.songs import GOLDEN

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVE = GOLDEN / "xumx.zip"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return tmp_path / "x-umx.h5"


def test_parameters_are_read_from_a_file_a_folder_or_an_archive(checkpoint: Path) -> None:
    parameters = read_parameters(checkpoint)
    assert len(parameters) == 88
    assert parameters["fc1_bass/affine/W"].shape == (130, 8)
    assert parameters["lstm_other/lstm/weight_l0"].shape == (2, 4, 4, 12)
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float32)}
    for place in (checkpoint.parent, ARCHIVE):
        others = read_parameters(place)
        assert others.keys() == parameters.keys()
        assert all(np.array_equal(others[name], array) for name, array in parameters.items())


@pytest.mark.parametrize(("name", "value"), [("fc1/bn/var", -1), ("fc1/affine/W", np.nan)])
def test_impossible_numbers_are_refused(name: str, value: float, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file[name] = np.full(3, value)
    with pytest.raises(WeightsError, match=f"x.h5 is damaged: {name} holds impossible numbers"):
        read_parameters(tmp_path)


def test_a_file_tells_its_names_without_h5py(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert has_names(checkpoint, b"fc1_bass", b"fc2_drums")
    assert not has_names(checkpoint, b"fc1_bass", b"fc1_piano")
    with pytest.raises(OptionError, match=r"needs h5py: pip install 'daw-bridge\[convert\]'"):
        read_parameters(checkpoint)


def test_what_is_no_hdf5_holds_no_names(tmp_path: Path) -> None:
    (tmp_path / "vocals.h5").write_bytes(b"input_scale_ fc3_")
    assert not has_names(tmp_path, b"fc3_")
    assert not has_names(tmp_path / "vocals.h5", b"fc3_")
    with pytest.raises(WeightsError, match="holds no whole file of nnabla's parameters"):
        read_parameters(tmp_path)


@pytest.mark.parametrize("kept", [60, 1000, 100_000, -1])
def test_a_file_that_is_cut_short_is_refused_in_a_sentence(kept: int, checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"x-umx\.h5 is damaged: [^\n]*\.$"):
        read_parameters(checkpoint)


@pytest.mark.parametrize("family", ["xumx", "d3net"])
def test_damage_anywhere_is_told_in_a_sentence(family: str, checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    rng = np.random.default_rng(0)
    for start in rng.integers(0, len(whole) - 64, 20):
        damaged = bytearray(whole)
        damaged[start : start + 64] = rng.bytes(64)
        checkpoint.write_bytes(damaged)
        try:
            convert(checkpoint, family, ImportWishes())
        except (OptionError, WeightsError) as error:
            assert "\n" not in str(error)  # noqa: PT017 - weights that are wrong may go unnoticed


def test_parameters_that_claim_to_be_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("decode_scale", (10**9,), "f4", compression="gzip")
    with pytest.raises(WeightsError, match=r"huge.h5 is damaged: decode_scale is larger"):
        read_parameters(tmp_path)


def test_two_files_of_one_name_are_refused(checkpoint: Path) -> None:
    shutil.copy(checkpoint, checkpoint.with_name("x-umx_final.h5"))
    with pytest.raises(WeightsError, match=r"holds fc1_bass/affine/W twice, once in .*x-umx_final"):
        read_parameters(checkpoint.parent)


def test_files_beside_it_are_never_read(tmp_path: Path) -> None:
    secret, path = tmp_path / "secret", tmp_path / "x.h5"
    secret.write_bytes(np.ones(3, "<f4").tobytes())
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["secret"] = np.ones(3, "<f4")
    virtual = h5py.VirtualLayout((3,), "<f4")
    virtual[:] = h5py.VirtualSource(tmp_path / "other.hdf5", "secret", (3,))
    with h5py.File(path, "w") as file:
        file["padding"] = np.zeros(100, np.float32)
        file["link"] = h5py.ExternalLink("other.hdf5", "secret")
        file["soft"] = h5py.SoftLink("/padding")
    assert read_parameters(path).keys() == {"padding"}
    for is_virtual in (False, True):
        with h5py.File(path, "w") as file:
            if is_virtual:
                file.create_virtual_dataset("a", virtual)
            else:
                file.create_dataset("a", (3,), "<f4", external=[(str(secret), 0, 12)])
        with pytest.raises(WeightsError, match=r"x\.h5 is damaged: a lies in another file\.$"):
            read_parameters(path)


@pytest.mark.parametrize(
    "value",
    [np.array([b"text"]), np.zeros(2, [("a", "f4")]), np.zeros(2, complex)],
    ids=["texts", "structures", "complex"],
)
def test_anything_but_numbers_is_refused(value: object, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = value
    with pytest.raises(WeightsError, match="a is stored in another way than parameters are"):
        read_parameters(tmp_path)


def test_a_parameter_without_a_shape_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", dtype="f4")
    with pytest.raises(WeightsError, match="a is stored in another way than parameters are"):
        read_parameters(tmp_path)


def test_filters_that_hdf5_would_load_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", data=np.ones(300, "f4"), compression="gzip", shuffle=True)
    assert read_parameters(tmp_path)["a"].sum() == 300
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("a", data=np.ones(300, "f4"), compression="lzf")
    with pytest.raises(WeightsError, match="a is stored in another way than parameters are"):
        read_parameters(tmp_path)


def test_parameters_are_no_larger_than_their_file_together(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for number in range(100):
            file.create_dataset(str(number), (1_000,), "f4", compression="gzip")
    with pytest.raises(WeightsError, match="is larger than the file"):
        read_parameters(tmp_path)


def test_one_parameter_of_many_names_is_read_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["0"] = np.ones(1000, np.float32)
        for number in range(1, 100):
            file[str(number)] = file["0"]
        file["loop"] = file["/"]
    assert len(read_parameters(tmp_path)) == 1


def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["\x1b[2J"] = np.ones(3)
    with pytest.raises(WeightsError, match="a name that no parameter has"):
        read_parameters(tmp_path)


def test_folders_and_pipes_in_a_folder_are_left_alone(checkpoint: Path) -> None:
    (checkpoint.parent / "a.h5").symlink_to(checkpoint.parent, target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(checkpoint.parent / "b.h5")
    assert len(read_parameters(checkpoint.parent)) == 88
