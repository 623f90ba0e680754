"""Files that nnabla wrote; see tests/golden/README.md."""

from __future__ import annotations

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
