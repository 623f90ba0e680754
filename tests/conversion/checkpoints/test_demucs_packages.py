"""Packages as Demucs saves them, of classes that have its names."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
import torch

from daw_bridge.conversion.checkpoints.demucs_packages import find_bag, read_package
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


def test_a_state_of_anything_but_arrays_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_class("demucs.hdemucs", "HDemucs", monkeypatch)
    with pytest.raises(WeightsError, match="its state is not of arrays alone"):
        read_package(save(tmp_path / "it.th", made, weight="a text"))


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A folder with a bag, beside which lies a network that is none of its own."""
    folder = tmp_path / "bag"
    (folder / "deeper").mkdir(parents=True)
    for name in ("11111111-0a0a0a0a", "22222222", "*", "deeper/33333333", "../33333333"):
        (folder / f"{name}.th").touch()
    return folder


def test_a_bag_names_files_of_its_folder(bag: Path) -> None:
    (bag / "it.yaml").write_text(
        "models: ['11111111', '22222222']\nweights: [\n  [1., 0.],\n  [0., 1.],\n]\nsegment: 44\n"
    )
    found = find_bag(bag)
    assert [file.name for file in found.files] == ["11111111-0a0a0a0a.th", "22222222.th"]
    assert (found.weights, found.segment) == (((1, 0), (0, 1)), 44)


@pytest.mark.parametrize(
    "told",
    [
        "models: ['../33333333']",
        "models: ['**/33333333']",
        "models: ['deeper/33333333']",
        "models: ['*']",
        "models: ['2222222?']",
        "models: ['[2]2222222']",
        "models: ['']",
        "models: ['.']",
        "models: ['..']",
        "models: ['22222222\\n']",
        "models: ['22222222\\0']",
        "models: " + "[" * 5_000,
        "models: " + "-" * 10_000 + "1",
        "models: " + "[" * 90 + "]" * 90,
        "models: 9" + "9" * 5_000,
        "models: ['22222222'] * 10",
        f"models: {['22222222'] * 33}",
        "models: {'22222222': 1}",
        "models: [['22222222']]",
        "models: ['22222222']\nweights: 3",
        "models: ['22222222']\nweights: [['a']]",
        "models: ['22222222']\nweights: [[1e999]]",
        "models: ['22222222']\nsegment: 1e300",
        "models: ['22222222']\nsegment: -1",
        "models: ['22222222']\nsegment: [1]",
    ],
)
def test_a_bag_of_anything_else_is_refused_in_a_sentence(told: str, bag: Path) -> None:
    (bag / "it.yaml").write_text(f"{told}\n")
    with pytest.raises(WeightsError, match=r"it\.yaml is no bag of Demucs: [^\n]*\.$"):
        find_bag(bag)


def test_a_longer_file_than_bags_are_is_none(bag: Path) -> None:
    (bag / "it.yaml").write_text("models: ['22222222']\n" + "# …\n" * 10_000, "utf-8")
    assert find_bag(bag).files == ()
