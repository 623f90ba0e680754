"""MDX23C against Music-Source-Separation-Training; see tests/golden/README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daw_bridge.conversion.families import mdx23c
from daw_bridge.errors import DawBridgeError, OptionError, WeightsError
from daw_bridge.weights.importing import import_checkpoint
from tests.conversion.families.spectral_networks import bring, bring_arrays, compare, write_state
from tests.golden.spectral_case import CASES, MDX23C, draw, read_shapes
from tests.stemtool import stemtool

if TYPE_CHECKING:
    from pathlib import Path

CASE = "instance norm"

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("case", MDX23C)
def test_a_song_is_separated_as_the_reference_does(case: str, tmp_path: Path) -> None:
    compare(case, bring(case, tmp_path))


def test_what_is_left_comes_last_under_the_names_of_the_training(tmp_path: Path) -> None:
    model = bring(CASE, tmp_path)
    assert (model.stems, model.last_is_rest) == (("vocals", "bass", "other"), False)
    assert (model.overlap, model.passage.fade_samples) == (0.75, 198)


@pytest.mark.parametrize(
    ("instruments", "stems"),
    [
        (["Similarity", "Difference"], ("similarity", "difference")),
        (["Vocals", "Drums", "Bass", "Other"], ("vocals", "instrumental")),
        (["No Reverb"], ("no-reverb", "rest")),
    ],
)
def test_a_network_of_one_target_leaves_the_rest(
    instruments: list[str], stems: tuple[str, ...], tmp_path: Path
) -> None:
    table = {"instruments": instruments, "target_instrument": instruments[0]}
    model = bring("batch norm", tmp_path, training=table)
    assert (model.stems, model.last_is_rest) == (stems, True)


def test_stems_get_other_names_in_the_checkpoints_order(tmp_path: Path) -> None:
    assert bring(CASE, tmp_path, stems=("a", "other", "c")).stems == ("a", "c", "other")
    with pytest.raises(OptionError, match="makes 3 stems, not a, b"):
        bring(CASE, tmp_path, stems=("a", "b"))


def test_the_length_for_separating_comes_before_that_of_the_training(tmp_path: Path) -> None:
    assert bring(CASE, tmp_path, inference={"chunk_size": 960}).passage.samples == 960


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        (
            {"audio": {"chunk_size": None}},
            "net.yaml cannot be rebuilt: .*chunk_size",
        ),
        ({"audio": {"dim_f": 10**9}}, "cannot be rebuilt: .*dim_f"),
        ({"audio": {"dim_f": 256}}, "sees 256 bins, where there are 129"),
        ({"audio": {"chunk_size": 2000}}, "gives 1984 samples of the 2000 that it takes"),
        ({"audio": {"num_channels": 1}}, "net.ckpt cannot be rebuilt as .*net.yaml has it"),
        ({"inference": {"chunk_size": 1984 - 64}}, "31 time frames of 24 bins cannot be divided"),
        ({"inference": {"num_overlap": 0}}, "num_overlap"),
        ({"model": {"act": "elu"}}, "cannot be rebuilt: .*act"),
        ({"model": {"norm": "LayerNorm"}}, "cannot be rebuilt: .*norm"),
        ({"model": {"norm": "GroupNorm3"}}, "net.ckpt cannot be rebuilt as .*net.yaml has it"),
        ({"model": {"surprise": 1}}, "unknown field `surprise`"),
        ({"model": {"num_subbands": 5}}, "net.ckpt cannot be rebuilt as .*net.yaml has it"),
        ({"model": {"num_scales": 1}}, "cannot be rebuilt as"),
        ({"model": {"num_scales": 3}}, "cannot be rebuilt as .*(lacks|divided)"),
        ({"model": {"scale": [4, 2]}}, "has kernels of"),
        ({"training": {"instruments": []}}, "instruments"),
        ({"training": {"instruments": ["a", "b"]}}, "gives 12 planes, not 2 times 4"),
        ({"training": {"instruments": ["a", "b", "../c"]}}, "No stem can be called '../c'"),
    ],
)
def test_what_is_not_rebuilt_is_refused(
    tables: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DawBridgeError, match=complaint):
        bring(CASE, tmp_path, **tables)


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("surprise.weight", np.ones(3, np.float32), "cannot be rebuilt: surprise.weight"),
        ("final_conv.0.weight", None, "lacks final_conv.0.weight"),
        (
            "first_conv.weight",
            np.ones((8, 3, 1, 1), np.float32),
            "first_conv takes 3 channels",
        ),
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
    path = write_state(tmp_path / "net.ckpt", draw(read_shapes(CASE)))
    assert mdx23c.recognises(path)
    assert not mdx23c.recognises(tmp_path)
    assert not mdx23c.recognises(write_state(tmp_path / "other.ckpt", {"weight": np.ones(2)}))
    with pytest.raises(OptionError, match="--config takes the YAML file that"):
        import_checkpoint(str(path))


def test_stemtool_brings_a_checkpoint_in_half_precision(tmp_path: Path) -> None:
    arrays = {name: array.astype(np.float16) for name, array in draw(read_shapes(CASE)).items()}
    path = write_state(tmp_path / "net.ckpt", arrays)
    (tmp_path / "net.yaml").write_text(
        "audio: {chunk_size: 1984, n_fft: 256, hop_length: 64, dim_f: 96}\n"
        "model: {act: gelu, norm: InstanceNorm, num_subbands: 4, num_scales: 2, scale: [2, 2]}\n"
        "training:\n"
        "  instruments: !!python/tuple [Kick, Snare, Toms]\n"
        "inference: {num_overlap: 4}\n",
        "utf-8",
    )
    run = stemtool("models", "import", path, "--config", tmp_path / "net.yaml")
    assert run.returncode == 0, run.stderr
    shown = stemtool("models", "show", "net")
    assert "Kick, snare, toms, by MDX23C" in shown.stdout
