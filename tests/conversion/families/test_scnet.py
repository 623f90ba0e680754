"""SCNet against its authors' and Music-Source-Separation-Training; see tests/golden/README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daw_bridge.conversion.families import mdx23c, scnet
from daw_bridge.errors import DawBridgeError, WeightsError
from daw_bridge.weights.importing import import_checkpoint
from tests.conversion.families.spectral_networks import bring, bring_arrays, compare, write_state
from tests.golden.spectral_case import CASES, SCNET, draw, read_shapes
from tests.stemtool import stemtool

if TYPE_CHECKING:
    from pathlib import Path

CASE = "scnet"

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("case", SCNET)
def test_a_song_is_separated_as_the_reference_does(case: str, tmp_path: Path) -> None:
    model = bring(case, tmp_path)
    assert model.transform.window == ("hann" if case == "masks" else "rectangular")
    compare(case, model)


def test_the_authors_configuration_means_the_same(tmp_path: Path) -> None:
    """Their passages are told in seconds, and overlap by half."""
    layout = CASES["authors"].configuration["model"]
    data = {"samplerate": 44_100, "segment": 2100 / 44_100, "channels": 2}
    told = {"data": data, "model": layout, "epochs": 200}
    model = bring_arrays(draw(read_shapes("authors")), told, tmp_path)
    assert model.stems == ("drums", "bass", "vocals", "other")
    assert (model.passage.samples, model.overlap) == (2100, 0.5)
    compare("authors", model)


def test_one_stem_leaves_the_other(tmp_path: Path) -> None:
    """A network of one stem takes as many planes as it gives."""
    arrays = draw(read_shapes("other sizes"))
    last = max(name for name in arrays if name.startswith("decoder.")).split(".")[1]
    kept = {
        name: array[..., :4, :, :] if name.endswith("weight") else array[:4]
        for name, array in arrays.items()
        if name.startswith(f"decoder.{last}.1.convtrs.")
    }
    told = {**CASES["other sizes"].configuration}
    told["training"] = {"instruments": ["Vocals", "Other"], "target_instrument": "Vocals"}
    model = bring_arrays({**arrays, **kept}, told, tmp_path)
    assert (model.stems, model.last_is_rest) == (("vocals", "other"), True)


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ({"audio": {"chunk_size": 0}}, "net.yaml cannot be rebuilt: .*chunk_size"),
        ({"audio": {"num_channels": 1}}, "net.ckpt cannot be rebuilt as .*net.yaml has it"),
        ({"model": {"win_size": 128}}, "cannot be rebuilt: win_size is not nfft, 256"),
        ({"model": {"nfft": 128, "win_size": 128}}, "cannot be rebuilt as"),
        ({"model": {"band_SR": [0.2, 0.3]}}, "band_SR"),
        ({"model": {"band_SR": [0.6, 0.6, 0.6]}}, "cannot be rebuilt as .*its bands"),
        ({"model": {"band_stride": [1, 4, 0]}}, "band_stride"),
        ({"model": {"band_stride": [1, 4, 32]}}, "cannot be rebuilt as"),
        ({"model": {"tran_depth": 1}}, "unknown field `tran_depth`"),
        ({"training": {"instruments": ["a", "b"]}}, "gives 16 planes, not 2 times 4"),
    ],
)
def test_what_is_not_rebuilt_is_refused(
    tables: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DawBridgeError, match=complaint):
        bring("masks" if "nfft" in str(tables) else CASE, tmp_path, **tables)


def test_a_masking_network_is_not_brought_to_one_level(tmp_path: Path) -> None:
    with pytest.raises(DawBridgeError, match="networks that mask are not rebuilt with normalize"):
        bring("masks", tmp_path, inference={"normalize": True})


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("surprise.weight", np.ones(3, np.float32), "cannot be rebuilt.*: surprise.weight"),
        ("encoder.0.globalconv.bias", None, "lacks encoder.0.globalconv.bias"),
        ("separation_net.dp_modules.1.norm_layers.0.weight", None, "are not both even"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    name: str, array: np.ndarray | None, complaint: str, tmp_path: Path
) -> None:
    arrays = {**draw(read_shapes(CASE)), name: array}
    kept = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(WeightsError, match=complaint):
        bring_arrays(kept, CASES[CASE].configuration, tmp_path)


def test_checkpoints_are_recognised_by_their_arrays(tmp_path: Path) -> None:
    path = write_state(tmp_path / "net.th", draw(read_shapes(CASE)))
    assert scnet.recognises(path)
    assert not mdx23c.recognises(path)
    with pytest.raises(DawBridgeError, match="--config takes the YAML file that"):
        import_checkpoint(str(path))


def test_stemtool_brings_what_the_authors_training_saved(tmp_path: Path) -> None:
    """Of the states of a training the best counts; it was saved by several machines at a time."""
    arrays = draw(read_shapes("authors"))
    best = {f"module.{name}": array for name, array in arrays.items()}
    path = write_state(tmp_path / "checkpoint.th", {"nothing": np.ones(1)}, best_state=best)
    (tmp_path / "net.yaml").write_text(
        "data: {samplerate: 44100, segment: 0.1, channels: 2, wav: /musdbhq}\n"
        "model: {nfft: 256, hop_size: 64, win_size: 256, normalized: True}\n",
        "utf-8",
    )
    run = stemtool("models", "import", path, "--config", tmp_path / "net.yaml")
    assert run.returncode == 0, run.stderr
    assert "Drums, bass, vocals, other" in stemtool("models", "show", "checkpoint").stdout
