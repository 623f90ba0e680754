"""Against nnabla; see tests/golden/README.md."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.conversion.checkpoints.nnabla_files import read_parameters
from daw_bridge.conversion.families.d3net import convert
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.registry import families
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.manifest import MagnitudeModel
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.stft import Stft
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.nnabla_case import D3NET, D3NET_WINDOW, GIVEN, SPLITS, make_mixture, thin_out
from tests.golden.songs import GOLDEN, excerpts

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVE = GOLDEN / "d3net.zip"
STEMS = tuple(SPLITS)
SEEN_BINS = D3NET["seen_bins"]
DEEP = "vocals/dense_full/ds_layers/dense_block1/layers/layer2/initial_layer/bottleneck"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "d3net-mss"
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


def rewrite(path: Path, arrays: dict[str, Any], stem: str | None = None) -> None:
    """Change or, by None, drop arrays of a file, and give its stem another name."""
    held = {**read_parameters(path), **arrays}
    with h5py.File(path, "w") as file:
        for name, array in held.items():
            if array is not None:
                file[f"{stem}/{name.partition('/')[2]}" if stem else name] = array


def estimate(network: PlainNetwork) -> np.ndarray:
    """Return estimates of the golden mixture in the bins that the network sees."""
    padded = np.pad(make_mixture(D3NET_WINDOW), ((0, 0), (4096, 3072)))
    magnitudes = np.abs(Stft(4096, 1024).forward(padded))
    shown = np.pad(magnitudes, ((0, 0), (0, -magnitudes.shape[1] % 4), (0, 0)))[..., :SEEN_BINS]
    return (network(shown) * shown)[:, :, : magnitudes.shape[1]]


def test_stems_are_what_the_reference_gives(folder: Path, home: Path) -> None:
    manifest = import_checkpoint(str(folder))
    assert manifest.stems == STEMS
    assert isinstance(manifest, MagnitudeModel)
    assert (manifest.bandwidths, manifest.channels) == ({"full": SEEN_BINS}, 2)
    assert manifest.segment.multiple_frames == 4
    ours = estimate(
        PlainNetwork(OnnxGraph(home / "models" / "d3net-mss" / "network.onnx", provider="cpu"))
    )
    whole = np.pad(ours, [(0, 0)] * 3 + [(0, 2049 - SEEN_BINS)])
    for mine, theirs in zip(thin_out(whole), np.load(GIVEN)["d3net_estimates"], strict=True):
        assert level_db(mine - theirs, theirs) <= -100


# Without refinement, estimates where the song is as quiet as rounding errors have these for phases.
@pytest.mark.parametrize(
    ("iterations", "name", "parity_db"), [(0, "unrefined", -60), (1, "refined", -80)]
)
def test_a_song_is_separated_as_the_reference_does(
    iterations: int, name: str, parity_db: float, home: Path
) -> None:
    import_checkpoint(str(ARCHIVE), ImportOptions(name="narrow"))
    options = SeparationOptions(extension="zeros", wiener_iterations=iterations)
    with Separator("narrow", provider="cpu") as separator:
        stems = separator.separate(Audio(make_mixture(D3NET_WINDOW), 44100), options).samples
    for ours, theirs in zip(excerpts(stems), np.load(GIVEN)[f"d3net_{name}"], strict=True):
        assert level_db(ours - theirs, theirs) <= parity_db


def test_files_beside_the_stems_tell_where_bands_meet(folder: Path) -> None:
    published = convert(folder, ImportWishes()).network
    recipe = folder / "vocals.yaml"
    recipe.write_text("fft_size: 4096\nband_split_idxs: [256]\n", "utf-8")
    assert convert(folder, ImportWishes()).network == published
    recipe.write_text("band_split_idxs:\n- 128\n", "utf-8")
    assert convert(folder, ImportWishes()).network != published


def test_a_stem_of_another_name_needs_a_configuration(folder: Path) -> None:
    published = convert(folder, ImportWishes()).network
    rewrite(folder / "vocals.h5", {}, stem="choir")
    rewrite(folder / "bass.h5", {}, stem="other")
    with pytest.raises(OptionError, match=r"The 2 bands of choir in .* cannot meet at bins \[\]"):
        convert(folder, ImportWishes())
    configuration = folder / "choir.yml"
    configuration.write_text("band_split_idxs: [256]", "utf-8")
    converted = convert(folder, ImportWishes(configuration=configuration))
    assert converted.model.stems == ("choir", "other")
    assert len(converted.network) == len(published)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fft_size: 4096", "no list of numbers band_split_idxs"),
        ("band_split_idxs: [low]", "no list of numbers band_split_idxs"),
        ("band_split_idxs: [", "is no YAML or JSON of plain values"),
        ("band_split_idxs: [128, 256]", r"cannot meet at bins \[128, 256\]"),
        ("band_split_idxs: [1700]", r"cannot meet at bins \[1700\]"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    text: str, complaint: str, folder: Path
) -> None:
    configuration = folder / "all.yaml"
    configuration.write_text(text, "utf-8")
    with pytest.raises(OptionError, match=complaint):
        convert(folder, ImportWishes(configuration=configuration))


def test_bands_that_cannot_be_halved_are_refused(folder: Path) -> None:
    (folder / "vocals.yaml").write_text("band_split_idxs: [255]", "utf-8")
    with pytest.raises(WeightsError, match="dense_band/0 cannot halve 255 bins 1 times"):
        convert(folder, ImportWishes())


def test_stems_are_picked_and_ordered(folder: Path) -> None:
    assert convert(folder, ImportWishes(("bass", "vocals"))).model.stems == ("bass", "vocals")
    with pytest.raises(OptionError, match=r"holds no vocal .did you mean 'vocals'"):
        convert(folder, ImportWishes(("vocal", "bass")))
    (folder / "bass.h5").unlink()
    with pytest.raises(OptionError, match=r"two stems or more; .*d3net-mss gives vocals"):
        convert(folder, ImportWishes())


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        (f"{DEEP}/norm1/bn/mean", None, "it lacks 'dense_full/.*/mean'"),
        (f"{DEEP}/norm1/bn/mean", np.ones((1, 9, 1, 1)), r"mean is of shape \(1, 9, 1, 1\)"),
        (f"{DEEP}/conv1/conv/b", np.ones(3), r"b is of shape \(3,\)"),
        ("vocals/in_scale", np.ones((1, 1, 1, 9)), "in_scale is of shape"),
        ("vocals/in_scale", np.ones(9), ""),
        ("vocals/in_offset", np.ones((1, 1, 1, 9)), "its stems differ in channels or bins"),
        ("vocals/features_init_full/conv/W", np.ones(9), ""),
        ("vocals/features_init_full/bn/var", np.ones(9), "bn/var belongs to no layer"),
        ("vocals/match_fm_conv/1/conv/conv/W", np.ones((3, 2, 1, 1)), r"b is of shape \(4,\)"),
    ],
)
def test_what_is_no_d3net_is_refused(
    name: str, array: np.ndarray | None, complaint: str, folder: Path
) -> None:
    rewrite(folder / "vocals.h5", {name: array})
    with pytest.raises(WeightsError, match=f"d3net-mss is no D3Net: .*{complaint}"):
        convert(folder, ImportWishes())


def test_it_is_recognised_by_its_content(folder: Path) -> None:
    for place in (folder, folder / "vocals.h5", ARCHIVE):
        known = [name for name, family in families().items() if family.recognises(place)]
        assert known == ["d3net"]
