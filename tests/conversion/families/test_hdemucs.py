"""Against the package demucs; see tests/golden/README.md."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from daw_bridge import SeparationOptions, Separator
from daw_bridge.conversion.checkpoints.demucs_packages import read_package
from daw_bridge.conversion.families import hdemucs
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.conversion.demucs_classes import make_class
from tests.golden.demucs_case import (
    FOLDER,
    GIVEN,
    MORE_SOURCES,
    SHORT_SAMPLES,
    WEIGHTS,
    make_mixture,
    vary,
)
from tests.golden.songs import excerpts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Save = Callable[..., Path]

HT, HYBRID = FOLDER / "htdemucs.th", FOLDER / "hdemucs.th"
STEMS = ("drums", "bass", "vocals", "other")
MORE_STEMS = ("drums", "bass", "vocals", "guitar", "piano", "other")
FIRST, BEFORE_LAST, ALL = slice(3), slice(8), slice(None)
"""Excerpts that lie in the first passage alone, before the last, and anywhere."""

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Save:
    """Return what saves a network that differs from the golden one in some settings and arrays."""
    network = make_class("demucs.htdemucs", "HTDemucs", monkeypatch)

    def write(name: str, arrays: dict[str, np.ndarray] | None = None, **settings: Any) -> Path:
        package = read_package(HT)
        state = {k: torch.tensor(v) for k, v in (arrays or package.arrays).items()}
        kwargs = {**package.settings, **settings}
        held = {"klass": network, "args": (), "kwargs": kwargs, "state": state}
        torch.save(held, tmp_path / name)
        return tmp_path / name

    return write


def bring(path: Path, *stems: str, overwrite: bool = False) -> str:
    """Import a checkpoint and return the model's name."""
    options = ImportOptions(name="brought", wishes=ImportWishes(stems=stems), overwrite=overwrite)
    return import_checkpoint(str(path), options).name


def separate(model: str) -> dict[str, np.ndarray]:
    """Separate the golden mixture."""
    options = SeparationOptions(extension="zeros")
    with Separator(model, provider="cpu") as separator:
        stems = separator.separate(make_mixture(), options)
    return dict(zip(stems.names, stems.samples, strict=True))


def compare(stems: dict[str, np.ndarray], sources: tuple[str, ...], name: str) -> None:
    """Hold stems against excerpts of those that demucs gives for the same sources."""
    for source, expected in zip(sources, np.load(GIVEN)[name], strict=False):
        ours = excerpts(stems[source])
        # Without a transformer, demucs takes passages of any length: its last is as short as it is.
        alike = BEFORE_LAST if name == "HDemucs" else ALL
        for places, limit_db in ((FIRST, -100), (alike, -80)):
            error = (ours - expected)[:, places]
            assert level_db(error, expected[:, places]) <= limit_db


@pytest.mark.parametrize("path", [HT, HYBRID], ids=lambda path: path.stem)
def test_a_song_is_separated_as_demucs_does(path: Path) -> None:
    stems = separate(bring(path))
    assert tuple(stems) == STEMS
    compare(stems, MORE_SOURCES[:4], read_package(path).network)


def test_six_stems_are_too(save: Save) -> None:
    arrays = vary(dict(read_package(HT).arrays), 1, len(MORE_SOURCES))
    stems = separate(bring(save("six.th", arrays, sources=list(MORE_SOURCES))))
    assert tuple(stems) == MORE_STEMS
    compare(stems, MORE_SOURCES, "six")


def test_a_bag_averages_stems_by_their_weights(save: Save, tmp_path: Path) -> None:
    save("11111111-0a0a0a0a.th")
    save("22222222.th", vary(dict(read_package(HT).arrays), 2))
    rows = ",\n".join(f"  {list(row)}" for row in WEIGHTS)
    bag = tmp_path / "bag.yaml"
    bag.write_text(f"models: ['11111111', '22222222']\nweights: [\n{rows},\n]\n", "utf-8")
    compare(separate(bring(bag)), MORE_SOURCES[:4], "bag")
    bag.write_text(bag.read_text("utf-8").replace("0.25", "0.5"), "utf-8")
    stems = separate(bring(tmp_path, overwrite=True))
    compare(stems, ("drums",), "bag")
    with pytest.raises(AssertionError):
        compare(stems, ("drums", "bass"), "bag")


@pytest.mark.parametrize("path", [HT, HYBRID], ids=lambda path: path.stem)
def test_passages_are_as_long_as_the_bag_says(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "11111111.th")
    bag = tmp_path / "bag.yaml"
    bag.write_text(f"models: ['11111111']\nsegment: {SHORT_SAMPLES / 44_100}\n", "utf-8")
    stems = separate(bring(bag))
    golden = np.load(GIVEN)[f"{read_package(path).network} at first"]
    for source, expected in zip(MORE_SOURCES[:4], golden, strict=True):
        ours = excerpts(stems[source][:, : SHORT_SAMPLES // 2])[:, ::4]
        assert level_db(ours - expected, expected) <= -100


def test_stems_get_other_names_in_the_checkpoints_order() -> None:
    assert load_manifest(bring(HT, "a", "other", "c", "d")).stems == ("a", "c", "d", "other")
    with pytest.raises(OptionError, match="makes 4 stems, not a, b"):
        bring(HT, "a", "b", overwrite=True)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"cac": False}, "was trained with cac = False, which cannot be rebuilt"),
        ({"multi_freqs": [0.5]}, r"multi_freqs = \[0.5\]"),
        ({"t_emb": "scaled"}, "t_emb = 'scaled'"),
        ({"t_sparse_self_attn": True}, "t_sparse_self_attn"),
        ({"sources": None}, "is no Hybrid Demucs"),
        ({"sources": ["drums", "bass", "vocals"]}, "cannot be rebuilt"),
        ({"segment": "long"}, "is no Hybrid Demucs: segment is 'long'"),
        ({"segment": math.nan}, "segment is nan, not a number from 0.01 to 600"),
        ({"segment": 1e18}, "segment is 1e\\+18"),
        ({"samplerate": 0}, "samplerate is 0"),
        ({"samplerate": True}, "samplerate is True"),
        ({"nfft": 2**40}, "nfft is"),
        ({"stride": 10**9}, "stride is"),
        ({"t_heads": 2**62}, "t_heads is"),
    ],
)
def test_what_is_not_rebuilt_is_refused(
    settings: dict[str, Any], complaint: str, save: Save
) -> None:
    with pytest.raises(WeightsError, match=complaint):
        bring(save("odd.th", **settings))


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("encoder.1.surprise.weight", np.ones(3, np.float16), "odd.th cannot .*surprise"),
        ("encoder.1.conv.bias", None, "odd.th cannot .* lacks .*conv.bias"),
        ("crosstransformer.layers.0.linear1.weight", np.ones(3, np.float16), "cannot be rebuilt"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    name: str, array: np.ndarray | None, complaint: str, save: Save
) -> None:
    arrays = {**read_package(HT).arrays, name: array}
    kept = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(WeightsError, match=complaint):
        bring(save("odd.th", kept))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models: ['33333333']\n", "holds no files 33333333.th"),
        ("models: [what, ever]\n", "bag.yaml is no bag of Demucs"),
        ("models: ['11111111', '22222222']\n", "their stems or passages differ"),
        ("models: ['11111111']\nweights: [[1, 1, 1]]\n", "a weight for each stem"),
        ("models: ['11111111']\nweights: [[1, 1, 1, 0]]\n", "not all of them 0"),
        ("models: ['44444444']\n", "of the class Demucs, no Hybrid Demucs"),
        ("things: 3\n", "neither a .th file nor a bag"),
    ],
)
def test_what_is_no_bag_is_refused(
    text: str, complaint: str, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("11111111.th")
    save("22222222.th", segment=0.5)
    held = {"klass": make_class("demucs.demucs", "Demucs", monkeypatch), "args": ()}
    torch.save({**held, "kwargs": {}, "state": {}}, tmp_path / "44444444.th")
    (tmp_path / "bag.yaml").write_text(text, "utf-8")
    with pytest.raises(WeightsError, match=complaint):
        import_checkpoint(
            str(tmp_path / "bag.yaml"), ImportOptions(family="hdemucs", name="brought")
        )


def test_checkpoints_are_recognised_by_their_class(save: Save, tmp_path: Path) -> None:
    assert hdemucs.recognises(HT)
    assert hdemucs.recognises(HYBRID)
    assert not hdemucs.recognises(tmp_path)
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.th")
    assert not hdemucs.recognises(tmp_path / "other.th")
    (tmp_path / "bag.yaml").write_text("models: ['other']", "utf-8")
    assert not hdemucs.recognises(tmp_path)
    save("11111111.th")
    (tmp_path / "bag.yaml").write_text("models: ['other', '11111111']", "utf-8")
    assert hdemucs.recognises(tmp_path)
