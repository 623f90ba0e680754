"""Against the package openunmix; see tests/golden/README.md."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from daw_bridge import SeparationOptions, Separator
from daw_bridge.conversion.families import openunmix
from daw_bridge.conversion.families.openunmix import build_openunmix, find_targets, read_target
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.manifest import MagnitudeModel
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db, make_noise
from tests.golden.openunmix_case import (
    CAUSAL,
    GIVEN,
    STEMS,
    make_magnitudes,
    make_mixture,
    make_target,
    thin_out,
)
from tests.golden.songs import excerpts

SMALL = {"bins": 17, "seen_bins": 9, "hidden": 4, "layers": 1}
MANIFEST = """
name = "unmix"
version = "1"
summary = "Random."
kind = "magnitude"
stems = ["vocals", "drums", "bass", "other"]
sample_rate_hz = 44100
channels = 2
licence = "MIT"
attribution = "Nobody."
wiener_epsilon = 1e-10
bandwidths = { full = 2049 }
transform = { window_samples = 4096, hop_samples = 1024 }
segment = { frames = FRAMES, multiple_frames = 1, context_frames = CONTEXT }

[[stages]]
parts = ["vocals", "drums", "bass", "other"]
network = { file = "network.onnx", sha256 = "HASH" }
"""


def write_checkpoint(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    return path


def write_network(folder: Path, targets: list[dict[str, np.ndarray]]) -> Path:
    """Convert targets that torch saved."""
    path = folder / "network.onnx"
    read = [read_target(write_checkpoint(folder / "target.pth", arrays)) for arrays in targets]
    path.write_bytes(build_openunmix(read).SerializeToString())
    return path


def separate(
    home: Path, options: SeparationOptions, *, frames: int, context: int = 0, forget_bias: float = 3
) -> np.ndarray:
    """Separate the golden mixture in segments of so many frames."""
    folder = home / "models" / "unmix"
    folder.mkdir(parents=True, exist_ok=True)
    targets = [make_target(seed, forget_bias=forget_bias) for seed, _ in enumerate(STEMS)]
    digest = sha256_of(write_network(folder, targets))
    text = MANIFEST.replace("HASH", digest).replace("FRAMES", str(frames))
    (folder / "manifest.toml").write_text(text.replace("CONTEXT", str(context)), "utf-8")
    with Separator("unmix", provider="cpu") as separator:
        return separator.separate(make_mixture(), options).samples


def test_targets_give_what_the_reference_gives(tmp_path: Path) -> None:
    targets = [make_target(seed) for seed, _ in enumerate(STEMS)]
    network = PlainNetwork(OnnxGraph(write_network(tmp_path, targets), provider="cpu"))
    magnitudes = make_magnitudes(2, 2049)
    for ours, expected in zip(network(magnitudes), np.load(GIVEN)["estimates"], strict=True):
        assert level_db(thin_out(ours * magnitudes) - expected, expected) <= -100


def test_a_network_of_other_widths_that_sees_no_future_does_too(tmp_path: Path) -> None:
    network = PlainNetwork(
        OnnxGraph(write_network(tmp_path, [make_target(5, **CAUSAL)]), provider="cpu")
    )
    magnitudes = make_magnitudes(1, CAUSAL["bins"])
    expected = np.load(GIVEN)["causal"]
    masks = network(magnitudes)[0]
    assert level_db(thin_out(masks * magnitudes) - expected, expected) <= -100
    before = network(magnitudes[:, :40])[0]
    assert np.allclose(before, masks[:, :40], atol=1e-5)


@pytest.mark.parametrize(("iterations", "name"), [(0, "unrefined"), (1, "refined")])
def test_a_song_is_separated_as_the_reference_does(iterations: int, name: str, home: Path) -> None:
    options = SeparationOptions(extension="zeros", wiener_iterations=iterations)
    stems = separate(home, options, frames=200)
    for ours, expected in zip(excerpts(stems), np.load(GIVEN)[name], strict=True):
        assert level_db(ours - expected, expected) <= -80


def test_context_makes_seams_vanish(home: Path) -> None:
    options = SeparationOptions(extension="zeros", overlap=0)
    whole = separate(home, options, frames=200, forget_bias=-2)
    cut = separate(home, options, frames=64, forget_bias=-2)
    joined = separate(home, options, frames=64, context=28, forget_bias=-2)
    assert level_db(cut - whole, whole) > -80
    assert level_db(joined - whole, whole) <= -100


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("bn2.bias", None, "it lacks 'bn2.bias'"),
        ("fc1.weight", None, "it lacks 'fc1.weight'"),
        ("fc3.weight", np.ones((34, 5)), r"fc3.weight is of shape \(34, 5\), not \(34, 4\)"),
        ("input_mean", np.ones(0), ""),
        ("fc1.weight", np.ones(3), ""),
    ],
)
def test_what_is_no_openunmix_is_refused(
    name: str, array: np.ndarray | None, complaint: str, tmp_path: Path
) -> None:
    arrays = make_target(0, **SMALL) | {name: array}
    kept = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(WeightsError, match=f"target.pth is no Open-Unmix: .*{complaint}"):
        read_target(write_checkpoint(tmp_path / "target.pth", kept))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        read_target(tmp_path / "none.pth")


def test_targets_of_different_widths_are_refused(tmp_path: Path) -> None:
    targets = [make_target(0, **SMALL), make_target(1, **{**SMALL, "bins": 33})]
    with pytest.raises(WeightsError, match="not targets of one model"):
        write_network(tmp_path, targets)


def test_targets_of_a_folder_are_found_by_name_and_content(tmp_path: Path) -> None:
    for name in ("piano.pth", "vocals-b62c91ce.pth", "bass.pth", "drums-9619578f.pth"):
        write_checkpoint(tmp_path / name, make_target(0, **SMALL))
    write_checkpoint(tmp_path / "classifier.pth", {"fc.weight": np.ones(3, np.float32)})
    found = find_targets(tmp_path)
    assert ImportWishes().choose_stems(tmp_path, found) == ("vocals", "drums", "bass", "piano")
    assert found["vocals"] == tmp_path / "vocals-b62c91ce.pth"


def test_a_folder_of_targets_is_imported_as_a_model(home: Path) -> None:
    folder = home / "brought" / "tiny"
    folder.mkdir(parents=True)
    for seed, stem in enumerate(("other", "vocals")):
        write_checkpoint(folder / f"{stem}.pth", make_target(seed, **SMALL))
    settings = {"sample_rate": 16000.0, "nfft": 32, "nhop": 16, "nb_channels": 2}
    (folder / "separator.json").write_text(json.dumps(settings), "utf-8")
    manifest = import_checkpoint(str(folder))
    assert manifest.stems == ("vocals", "other")
    assert isinstance(manifest, MagnitudeModel)
    assert (manifest.sample_rate_hz, manifest.wiener_epsilon) == (16000, 1e-10)
    assert (manifest.transform.window_samples, manifest.transform.hop_samples) == (32, 16)
    with Separator("tiny", provider="cpu") as separator:
        stems = separator.separate(make_noise(3000, sample_rate_hz=16000))
    assert level_db(stems["vocals"].samples, stems.mixture) > -40
    with pytest.raises(OptionError, match=r"holds no vocal .did you mean 'vocals'"):
        import_checkpoint(
            str(folder), ImportOptions(name="x", wishes=ImportWishes(("vocal", "other")))
        )


@pytest.mark.parametrize(
    "told", ['{"sample_rate": "fast"}', '{"sample_rate": NaN}', '{"nhop": 1e30}', "[]", "[" * 99999]
)
def test_settings_that_no_network_has_are_one_sentence(told: str, tmp_path: Path) -> None:
    for seed, stem in enumerate(("other", "vocals")):
        write_checkpoint(tmp_path / f"{stem}.pth", make_target(seed, **SMALL))
    (tmp_path / "separator.json").write_text(told, "utf-8")
    with pytest.raises(WeightsError, match=r"separator\.json cannot be read") as caught:
        openunmix.convert(tmp_path, ImportWishes())
    assert "\n" not in str(caught.value)


def test_two_files_of_one_target_are_refused(tmp_path: Path) -> None:
    for name in ("vocals.pth", "vocals-b62c91ce.pth"):
        write_checkpoint(tmp_path / name, make_target(0, **SMALL))
    with pytest.raises(
        WeightsError, match=r"two files for vocals: vocals-b62c91ce.pth, vocals.pth"
    ):
        find_targets(tmp_path)
