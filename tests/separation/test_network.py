from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.errors import WeightsError
from daw_bridge.separation import runtime
from daw_bridge.separation.network import Graph, PlainNetwork, Shape
from daw_bridge.separation.providers import find_candidates
from daw_bridge.separation.runtime import OnnxGraph


class Doubler:
    """A graph without a runtime: two stems, the input and its double."""

    provider = "abacus"
    concurrent_runs = 3
    input_shapes: tuple[Shape, ...] = ([1, 2, "time_frames", "bins"],)
    output_shapes: tuple[Shape, ...] = ([2, 1, 2, "time_frames", "bins"],)

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        (shown,) = inputs
        return [np.stack([shown, 2 * shown])]


def test_a_network_runs_any_graph() -> None:
    graph: Graph = Doubler()
    network = PlainNetwork(graph)
    assert (network.stems, network.provider, network.concurrent_runs) == (2, "abacus", 3)
    masks = network(np.ones((2, 3, 4), np.float32))
    assert masks.shape == (2, 2, 3, 4)
    assert np.array_equal(masks[:, 0, 0, 0], [1, 2])


def test_masks_are_shares(network_path: Path) -> None:
    net = PlainNetwork(OnnxGraph(network_path, provider="cpu"))
    magnitudes = np.abs(np.random.default_rng(0).standard_normal((2, 64, 1024))).astype(np.float32)
    masks = net(magnitudes)
    assert masks.shape == (2, 2, 64, 1024)
    assert masks.min() >= 0
    assert np.allclose(masks.sum(axis=0), 1, atol=1e-6)


def test_the_graph_is_sound(network_path: Path) -> None:
    onnx.checker.check_model(onnx.load(network_path), full_check=True)


def test_thread_counts_share_the_work(network_path: Path) -> None:
    assert OnnxGraph(network_path, provider="cpu", threads=1).concurrent_runs == 1
    assert OnnxGraph(network_path, provider="cpu", threads=2).concurrent_runs == 2


def test_on_a_gpu_one_segment_is_transformed_while_the_other_runs(
    network_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cpu,) = find_candidates("cpu")
    monkeypatch.setattr(runtime, "choose_provider", lambda _: replace(cpu, side_by_side=False))
    graph = OnnxGraph(network_path, threads=2)
    running, most = 0, 0

    def run(*_: object) -> list[np.ndarray]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1
        return [np.zeros((2, 1, 2, 3, 4), np.float32)]

    monkeypatch.setattr(graph, "_session", SimpleNamespace(run=run))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(graph.run, [SHOWN[np.newaxis]] * 8))
    assert (graph.concurrent_runs, most) == (2, 1)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="no network that can be loaded"):
        OnnxGraph(tmp_path / "network.onnx", provider="cpu")


TAKEN: list[int | str] = [1, 2, "time_frames", "bins"]


def graph_of(
    nodes: list[onnx.NodeProto], given: list[int | str], **arrays: np.ndarray
) -> onnx.ModelProto:
    """Return a network that takes (1, 2, time_frames, bins) and says what it gives."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("input", TAKEN), ("output", given))
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


PROMISED: list[int | str] = [2, 1, 2, "time_frames", "bins"]
DOUBLED = [
    helper.make_node("Unsqueeze", ["input", "axis"], ["one"]),
    helper.make_node("Concat", ["one", "one"], ["two"], axis=0),
]
SHOWN = np.zeros((2, 3, 4), np.float32)


def open_network(graph: onnx.ModelProto, folder: Path) -> PlainNetwork:
    onnx.save(graph, folder / "network.onnx")
    return PlainNetwork(OnnxGraph(folder / "network.onnx", provider="cpu"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_a_sentence(value: float, tmp_path: Path) -> None:
    nodes = [*DOUBLED, helper.make_node("Add", ["two", "value"], ["output"])]
    graph = graph_of(nodes, PROMISED, axis=np.array([0]), value=np.array(value, np.float32))
    with pytest.raises(WeightsError, match=r"network\.onnx gives what is infinite or not a number"):
        open_network(graph, tmp_path)(SHOWN)


def test_more_than_was_promised_is_a_sentence(tmp_path: Path) -> None:
    nodes = [*DOUBLED, helper.make_node("Concat", ["two", "two"], ["output"], axis=3)]
    graph = graph_of(nodes, PROMISED, axis=np.array([0]))
    with pytest.raises(WeightsError, match=r"an array of \[2, 1, 2, 6, 4\], where it promises"):
        open_network(graph, tmp_path)(SHOWN)


def test_what_cannot_be_run_is_a_sentence(tmp_path: Path) -> None:
    nodes = [*DOUBLED, helper.make_node("Identity", ["two"], ["output"])]
    network = open_network(graph_of(nodes, PROMISED, axis=np.array([0])), tmp_path)
    assert network(SHOWN).shape == (2, 2, 3, 4)
    for shown in (SHOWN[:, 0], SHOWN[:1]):
        with pytest.raises(WeightsError, match=r"network\.onnx cannot be run: \w") as caught:
            network(shown)
        assert "\n" not in str(caught.value)
        assert "ONNXRuntimeError" not in str(caught.value)


def test_a_network_of_another_signature_is_refused(tmp_path: Path) -> None:
    alike = [helper.make_node("Identity", ["input"], ["output"])]
    with pytest.raises(WeightsError, match="is of no use here"):
        open_network(graph_of(alike, [1, 2, "time_frames", "bins"]), tmp_path)


def test_more_than_is_needed_is_a_sentence(tmp_path: Path) -> None:
    nodes = [*DOUBLED, helper.make_node("Concat", ["two", "two"], ["output"], axis=3)]
    graph = graph_of(nodes, [2, 1, 2, "more", "bins"], axis=np.array([0]))
    with pytest.raises(WeightsError, match=r"gives an array of \(2, 1, 2, 6, 4\), not of"):
        open_network(graph, tmp_path)(SHOWN)


def test_a_network_of_other_numbers_is_refused(tmp_path: Path) -> None:
    graph = graph_of([helper.make_node("Cast", ["input"], ["output"], to=11)], PROMISED)
    graph.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    with pytest.raises(WeightsError, match="no array of 32-bit floats"):
        open_network(graph, tmp_path)
