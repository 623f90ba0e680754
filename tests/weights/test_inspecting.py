"""A user's networks are inspected before they are opened, and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daw_bridge import Separator
from daw_bridge.conversion import process
from daw_bridge.errors import WeightsError
from daw_bridge.weights.importing import import_checkpoint
from tests.conftest import make_noise
from tests.mini_mdx import SHAPE, WINDOW, write_net
from tests.separation.signal_models import install

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = 20_000
PASSAGE = "[passage]\nsamples = {}\n"


def network(repeats: int = 1) -> onnx.ModelProto:
    """Return a network that gives the mixture twice, after it was repeated in time."""
    shape = [1, 2, SAMPLES]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in (("samples", shape), ("signals", [2, *shape]))
    ]
    numbers = {
        "repeats": np.array([1, 1, repeats]),
        "zero": np.array([0]),
        "end": np.array([SAMPLES]),
        "axis": np.array([2]),
    }
    nodes = [
        helper.make_node("Tile", ["samples", "repeats"], ["long"]),
        helper.make_node("Slice", ["long", "zero", "end", "axis"], ["short"]),
        helper.make_node("Unsqueeze", ["short", "zero"], ["one"]),
        helper.make_node("Concat", ["one", "one"], ["signals"], axis=0),
    ]
    arrays = [numpy_helper.from_array(array, name) for name, array in numbers.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_a_network_that_would_take_all_memory_is_not_opened(home: Path) -> None:
    name = install(home, network(1 << 40), "waveform", PASSAGE.format(SAMPLES))
    with pytest.raises(WeightsError, match=r"cannot be run safely: .*Tile.*too much memory"):
        Separator(name, provider="cpu")


def test_a_network_is_inspected_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = install(home, network(), "waveform", PASSAGE.format(SAMPLES))
    with Separator(name, provider="cpu") as separator:
        assert len(separator.separate(make_noise(SAMPLES)).samples) == 2

    def refuse(*_: object) -> None:
        raise WeightsError("It is inspected again.")

    monkeypatch.setattr(process, "inspect_apart", refuse)
    with Separator(name, provider="cpu"):
        pass
    name = install(home, network(2), "waveform", PASSAGE.format(SAMPLES))
    with pytest.raises(WeightsError, match="again"):
        Separator(name, provider="cpu")


def test_networks_of_the_package_are_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise WeightsError("It is inspected.")

    monkeypatch.setattr(process, "inspect_apart", refuse)
    with Separator("bridge-4stems", provider="cpu"):
        pass


def test_a_network_that_is_brought_reads_no_other_file(home: Path) -> None:
    path = write_net(home / "net.onnx", SHAPE, mdx_n_fft_scale_set=str(WINDOW))
    graph = onnx.load(path)
    (gain,) = graph.graph.initializer
    onnx.external_data_helper.set_external_data(gain, "secret")
    gain.ClearField("raw_data")
    (home / "secret").write_bytes(bytes(16))
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(WeightsError, match="to be read from another file"):
        import_checkpoint(str(path))
    assert not list((home / "models").glob("net"))
