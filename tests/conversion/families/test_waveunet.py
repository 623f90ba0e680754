"""Against layers of TensorFlow's; see tests/golden/README.md."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.conversion.checkpoints.tensorflow import read_latest
from daw_bridge.conversion.families import waveunet
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.waveunet_case import CLIPPED, DIRECT, FLAVOURS, FOLDER, make_mixture

if TYPE_CHECKING:
    from pathlib import Path

STEMS = {
    "full": ("accompaniment", "vocals"),
    "instruments": ("bass", "drums", "other", "vocals"),
    "baseline": ("accompaniment", "vocals"),
    "padded": ("drums", "vocals", "other"),
}
AS_IT_IS = SeparationOptions(extension="zeros")

pytestmark = pytest.mark.usefixtures("home")


def configured(folder: Path, **told: object) -> ImportOptions:
    path = folder / "configuration.json"
    path.write_text(json.dumps(told), "utf-8")
    return ImportOptions(wishes=ImportWishes(configuration=path))


@pytest.mark.parametrize("name", FLAVOURS)
def test_checkpoints_give_what_the_reference_gives(name: str, home: Path) -> None:
    mixture, golden = make_mixture(name), np.load(FOLDER / "stems.npz")[name]
    options = ImportOptions()
    if name == "padded":
        options = configured(
            home,
            output_type="difference",
            context=False,
            output_activation="linear" if name in CLIPPED else "tanh",
            source_names=STEMS[name],
            num_frames=mixture.shape[1],
        )
    elif name == "baseline":
        options = configured(home, num_frames=mixture.shape[1])
    manifest = import_checkpoint(str(FOLDER / name), options)
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(Audio(mixture, manifest.sample_rate_hz), AS_IT_IS)
    expected = dict(zip(STEMS[name], golden, strict=True))
    *given, last = manifest.stems
    assert sorted(manifest.stems) == sorted(STEMS[name])
    assert last in ("accompaniment", "other")
    assert manifest.last_is_rest is (name not in DIRECT)
    if manifest.last_is_rest:  # which the reference clips
        expected[last] = mixture - np.sum([expected[stem] for stem in given], axis=0)
    for stem in manifest.stems:
        assert level_db(stems[stem].samples - expected[stem], expected[stem]) <= -100


def test_left_and_right_are_separated_alike_where_a_network_has_one_channel(home: Path) -> None:
    left = make_mixture("baseline")
    import_checkpoint(str(FOLDER / "baseline"), configured(home, num_frames=left.shape[1]))
    with Separator("baseline", provider="cpu") as separator:
        both, one, other = (
            separator.separate(Audio(samples, 22_050), AS_IT_IS).samples
            for samples in (np.concatenate([left, -left]), left, -left)
        )
    assert np.allclose(both, np.concatenate([one, other], axis=1), atol=1e-6)
    assert level_db(one + other, one) > -20


@pytest.mark.usefixtures("_converts_here")
def test_passages_join_as_if_all_was_seen_at_once(
    song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    separated = []
    for given in (2**16, 2**20):
        monkeypatch.setattr(waveunet, "_GIVEN_SAMPLES", given)
        import_checkpoint(str(FOLDER / "full"), ImportOptions(overwrite=True))
        with Separator("full", provider="cpu") as separator:
            assert separator.manifest.sample_rate_hz == song.sample_rate_hz
            separated.append(separator.separate(song).samples)
    cut, whole = separated
    assert level_db(cut - whole, whole) <= -110


def write_archive(path: Path, folders: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for folder, name in folders.items():
            for file in (FOLDER / name).iterdir():
                archive.write(file, f"checkpoints/{folder}/{file.name}")
    return path


def test_an_archive_of_one_model_is_imported(home: Path) -> None:
    path = write_archive(home / "models.zip", {"instruments": "instruments"})
    manifest = import_checkpoint(str(path))
    assert (manifest.name, manifest.kind, manifest.channels) == ("models", "waveform", 2)
    assert manifest.stems == ("bass", "drums", "vocals", "other")
    assert manifest.sample_rate_hz == 22_050


def test_of_several_models_none_is_guessed(home: Path) -> None:
    path = write_archive(home / "models.zip", {"M4": "full", "M6": "instruments"})
    with pytest.raises(WeightsError, match=r"2 models: unpack .* folders checkpoints/M4, check"):
        import_checkpoint(str(path))
    folder = home / "two"
    shutil.copytree(FOLDER / "full", folder)
    for file in list(folder.iterdir()):
        shutil.copy(file, folder / file.name.replace("-7", "-12"))
    with pytest.raises(WeightsError, match=r"checkpoints full-12, full-7, but no file 'checkpoint"):
        import_checkpoint(str(folder))
    (folder / "checkpoint").write_text('model_checkpoint_path: "full-12"\n')
    assert import_checkpoint(str(folder)).stems == ("vocals", "accompaniment")


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"source_names": ["a", "b", "c"]}, "makes 1 stems, not a, b, c"),
        ({"source_names": ["a"], "output_type": "difference"}, "makes 2 stems, not a"),
        ({"output_type": "direct"}, "makes 1 stems, which --stems names"),
        ({"expected_sr": "fast"}, "is no configuration of Wave-U-Net's: Expected `int`"),
        ({"expected_sr": 10**9}, "is no configuration of Wave-U-Net's: .*<= 768000"),
        ({"num_frames": 10**18}, "is no configuration of Wave-U-Net's: .*<= 16777216"),
        ({"output_type": "none"}, "is no configuration of Wave-U-Net's: Invalid enum value"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    told: dict[str, object], complaint: str, home: Path
) -> None:
    with pytest.raises(OptionError, match=complaint):
        import_checkpoint(str(FOLDER / "full"), configured(home, **told))
    assert not (home / "models" / "full").exists()


@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        ("conv1d_1/bias", None, "it lacks 'separator/conv1d_1/bias'"),
        ("interp_1", None, "it lacks 'separator/interp_1'"),
        ("interp_1", (5,), r"interp_1 is of shape \(5,\), not \(6,\)"),
        ("conv1d_3/kernel", (5, 20, 6), "up0 takes 20 channels, not 15"),
        ("conv1d_1/kernel", (15, 4, 6), "its 6 layers are in no U"),
        ("conv1d/kernel", (15,), ""),
        ("conv1d_4/bias", (7,), r"conv1d_4/bias is of shape \(7,\), not \(3,\)"),
        ("conv1d_5/kernel", (1, 5, 3), "it takes 2 channels and gives 3"),
    ],
)
def test_what_is_no_waveunet_is_refused(
    name: str, shape: tuple[int, ...] | None, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = read_latest(FOLDER / "full")
    if shape:
        variables[f"separator/{name}"] = np.ones(shape, np.float32)
    else:
        del variables[f"separator/{name}"]
    monkeypatch.setattr(waveunet, "read_latest", lambda _: variables)
    with pytest.raises(WeightsError, match=f"is no Wave-U-Net: .*{complaint}"):
        waveunet.convert(FOLDER / "full", ImportWishes())
