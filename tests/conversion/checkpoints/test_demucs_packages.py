"""Packages as Demucs saves them, of classes that have its names."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
import torch

from daw_bridge.conversion.checkpoints.demucs_packages import read_package
from daw_bridge.errors import WeightsError
from tests.conversion.demucs_classes import make_class

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, klass: object, **state: object) -> Path:
    kwargs = {"sources": ["drums", "other"], "segment": Fraction(39, 5), "channels_time": None}
    package = {"klass": klass, "args": (), "kwargs": kwargs, "state": state, "training_args": {}}
    torch.save(package, path)
    return path


@pytest.mark.parametrize(
    ("module", "name", "network"),
    [
        ("demucs.htdemucs", "HTDemucs", "HTDemucs"),
        ("demucs.wdemucs", "WDemucs", "HDemucs"),
        ("demucs.demucs", "Demucs", "Demucs"),
    ],
)
def test_packages_are_read(
    module: str, name: str, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_class(module, name, monkeypatch)
    package = read_package(save(tmp_path / "it.th", made, weight=torch.ones(2, 3).half()))
    assert (package.network, package.args) == (network, ())
    assert package.settings["segment"] == Fraction(39, 5)
    assert package.settings["sources"] == ["drums", "other"]
    assert package.arrays["weight"].dtype == "float16"


def test_quantised_arrays_and_other_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.th"
    with pytest.raises(WeightsError, match="DiffQ has quantised"):
        read_package(
            save(path, make_class("demucs.hdemucs", "HDemucs", monkeypatch), __quantized=True)
        )
    with pytest.raises(WeightsError, match=r"holds demucs\.tasnet\.ConvTasNet, where only"):
        read_package(save(path, make_class("demucs.tasnet", "ConvTasNet", monkeypatch)))
    with pytest.raises(WeightsError, match="is no package of Demucs"):
        read_package(save(path, None))
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        read_package(tmp_path / "none.th")
