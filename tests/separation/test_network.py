from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from daw_bridge.errors import WeightsError
from daw_bridge.separation.network import Graph, PlainNetwork, Shape
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


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="no network that can be loaded"):
        OnnxGraph(tmp_path / "network.onnx", provider="cpu")
