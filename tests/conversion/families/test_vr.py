"""Against the package audio-separator; see tests/golden/README.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.library.manifest import BandedModel
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.songs import excerpts
from tests.golden.vr_case import FLAVOURS, GIVEN, make_arrays, make_mixture, shapes_of
from tests.stemtool import stemtool

if TYPE_CHECKING:
    from pathlib import Path

AS_IT_IS = SeparationOptions(extension="zeros")
COMPLEMENTS = {"vocals": "instrumental", "instrumental": "vocals"}
SMALLEST = "one-band"
BRIDGE = "stg2_bridge.conv.0.weight"

pytestmark = pytest.mark.usefixtures("home")


def save_checkpoint(folder: Path, name: str, **changed: np.ndarray | None) -> Path:
    """Save a flavour's network as torch does, with some arrays changed, or left out."""
    arrays = make_arrays(shapes_of(name)) | changed
    path = folder / "net.pth"
    torch.save({k: torch.from_numpy(v) for k, v in arrays.items() if v is not None}, path)
    return path


def configured(folder: Path, name: str, **more: Any) -> ImportOptions:
    """Describe a flavour's bands; what is None is left out."""
    flavour = FLAVOURS[name]
    told = {**flavour.parameters(), "primary_stem": flavour.primary_stem, **more}
    path = folder / "bands.json"
    path.write_text(json.dumps({k: v for k, v in told.items() if v is not None}), "utf-8")
    return ImportOptions(wishes=ImportWishes(configuration=path), overwrite=True)


@pytest.mark.parametrize("name", FLAVOURS)
def test_networks_give_what_the_reference_gives(name: str, home: Path) -> None:
    flavour = FLAVOURS[name]
    manifest = import_checkpoint(str(save_checkpoint(home, name)), configured(home, name))
    primary = flavour.primary_stem.lower()
    assert manifest.stems == (primary, COMPLEMENTS[primary])
    with Separator("net", provider="cpu") as separator:
        mixture = Audio(make_mixture(name), flavour.sample_rate_hz)
        stems = separator.separate(mixture, AS_IT_IS)
        whole = separator.separate(mixture)
    made = stems.samples[..., : golden_samples(name, mixture.frames)]
    golden = np.load(GIVEN)[name]
    for ours, theirs in zip(excerpts(made), golden, strict=True):
        assert level_db(ours - theirs, theirs) < -100
    assert np.array_equal(whole.samples[0], stems.samples[0])
    assert level_db(whole.residual(), mixture.samples) < -120


def golden_samples(name: str, frames: int) -> int:
    """Return how many samples the reference gives: whole hops."""
    hop = FLAVOURS[name].bands[-1][1]
    return frames // hop * hop


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"reverse": True}, "asks for 'reverse', which is not known"),
        ({"aggr_correction": {"left": 1, "right": 1}}, "asks for 'aggr_correction'"),
        ({"attention": True}, "unknown field `attention`"),
        ({"primary_stem": None}, "Nothing tells which stem"),
        ({"primary_stem": ""}, "of the VR architecture: Expected `str` of length >= 1"),
        ({"band": {}}, "Expected `object` of length >= 1"),
        ({"bins": 130}, "is no network of the VR architecture: spectra of"),
        ({"bins": 96}, "the bands have more bins than the 96"),
        ({"bins": None}, "of the VR architecture"),
        ({"sr": 48000}, "the sample rate of the last band"),
        ({"window_size": 128}, "Expected `int` >= 272"),
        ({"aggression_setting": -60}, "Expected `int` >= -50"),
        ({"band": {"2": FLAVOURS[SMALLEST].parameters()["band"]["1"]}}, "it lacks '1'"),
    ],
)
def test_what_cannot_be_done_is_refused(more: dict[str, Any], complaint: str, home: Path) -> None:
    path = save_checkpoint(home, SMALLEST)
    with pytest.raises(DawBridgeError, match=complaint):
        import_checkpoint(str(path), configured(home, SMALLEST, **more))
    assert not (home / "models" / "net").exists()


def test_bands_that_do_not_fit_each_other_are_refused(home: Path) -> None:
    path = save_checkpoint(home, "two-bands")
    for key, value, complaint in (
        ("hl", 30, "hops of all bands take equally long"),
        ("n_fft", 255, "is even"),
        ("crop_stop", 130, "of a transform that has 129"),
        ("sr", 64000, "hops of all bands|from the lowest"),
        ("res_type", "kaiser_fast", "res_type 'kaiser_fast' is not known between bands"),
    ):
        bands = FLAVOURS["two-bands"].parameters()["band"]
        bands["1"][key] = value
        with pytest.raises(DawBridgeError, match=complaint):
            import_checkpoint(str(path), configured(home, "two-bands", band=bands))


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"nout": 32}, "has nout 8, not 32"),
        ({"nout_lstm": 128}, "has nout_lstm 12, not 128"),
        ({"bins": 224}, "has bins 192, not 224"),
    ],
)
def test_a_table_of_another_network_is_refused(
    more: dict[str, Any], complaint: str, home: Path
) -> None:
    path = save_checkpoint(home, "four-bands")
    with pytest.raises(OptionError, match=complaint):
        import_checkpoint(str(path), configured(home, "four-bands", **more))


def test_without_a_configuration_it_says_what_it_needs(home: Path) -> None:
    with pytest.raises(OptionError, match="--config takes the JSON file of its parameters"):
        import_checkpoint(str(save_checkpoint(home, SMALLEST)))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"stg4.weight": np.ones(3, np.float32)}, "no layer known here takes: stg4.weight"),
        ({"out.weight": None}, "The network lacks out.weight"),
        ({BRIDGE: np.ones((3, 9, 1, 1), np.float32)}, "is no network of"),
        (
            {BRIDGE: np.ones((2, 2, 1, 1), np.float32)},
            "is given 4 channels, not 2",
        ),
    ],
)
def test_arrays_of_another_network_are_refused(
    changed: dict[str, np.ndarray | None], complaint: str, home: Path
) -> None:
    path = save_checkpoint(home, SMALLEST, **changed)
    with pytest.raises(DawBridgeError, match=complaint):
        import_checkpoint(str(path), configured(home, SMALLEST))


def test_wishes_name_stems_and_settings_sharpen_masks(home: Path) -> None:
    path = save_checkpoint(home, SMALLEST)
    options = configured(home, SMALLEST, primary_stem="No Other", aggression_setting=0)
    assert import_checkpoint(str(path), options).stems == ("no other", "other")
    manifest = load_manifest("net")
    assert isinstance(manifest, BandedModel)
    assert manifest.sharpening is None
    stems = ("dry", "reverb")
    wishes = ImportWishes(stems=stems, configuration=options.wishes.configuration)
    assert import_checkpoint(str(path), ImportOptions(wishes=wishes, overwrite=True)).stems == stems
    wishes = ImportWishes(stems=(*stems, "more"), configuration=options.wishes.configuration)
    with pytest.raises(OptionError, match="makes one stem and leaves one, not dry, reverb, more"):
        import_checkpoint(str(path), ImportOptions(wishes=wishes, overwrite=True))


def test_a_song_goes_through_the_command(home: Path, song: Audio, tmp_path: Path) -> None:
    import soundfile

    path = save_checkpoint(home, SMALLEST)
    config = configured(home, SMALLEST).wishes.configuration
    soundfile.write(tmp_path / "song.wav", song.samples[:, :99_999].T, song.sample_rate_hz)
    imported = stemtool("models", "import", path, "--config", config, "--name", "tiny")
    assert imported.returncode == 0, imported.stderr
    asked = ("separate", tmp_path / "song.wav", "-m", "tiny", "-o", tmp_path, "--provider", "cpu")
    separated = stemtool(*asked)
    assert separated.returncode == 0, separated.stderr
    for stem in ("vocals", "instrumental"):
        samples, _ = soundfile.read(tmp_path / "song" / f"{stem}.wav")
        assert samples.shape == (99_999, 2)
    refused = stemtool(*asked, "--overwrite", "--overlap", "0.25")
    assert "takes an overlap of 0 at most" in refused.stderr
