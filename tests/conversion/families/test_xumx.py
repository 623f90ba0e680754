"""Against nnabla; see tests/golden/README.md."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.conversion.checkpoints.nnabla_files import read_parameters
from daw_bridge.conversion.families.xumx import read_xumx
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.registry import families
from daw_bridge.errors import ManifestError, OptionError, WeightsError
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.stft import Stft
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.nnabla_case import GIVEN, XUMX_STEMS, XUMX_WINDOW, make_mixture, thin_out
from tests.golden.songs import GOLDEN, excerpts

if TYPE_CHECKING:
    from pathlib import Path

STEMS = ("vocals", "drums", "bass", "other")
IN_ORDER = [XUMX_STEMS.index(stem) for stem in STEMS]

NARROW = ImportOptions(name="narrow")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    with zipfile.ZipFile(GOLDEN / "xumx.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / "x-umx.h5"


def rewrite(path: Path, **arrays: Any) -> None:
    """Change or, by None, drop arrays of a file."""
    changed = {**read_parameters(path), **arrays}
    with h5py.File(path, "w") as file:
        for name, array in changed.items():
            if array is not None:
                file[name] = array


def test_a_namesake_of_the_published_file_is_not_taken_for_it(checkpoint: Path, home: Path) -> None:
    with pytest.raises(
        ManifestError, match="another network than that of xumx, whose manifest has"
    ):
        import_checkpoint(str(checkpoint))
    assert not (home / "weights" / "xumx-1.0.0").exists()


def test_stems_are_what_the_reference_gives(checkpoint: Path, home: Path) -> None:
    manifest = import_checkpoint(str(checkpoint), NARROW)
    assert manifest.stems == STEMS
    assert (manifest.transform.window_samples, manifest.transform.hop_samples) == (256, 64)
    padded = np.pad(make_mixture(XUMX_WINDOW), ((0, 0), (256, 192)))
    magnitudes = np.abs(Stft(256, 64).forward(padded))
    masks = PlainNetwork(OnnxGraph(home / "models" / "narrow" / "network.onnx", provider="cpu"))(
        magnitudes
    )
    expected = np.load(GIVEN)["xumx_estimates"][IN_ORDER]
    for ours, theirs in zip(thin_out(masks * magnitudes), expected, strict=True):
        assert level_db(ours - theirs, theirs) <= -100


@pytest.mark.parametrize(("iterations", "name"), [(0, "unrefined"), (1, "refined")])
def test_a_song_is_separated_as_the_reference_does(
    iterations: int, name: str, checkpoint: Path, home: Path
) -> None:
    import_checkpoint(str(checkpoint), NARROW)
    # The song has as few frames as the reference sees at once; with more, seams would show.
    manifest = home / "models" / "narrow" / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("= 900", "= 4000"), "utf-8")
    options = SeparationOptions(extension="zeros", wiener_iterations=iterations)
    with Separator("narrow", provider="cpu") as separator:
        stems = separator.separate(Audio(make_mixture(XUMX_WINDOW), 44100), options).samples
    expected = np.load(GIVEN)[f"xumx_{name}"][IN_ORDER]
    for ours, theirs in zip(excerpts(stems), expected, strict=True):
        assert level_db(ours - theirs, theirs) <= -90


def test_wishes_put_stems_into_another_order(checkpoint: Path, home: Path) -> None:
    first = import_checkpoint(str(checkpoint), ImportOptions(name="first"))
    wished = ("other", "bass", "vocals", "drums")
    second = import_checkpoint(
        str(checkpoint), ImportOptions(name="second", wishes=ImportWishes(wished))
    )
    masks = [
        PlainNetwork(OnnxGraph(home / "models" / manifest.name / "network.onnx", provider="cpu"))(
            np.ones((2, 20, 129), np.float32)
        )
        for manifest in (first, second)
    ]
    assert second.stems == wished
    assert np.allclose(masks[1], masks[0][[STEMS.index(stem) for stem in wished]], atol=1e-5)


@pytest.mark.parametrize("wished", [("vocals", "other"), ("vocals", "bass", "other", "vocals")])
def test_a_stem_alone_is_refused(wished: tuple[str, ...], checkpoint: Path, home: Path) -> None:
    with pytest.raises(OptionError, match=r"makes .*drums.* at once, not vocals"):
        import_checkpoint(str(checkpoint), ImportOptions(wishes=ImportWishes(wished)))


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("fc2_drums/bn/var", None, "it lacks 'fc2_drums/bn/var'"),
        ("input_mean_bass", None, "it lacks 'input_mean_bass'"),
        ("lstm_other/lstm/bias", np.ones((2, 2, 4, 4)), ""),
        ("lstm_other/lstm/weight_l0", np.ones((2, 4)), ""),
        ("fc3_vocals/affine/W", np.ones((8, 100)), r"fc3.weight is of shape \(100, 8\)"),
    ],
)
def test_what_is_no_xumx_is_refused(
    name: str, array: np.ndarray | None, complaint: str, checkpoint: Path
) -> None:
    rewrite(checkpoint, **{name: array})
    with pytest.raises(WeightsError, match=f"x-umx.h5 is no X-UMX: .*{complaint}"):
        read_xumx(checkpoint)


def test_it_is_recognised_by_its_content(checkpoint: Path) -> None:
    known = [name for name, family in families().items() if family.recognises(checkpoint)]
    assert known == ["xumx"]
