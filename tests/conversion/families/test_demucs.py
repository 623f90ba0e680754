"""Against the package demucs; see tests/golden/README.md."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.conversion.checkpoints.demucs_packages import read_package
from daw_bridge.conversion.families import demucs
from daw_bridge.conversion.families.demucs import Demucs, name_arrays, read_settings, standardise
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.manifest import WaveformModel
from daw_bridge.library.places import data_folder
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db, make_noise
from tests.conversion.demucs_classes import make_class
from tests.golden.demucs_waveforms_case import (
    FOLDER,
    SAMPLE_RATE_HZ,
    SHORT_SAMPLES,
    SOURCES,
    excerpts,
    make_mixture,
)

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"demucs1": "demucs1.th.gz", "demucs2": "demucs2.th", "demucs3": "demucs3.th"}
AS_IT_IS = SeparationOptions(extension="zeros")
GOLDEN = dict(np.load(FOLDER / "2.npz")) | dict(np.load(FOLDER / "4.npz"))

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("name", FILES)
def test_a_song_is_separated_as_the_reference_does(name: str) -> None:
    manifest = import_checkpoint(str(FOLDER / FILES[name]), ImportOptions(name=name))
    assert manifest.stems == ("drums", "bass", "vocals", "other")
    mixture = Audio(make_mixture(), SAMPLE_RATE_HZ)
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(mixture, AS_IT_IS)
    for stem, expected in zip(SOURCES, GOLDEN[name], strict=True):
        assert level_db(excerpts(stems[stem].samples) - expected, expected) <= -85


@pytest.mark.usefixtures("_converts_here")
def test_what_a_file_cannot_hold_is_kept_in_half_precision(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demucs, "_FILE_BYTES", 2**15)
    import_checkpoint(str(FOLDER / "demucs2.th"))
    assert (home / "models" / "demucs2" / "network.onnx").stat().st_size < 2**15
    with Separator("demucs2", provider="cpu") as separator:
        stems = separator.separate(Audio(make_mixture(), SAMPLE_RATE_HZ), AS_IT_IS)
    for stem, expected in zip(SOURCES, GOLDEN["demucs2"], strict=True):
        assert -90 < level_db(excerpts(stems[stem].samples) - expected, expected) <= -50


def write(path: Path, held: object) -> str:
    torch.save(held, path)
    return str(path)


def published_arrays() -> dict[str, torch.Tensor]:
    arrays = read_package(FOLDER / "demucs2.th").arrays
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def constants(model: str) -> dict[str, np.ndarray]:
    graph = onnx.load(data_folder() / "models" / model / "network.onnx").graph
    return {each.name: numpy_helper.to_array(each) for each in graph.initializer}


def test_arrays_alone_are_those_of_a_published_version_2(home: Path) -> None:
    manifest = import_checkpoint(write(home / "arrays.th", published_arrays()))
    assert manifest.sample_rate_hz == 44_100
    assert isinstance(manifest, WaveformModel)
    assert manifest.passage.samples > 10 * 44_100
    import_checkpoint(str(FOLDER / "demucs2.th"))
    alone, packed = (
        {name: array for name, array in constants(model).items() if name.endswith("weight")}
        for model in ("arrays", "demucs2")
    )
    assert len(alone) == 12
    assert all(np.array_equal(alone[name], packed[name]) for name in packed)


def test_later_networks_take_any_number_of_samples(home: Path) -> None:
    """As members of bags do, under names of their own."""
    package = read_package(FOLDER / "demucs3.th")
    settings = read_settings(package, "it")
    arrays = {f"1.{name}": each for name, each in name_arrays(package, settings).items()}
    graph = GraphBuilder(arrays)
    samples = make_mixture()[:, :SHORT_SAMPLES]
    shape = (1, *samples.shape)
    signals = Demucs(Layers(graph, "1."), settings).add(Value("samples", shape))
    assert signals.shape == (4, *shape)
    onnx.save(graph.model({"samples": shape}, {signals.name: signals.shape}), home / "it.onnx")
    ours = PlainNetwork(OnnxGraph(home / "it.onnx", provider="cpu"))(samples)[..., ::16]
    assert level_db(ours - GOLDEN["short"], GOLDEN["short"]) <= -85


def test_stems_are_named_in_the_networks_order(home: Path) -> None:
    path = write(home / "arrays.th", published_arrays())
    wishes = ImportWishes(stems=("kick", "other", "voice", "keys"))
    manifest = import_checkpoint(path, ImportOptions(wishes=wishes))
    assert manifest.stems == ("kick", "voice", "keys", "other")
    order = constants("arrays")["order"]
    assert list(order) == [0, 2, 3, 1]
    with pytest.raises(OptionError, match="makes 4 stems, not a, b"):
        import_checkpoint(path, ImportOptions(name="x", wishes=ImportWishes(stems=("a", "b"))))


def test_how_loud_a_song_is_does_not_matter() -> None:
    import_checkpoint(str(FOLDER / "demucs2.th"))
    samples = make_mixture()[:, :100_000]
    with Separator("demucs2", provider="cpu") as separator:
        loud, quiet = (
            separator.separate(Audio(samples * np.float32(gain), SAMPLE_RATE_HZ)).samples
            for gain in (1, 2**-4)
        )
        silent, constant = (
            separator.separate(Audio(samples * 0 + np.float32(level), SAMPLE_RATE_HZ)).samples
            for level in (0, 0.3)
        )
    assert level_db(quiet * 2**4 - loud, loud) < -40
    assert not silent.any()
    assert np.isfinite(constant).all()


def test_the_silence_after_a_song_does_not_count(home: Path) -> None:
    samples = np.zeros((1, 2, 9_000), np.float32)
    samples[..., :3_000] = make_noise(3_000).samples + np.float32(0.02)
    graph = GraphBuilder({})
    even, _ = standardise(Layers(graph), Value("samples", samples.shape))
    onnx.save(graph.model({"samples": even.shape}, {even.name: even.shape}), home / "it.onnx")
    (ours,) = OnnxGraph(home / "it.onnx", provider="cpu").run(samples)
    mono = ours[0, :, :3_000].mean(axis=0)
    assert abs(mono.mean()) < 1e-4
    assert abs(mono.std(ddof=1) - 1) < 2e-4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"encoder.1.0.bias": None}, "lacks encoder.1.conv.bias"),
        ({"lstm.lstm.weight_hh_l0": None}, "no Demucs as its settings have it: .*weight_hh_l0"),
        ({"encoder.0.7.weight": torch.ones(3)}, "no Demucs as its settings have it"),
        ({"encoder.0.0.weight": torch.ones(3)}, "no Demucs as its settings have it"),
        ({"extra.weight": torch.ones(3)}, "holds extra.weight, which cannot be rebuilt"),
        ({"compressed": b"x"}, "DiffQ has quantised"),
    ],
)
def test_what_is_no_demucs_is_refused(
    change: dict[str, object], complaint: str, home: Path
) -> None:
    arrays = {k: v for k, v in {**published_arrays(), **change}.items() if v is not None}
    with pytest.raises(WeightsError, match=complaint):
        import_checkpoint(write(home / "arrays.th", arrays))


@pytest.mark.parametrize(
    ("module", "name", "told", "complaint"),
    [
        ("demucs.model", "Demucs", {"upsample": True}, "trained with upsample = True, which"),
        ("demucs.model", "Demucs", {"stride": "x"}, "has other settings than Demucs: Expected"),
        ("demucs.model", "Demucs", {"stride": 10**9}, "other settings than Demucs: .*<= 64"),
        ("demucs.model", "Demucs", {"segment": math.nan}, "other settings than Demucs"),
        ("demucs.model", "Demucs", {"samplerate": 2**62}, "other settings than Demucs"),
        ("demucs.model", "Demucs", {"lstm_layers": -1}, "other settings than Demucs"),
        ("demucs.htdemucs", "HTDemucs", {}, "of the class HTDemucs, not Demucs"),
    ],
)
def test_other_networks_are_refused(
    module: str,
    name: str,
    told: dict[str, object],
    complaint: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make_class(module, name, monkeypatch)
    package = {"klass": made, "args": (), "kwargs": told, "state": published_arrays()}
    with pytest.raises(WeightsError, match=complaint):
        import_checkpoint(write(home / "net.th", package), ImportOptions(family="demucs"))
