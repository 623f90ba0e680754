"""Against the packages of RoFormers; see tests/golden/README.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch
import yaml

from daw_bridge import SeparationOptions, Separator
from daw_bridge.conversion.families import roformer
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.graphs import roformer as graphs
from daw_bridge.errors import DawBridgeError, OptionError, WeightsError
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.roformer_case import (
    CHUNK_SAMPLES,
    GIVEN,
    NETWORKS,
    SHAPES,
    configuration,
    make_arrays,
    make_mixture,
)
from tests.golden.songs import excerpts

if TYPE_CHECKING:
    from pathlib import Path

Tree = dict[str, Any]
Arrays = dict[str, np.ndarray]
LIMIT_DB = -80
MEL_BANDS = [range(7), range(4, 10), range(126, 145), range(895, 1025)]
STEMS = {
    "bs": ("vocals", "instrumental"),
    "mel": ("no-reverb", "reverb"),
    "linear": ("drums", "bass"),
    "skips": ("drums", "bass", "vocals", "other"),
    "values": ("vocals", "instrumental"),
}
ORDERS = {"skips": [0, 1, 3, 2]}

pytestmark = pytest.mark.usefixtures("home")


def arrays_of(name: str) -> Arrays:
    """Return the arrays of a golden network."""
    return make_arrays(json.loads(SHAPES.read_text("utf-8"))[name])


def bring(
    folder: Path, arrays: Arrays, told: object, *, wrap: str = "", family: str | None = None
) -> str:
    """Import a checkpoint of such arrays, by such a configuration; return the model's name."""
    path, wishes = write(folder, arrays, told, wrap=wrap)
    return import_checkpoint(str(path), ImportOptions(wishes=wishes, family=family)).name


def write(
    folder: Path, arrays: Arrays, told: object, *, wrap: str = ""
) -> tuple[Path, ImportWishes]:
    """Write a checkpoint of such arrays, and such a configuration."""
    held: Any = {name: torch.tensor(array) for name, array in arrays.items()}
    torch.save({wrap: held} if wrap else held, folder / "net.ckpt")
    configured = folder / "net.yaml"
    configured.write_text(yaml.dump(told), "utf-8")
    return folder / "net.ckpt", ImportWishes(configuration=configured)


def separate(model: str, *, mono: bool = False) -> dict[str, np.ndarray]:
    """Separate the golden mixture."""
    with Separator(model, provider="cpu") as separator:
        stems = separator.separate(make_mixture(mono=mono), SeparationOptions(extension="zeros"))
    return dict(zip(stems.names, stems.samples, strict=True))


def changed(table: str, **keys: Any) -> Tree:
    """Return a configuration that says something else."""
    told = json.loads(json.dumps(configuration("bs")))
    told[table] |= keys
    return dict(told)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_a_song_is_separated_as_the_reference_does(
    name: str, precision: type, tmp_path: Path
) -> None:
    if precision == np.float32 and name not in ("bs", "mel"):
        pytest.skip("one of each kind is enough")
    arrays: Arrays = {key: array.astype(precision) for key, array in arrays_of(name).items()}
    told = yaml.safe_load(yaml.dump(configuration(name)))
    model = bring(tmp_path, arrays, told, wrap="" if precision == np.float16 else "state_dict")
    stems = separate(model, mono=not NETWORKS[name]["stereo"])
    assert tuple(stems) == STEMS[name] == load_manifest(model).stems
    golden = np.load(GIVEN)[name]
    expected = golden[ORDERS.get(name, range(len(golden)))]
    for stem, theirs in zip(stems, expected, strict=False):
        ours = excerpts(stems[stem])
        assert level_db(ours - theirs, theirs) <= LIMIT_DB


@pytest.mark.parametrize("case", [(60, 2048, 44_100), (12, 256, 44_100), (80, 4096, 32_000)])
def test_mel_bands_overlap_and_leave_no_bin_out(case: tuple[int, int, int]) -> None:
    bands = graphs.find_mel_bands(*case)
    seen = np.zeros(case[1] // 2 + 1, int)
    for band in bands:
        seen[band.start : band.stop] += 1
    assert len(bands) == case[0]
    assert set(seen.tolist()) <= {1, 2}
    widths = [len(band) for band in bands]
    assert widths[-1] > 4 * widths[0]


def test_the_corners_of_mel_bands_are_slaneys() -> None:
    bands = graphs.find_mel_bands(60, 2048, 44_100)
    assert [bands[n] for n in (0, 1, 30, 59)] == MEL_BANDS  # as librosa 0.11.0 has them


def test_what_is_left_over_of_a_checkpoint_is_no_matter(tmp_path: Path) -> None:
    arrays = {f"module.{name}": array for name, array in arrays_of("mel").items()}
    buffers = {"module.freq_indices": np.arange(7), "module.num_bands_per_freq": np.arange(9)}
    assert bring(tmp_path, {**arrays, **buffers}, configuration("mel"), wrap="model") == "net"


@pytest.mark.parametrize(
    ("table", "keys", "complaint"),
    [
        ("model", {"use_pope": True}, "sets model.use_pope to True, which cannot be rebuilt"),
        ("model", {"num_residual_streams": 4}, "sets model.num_residual_streams to 4"),
        ("model", {"conv_kernel_size": 31}, "sets model.conv_kernel_size to 31"),
        ("model", {"stft_win_length": 128}, "stft_win_length, of another length"),
        ("model", {"heads": 0}, r"is of no RoFormer: Expected `int` >= 1 - at `\$.model.heads`"),
        ("model", {"heads": 4}, "layers.0.0.layers.0.0. has 2 heads, not 4"),
        ("model", {"stft_hop_length": 10**9}, "stft_hop_length"),
        ("model", {"freqs_per_bands": [2, 2]}, "bands have 4 bins, the transform 129"),
        ("model", {"freqs_per_bands": [129]}, "is of no RoFormer"),
        ("model", {"freqs_per_bands": [2, 2, 4, 8, 16, 31, 66]}, "has not 124 numbers"),
        ("model", {"stereo": False}, "has not 4 numbers"),
        ("model", {"num_bands": 12}, "has not|does not fit"),
        ("model", {"num_bands": 900}, "900 mel bands are too narrow for 129 bins"),
        ("training", {"target_instrument": None}, "makes 1 stems, not 2"),
        ("training", {"instruments": []}, "is of no RoFormer"),
        ("training", {"instruments": None}, "is of no RoFormer"),
        ("audio", {"chunk_size": "long"}, "is of no RoFormer"),
        ("inference", {"num_overlap": 0}, "is of no RoFormer"),
        ("inference", {"normalize": True}, "sets inference.normalize, which cannot be rebuilt"),
    ],
)
def test_what_is_not_rebuilt_is_refused(
    table: str, keys: Tree, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DawBridgeError, match=complaint):
        roformer.convert(*write(tmp_path, arrays_of("bs"), changed(table, **keys)))


@pytest.mark.parametrize(
    ("name", "array", "complaint"),
    [
        ("layers.2.0.layers.0.0.norm.gamma", np.ones(16, np.float16), "has 1 transformers"),
        ("surprise.weight", np.ones(3, np.float16), "has layers that cannot be .*surprise"),
        ("final_norm.gamma", np.ones(3, np.float16), "final_norm.gamma has not 16 numbers"),
        ("layers.0.1.layers.0.1.net.4.bias", None, "lacks layers.0.1.layers.0.1.net.4.bias"),
        ("mask_estimators.0.to_freqs.3.0.2.weight", np.ones(9), "does not fit"),
        ("band_split.to_features.6.1.weight", None, "lacks band_split.to_features.6.1.weight"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    name: str, array: np.ndarray | None, complaint: str, tmp_path: Path
) -> None:
    arrays = {**arrays_of("bs"), name: array}
    kept = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(WeightsError, match=f"net.ckpt cannot be rebuilt .*{complaint}"):
        roformer.convert(*write(tmp_path, kept, configuration("bs")))


def test_a_checkpoint_without_its_configuration_asks_for_it(tmp_path: Path) -> None:
    write(tmp_path, arrays_of("bs"), {})
    with pytest.raises(OptionError, match="--config takes the YAML file that it is published with"):
        import_checkpoint(str(tmp_path / "net.ckpt"))


def test_another_checkpoint_is_no_roformer(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is no RoFormer: it splits no bands"):
        bring(tmp_path, {"weight": np.ones(3)}, configuration("bs"), family="roformer")


def test_stems_get_other_names(tmp_path: Path) -> None:
    bring(tmp_path, arrays_of("skips"), configuration("skips"))
    wishes = ImportWishes(("a", "other", "c", "d"), configuration=tmp_path / "net.yaml")
    options = ImportOptions(name="renamed", wishes=wishes)
    renamed = import_checkpoint(str(tmp_path / "net.ckpt"), options)
    assert renamed.stems == ("a", "c", "d", "other")


def test_few_sequences_at_a_time_give_what_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = msgspec.convert(configuration("values")["model"], roformer.Network)
    given = []
    for numbers in (1 << 25, 1 << 16):
        monkeypatch.setattr(graphs, "_GROUP_NUMBERS", numbers)
        network = roformer.build_roformer(arrays_of("values"), settings, CHUNK_SAMPLES, [0])
        session = onnxruntime.InferenceSession(
            network.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        noise = np.random.default_rng(0).normal(size=(1, 4, 129, 241)).astype(np.float32)
        given += session.run(None, {"spectrum": noise})
    whole, grouped = given
    assert level_db(grouped - whole, whole) < -120
