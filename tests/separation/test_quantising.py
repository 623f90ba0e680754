"""Networks in int8: what is measured on a song decides what stays in float, and all is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import soundfile
from onnx import TensorProto, helper, numpy_helper

from daw_bridge import Audio, Separator
from daw_bridge.errors import ModelError, OptionError, WeightsError
from daw_bridge.jobs.cache import StemCache
from daw_bridge.jobs.remix import RemixJob, run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.rendering.preset import Preset
from daw_bridge.separation import loading
from daw_bridge.separation.loading import settle_precision
from daw_bridge.separation.providers import PROVIDERS
from daw_bridge.separation.quantising import (
    Loss,
    choose_left,
    find_example,
    measure_residual_db,
    quantise_model,
)
from daw_bridge.weights.quantised import find_measured, measured_of
from tests.conftest import SONGS, level_db
from tests.separation.signal_models import install
from tests.stemtool import stemtool

if TYPE_CHECKING:
    from daw_bridge.separation.providers import Precision
    from daw_bridge.weights.quantised import Measured

SONG = SONGS / "rubidium.ogg"
SAMPLES, WIDTH = 20_000, 100
STEMS = ("low", "high", "rest")
PASSAGE = f"[passage]\nsamples = {SAMPLES}\n"
LOUDER = 300


def network(*, uneven: bool = True) -> onnx.ModelProto:
    """Return a network of two stems, each a product of 100 samples at a time, and of a third.

    If uneven, what the second takes has some samples that are far larger than the others, and its
    kernel makes up for that: eight bits are too few for it.
    """
    random = np.random.default_rng(0)
    gains = np.ones(WIDTH, np.float32)
    gains[::20] = LOUDER if uneven else 1
    bases = [np.linalg.qr(random.standard_normal((WIDTH, WIDTH)))[0] for _ in range(2)]
    arrays = {
        "rows": np.array([1, 2, -1, WIDTH]),
        "gains": gains,
        "even": bases[0].astype(np.float32),
        "uneven": (bases[1] / gains[:, np.newaxis]).astype(np.float32),
        "signals": np.array([1, 1, 2, SAMPLES]),
    }
    nodes = [
        helper.make_node("Reshape", ["samples", "rows"], ["split"]),
        helper.make_node("Mul", ["split", "gains"], ["weighed"]),
        helper.make_node("MatMul", ["split", "even"], ["first"]),
        helper.make_node("MatMul", ["weighed", "uneven"], ["second"]),
        helper.make_node("Reshape", ["first", "signals"], ["low"]),
        helper.make_node("Reshape", ["second", "signals"], ["high"]),
        helper.make_node("Reshape", ["samples", "signals"], ["rest"]),
        helper.make_node("Concat", ["low", "high", "rest"], ["stems"], axis=0),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("samples", [1, 2, SAMPLES]), ("stems", [3, 1, 2, SAMPLES]))
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DAW_BRIDGE_HOME", str(tmp_path))
    return install(tmp_path, network(), "waveform", PASSAGE, stems=STEMS)


def measured(name: str) -> Measured:
    with Separator(name, provider="cpu") as separator:
        (each,) = measured_of(separator.manifest)
    assert each is not None
    return each


def stems_of(name: str, precision: Precision) -> np.ndarray:
    with Separator(name, provider="cpu", precision=precision) as separator:
        assert separator.precision == precision
        return separator.separate(Audio.read(SONG)).samples


def test_what_suffers_is_left_and_the_rest_is_as_near_as_was_measured(name: str) -> None:
    made = quantise_model(name, SONG)
    assert (made.products, made.left, made.song) == (2, 1, SONG)
    assert made.share == pytest.approx(0.5)
    kept = measured(name)
    assert kept.left == ("second",)
    assert -60 < kept.residual_db <= -35
    exact, near = stems_of(name, "float"), stems_of(name, "int8")
    assert level_db(near[0] - exact[0], exact[0]) == pytest.approx(kept.residual_db, abs=1.5)
    np.testing.assert_array_equal(near[1], exact[1])
    np.testing.assert_array_equal(stems_of(name, "int8"), near)


def test_it_is_made_alike_each_time(name: str) -> None:
    quantise_model(name, SONG)
    first = measured(name)
    quantise_model(name, SONG)
    assert measured(name) == first


def test_more_is_allowed_where_it_is_asked_for(name: str) -> None:
    made = quantise_model(name, SONG, at_most_db=1)
    assert (made.left, made.share) == (0, 1)
    assert -35 < made.residual_db <= 1


def test_what_cannot_be_as_near_as_it_is_to_be_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="would change by more than -150 dB"):
        quantise_model(name, SONG, at_most_db=-150)
    assert not list(Path(find_folder()).glob("*/network.onnx"))


def find_folder() -> Path:
    from daw_bridge.library.places import cache_folder

    return cache_folder() / "int8"


def test_a_model_that_was_not_measured_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match=f"`stemtool models quantise {name} SONG`"):
        Separator(name, provider="cpu", precision="int8")


def test_another_network_of_the_name_is_not_taken_for_it(name: str, tmp_path: Path) -> None:
    quantise_model(name, SONG)
    install(tmp_path, network(uneven=False), "waveform", PASSAGE, stems=STEMS)
    with pytest.raises(WeightsError, match="was not brought to int8"):
        Separator(name, provider="cpu", precision="int8")


def test_a_damaged_network_is_never_opened(name: str) -> None:
    quantise_model(name, SONG)
    (path,) = find_folder().glob("*/network.onnx")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="is missing or damaged"):
        Separator(name, provider="cpu", precision="int8")


def test_what_was_measured_of_another_network_does_not_count(name: str) -> None:
    quantise_model(name, SONG)
    (folder,) = (each for each in find_folder().iterdir() if each.is_dir())
    digest = "0" * 64
    folder.rename(folder.with_name(digest))
    assert find_measured(digest) is None


def test_what_was_measured_is_read_by_rules(name: str) -> None:
    quantise_model(name, SONG)
    (path,) = find_folder().glob("*/measured.toml")
    path.write_text(path.read_text("utf-8") + "more = 1\n", "utf-8")
    with pytest.raises(WeightsError, match="more"):
        Separator(name, provider="cpu", precision="int8")


def test_a_model_without_products_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAW_BRIDGE_HOME", str(tmp_path))
    graph = network()
    for node in graph.graph.node:
        if node.op_type == "MatMul":
            node.op_type = "Identity"
            del node.input[1]
    with pytest.raises(OptionError, match="has no matrix products"):
        quantise_model(install(tmp_path, graph, "waveform", PASSAGE, stems=STEMS), SONG)


def test_a_song_is_needed_where_none_came_with_the_weights(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"stemtool models quantise {name} SONG"):
        quantise_model(name)
    example = tmp_path / "models" / name / "example.ogg"
    example.write_bytes(SONG.read_bytes())
    with Separator(name, provider="cpu") as separator:
        assert find_example(separator.manifest) == example


def test_on_a_gpu_networks_run_in_float_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cuda = next(each for each in PROVIDERS if each.name == "cuda")
    monkeypatch.setattr(loading, "choose_provider", lambda _: cuda)
    assert settle_precision("int8", "auto") == "float"
    assert "int8 is for CPUs: on CUDA, networks run in float." in caplog.text


def test_there_are_two_precisions() -> None:
    with pytest.raises(OptionError, match="float or int8, not 'int4'"):
        settle_precision("int4", "cpu")  # type: ignore[arg-type]


def test_what_loses_most_for_its_cost_is_left_first() -> None:
    one, other = Path("one"), Path("other")
    losses = [
        Loss(one, "a", share=0.01, cost=100),
        Loss(one, "b", share=0.01, cost=1),
        Loss(other, "c", share=0.001, cost=100),
    ]
    for budget, of_one, of_other, kept in (
        (math.inf, (), (), 0.021),
        (0.012, ("b",), (), 0.011),
        (0, ("a", "b"), ("c",), 0),
    ):
        left, total = choose_left(losses, budget)
        assert ({one: tuple(sorted(left[one])), other: left[other]}) == {
            one: of_one,
            other: of_other,
        }
        assert total == pytest.approx(kept)


def test_the_stem_that_changes_most_counts_and_quiet_ones_little(name: str) -> None:
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(Audio.read(SONG))
    assert measure_residual_db([stems], [stems]) == -200
    samples = stems.samples * np.array([1.01, 1.001, 1], np.float32)[:, np.newaxis, np.newaxis]
    changed = type(stems)(stems.names, samples, stems.mixture, stems.sample_rate_hz)
    assert measure_residual_db([stems], [changed]) == pytest.approx(-40, abs=0.1)
    quiet = type(stems)(stems.names, 1e-6 * stems.samples, stems.mixture, stems.sample_rate_hz)
    silent = type(stems)(stems.names, 0 * stems.samples, stems.mixture, stems.sample_rate_hz)
    assert measure_residual_db([quiet], [silent]) < -70


def test_stems_in_float_are_not_taken_for_those_in_int8(name: str, tmp_path: Path) -> None:
    quantise_model(name, SONG)
    cache = StemCache(tmp_path / "stems")
    origins: list[tuple[str, str | None]] = []
    precisions: tuple[Precision, ...] = ("float", "int8", "int8")
    for precision in precisions:
        with Separator(name, provider="cpu", precision=precision) as separator:
            maker = StemMaker(separator.manifest, lambda: separator, cache, separator.precision)
            output = tmp_path / f"{len(origins)}.wav"
            result = run_remix(RemixJob(SONG, output, Preset()), maker)
        origins.append((result.provider, result.precision))
    assert origins == [("cpu", "float"), ("cpu", "int8"), ("cache", "int8")]


def test_the_commands(name: str, tmp_path: Path) -> None:
    separate = ["separate", SONG, "-m", name, "-o", tmp_path / "out", "--precision", "int8"]
    refused = stemtool(*separate)
    assert refused.returncode == 1
    assert "stemtool models quantise" in refused.stderr
    made = stemtool("models", "quantise", name, SONG, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["products"], told["left"]) == (2, 1)
    assert told["residual_db"] <= -35
    done = stemtool(*separate, "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["separated"]
    assert (result["provider"], result["precision"]) == ("cpu", "int8")
    assert soundfile.info(tmp_path / "out" / SONG.stem / "low.wav").frames == result["frames"]
    shown = json.loads(stemtool("models", "show", name).stdout)
    assert shown["int8"][0]["left"] == ["second"]
