"""Graphs that never end, take all memory or read other files are told before they are run."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.conversion import inspection
from daw_bridge.conversion.graphs.graph import RUNTIME_OPERATORS
from daw_bridge.conversion.inspection import inspect_network
from daw_bridge.errors import WeightsError
from daw_bridge.library.models import load_manifest
from daw_bridge.library.places import find_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SHAPE = (1, 4, 64, 32)
HUGE = np.array([1 << 20, 1 << 20, 1, 1])
Nodes = list[onnx.NodeProto]


def node(operator: str, *inputs: str, output: str = "output", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


def graph(
    nodes: Nodes, arrays: Mapping[str, np.ndarray] | None = None, **more: Any
) -> onnx.ModelProto:
    """Return a network from ``input`` to ``output``."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *SHAPE[1:]])
        for name in ("input", "output")
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in (arrays or {}).items()]
    made = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], **more)


def inspect(
    network: onnx.ModelProto, folder: Path, shapes: Sequence[Sequence[int]] = (SHAPE,)
) -> None:
    path = folder / "network.onnx"
    path.write_bytes(network.SerializeToString())
    inspect_network(path, shapes)


def loop() -> onnx.ModelProto:
    """Return a network that adds 1 for ``2 ** 60`` times."""
    kinds = {"i": TensorProto.INT64, "more": TensorProto.BOOL, "x": TensorProto.FLOAT}
    ends = {name: helper.make_tensor_value_info(name, kind, []) for name, kind in kinds.items()}
    results = [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    body = helper.make_graph(
        [node("Identity", "more", output="on"), node("Add", "x", "x", output="y")],
        "body",
        list(ends.values()),
        results,
    )
    rounds, true = np.array(1 << 60), np.array(True)
    turned = node("Loop", "rounds", "true", "input", body=body)
    return graph([turned], {"rounds": rounds, "true": true})


def external() -> onnx.ModelProto:
    network = graph([node("Mul", "input", "gain")], {"gain": np.ones(SHAPE, np.float32)})
    (tensor,) = network.graph.initializer
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    return network


def hollow() -> onnx.ModelProto:
    """Return a network whose array is said to be larger than it is."""
    network = graph([node("Mul", "input", "gain")], {"gain": np.ones(4, np.float32)})
    network.graph.initializer[0].dims[:] = [1 << 40]
    return network


def recursive() -> onnx.ModelProto:
    network = graph([node("Again", "input", domain="own")])
    network.functions.append(
        helper.make_function(
            "own",
            "Again",
            ["input"],
            ["output"],
            [node("Again", "input", domain="own")],
            [helper.make_opsetid("own", 1)],
        )
    )
    return network


def lying() -> onnx.ModelProto:
    """Return a network that says of an array of unknown size that it is small."""
    nodes = [
        node("Cast", "input", output="whole", to=TensorProto.INT64),
        node("Reshape", "whole", "all", output="sizes"),
        node("Slice", "sizes", "zero", "four", output="shape"),
        node("ConstantOfShape", "shape"),
    ]
    numbers = {name: np.array([value]) for name, value in (("all", -1), ("zero", 0), ("four", 4))}
    return graph(nodes, numbers)


def fused(operator: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return node(operator, *inputs, domain=RUNTIME_OPERATORS, **attributes)


def attending(first_place: int = 0) -> onnx.ModelProto:
    """Return a network of the fused nodes that transformers of ours have, (64, 32) each."""
    nodes = [
        node("Reshape", "input", "flat", output="rows"),
        node("SimplifiedLayerNormalization", "rows", "gains", output="normed", axis=-1),
        fused("RotaryEmbedding", "normed", "places", "table", "table", output="turned"),
        fused("MultiHeadAttention", "turned", "turned", "turned", output="seen", num_heads=2),
        helper.make_node(
            "SkipSimplifiedLayerNormalization",
            ["seen", "rows", "gains"],
            ["again", "", "", "sum"],
            domain=RUNTIME_OPERATORS,
        ),
        fused("Gelu", "again", output="curved"),
        node("Add", "curved", "sum", output="added"),
        node("Reshape", "added", "whole"),
    ]
    arrays = {
        "flat": np.array([4, 64, 32]),
        "whole": np.array(SHAPE),
        "gains": np.ones(32, np.float32),
        "places": np.array([first_place]),
        "table": np.ones((64, 8), np.float32),
    }
    return graph(nodes, arrays)


def deep(nodes: int) -> onnx.ModelProto:
    names = ["input", *(f"x{number}" for number in range(nodes - 1)), "output"]
    return graph([node("Neg", a, output=b) for a, b in pairwise(names)])


def shaped(operator: str, shape: np.ndarray, **attributes: Any) -> onnx.ModelProto:
    return graph([node(operator, "input", "shape", **attributes)], {"shape": shape})


HOSTILE = {
    "loop": (loop(), "the operator Loop"),
    "custom": (graph([node("Own", "input", domain="own")]), r"the operator own\.Own"),
    "recursive": (recursive(), "functions"),
    "external": (external(), "read from another file"),
    "hollow": (hollow(), "larger than what the file holds"),
    "random": (graph([node("RandomNormal", shape=[1 << 20, 1 << 20])]), "RandomNormal"),
    "data-dependent": (lying(), "cannot be told beforehand"),
    "expand": (shaped("Expand", np.array([1 << 40, *SHAPE])), "too much memory"),
    "tile": (shaped("Tile", HUGE), "too much memory"),
    "pad": (shaped("Pad", np.array([0, 0, 0, 0, 0, 0, 0, 1 << 40])), "too much memory"),
    "constant": (
        graph([node("ConstantOfShape", "shape")], {"shape": HUGE}), "too much memory"
    ),
    "range": (
        graph(
            [node("Range", "zero", "end", "one")],
            {"zero": np.array(0), "end": np.array(1 << 40), "one": np.array(1)},
        ),
        "too much memory",
    ),
    "resize": (
        graph(
            [node("Resize", "input", "", "scales")],
            {"scales": np.array([1, 1, 1e6, 1e6], np.float32)},
        ),
        "too much memory",
    ),
    "convolution": (
        graph(
            [node("Conv", "input", "kernel", pads=[1 << 20] * 4)],
            {"kernel": np.ones((4, 4, 1, 1), np.float32)},
        ),
        "too much memory",
    ),
    "ranks": (
        graph([node("Unsqueeze", "input", "axes")], {"axes": np.arange(8)}),
        "too much memory",
    ),
    "places": (attending(1 << 40), "RotaryEmbedding. does not start at the place 0"),
    "nodes": (deep(60_000), "more than 50000 nodes"),
    "misfit": (shaped("Add", np.ones((1, 4, 64, 31), np.float32)), "do not fit each other"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_may_do_harm_is_refused(name: str, tmp_path: Path) -> None:
    network, complaint = HOSTILE[name]
    with pytest.raises(WeightsError, match=f"network.onnx cannot be run safely: .*{complaint}"):
        inspect(network, tmp_path)


LARGE = {"large": np.array([1 << 12, 4, 64, 1 << 7])}  # 2 ** 27 elements


def test_constants_take_too_much_together(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", "large", output=f"x{number}") for number in range(20)]
    with pytest.raises(WeightsError, match="too much memory"):
        inspect(graph([*nodes, node("Neg", "input")], LARGE), tmp_path)


def widened(count: int, *, in_turn: bool) -> onnx.ModelProto:
    """Return a network that repeats its input, many times at once or one time after the other."""
    pairs = [
        [
            node("Tile", "input", "large", output=f"wide{number}"),
            node("ReduceMax", f"wide{number}", output=f"peak{number}"),
        ]
        for number in range(count)
    ]
    if in_turn:
        ordered = [each for pair in pairs for each in pair]
    else:
        ordered = [each for column in zip(*pairs, strict=True) for each in column]
    peaks = [f"peak{number}" for number in range(count)]
    return graph(
        [*ordered, node("Sum", "input", *peaks)], {"large": np.array([1 << 6, 1, 1, 1 << 8])}
    )


def test_arrays_take_too_much_where_they_are_needed_at_once(tmp_path: Path) -> None:
    inspect(widened(20, in_turn=True), tmp_path)
    with pytest.raises(WeightsError, match="too much memory"):
        inspect(widened(20, in_turn=False), tmp_path)
    with pytest.raises(WeightsError, match="too much memory"):
        inspect(widened(2100, in_turn=True), tmp_path)


def test_products_take_too_much_time_together(tmp_path: Path) -> None:
    arrays = {"tall": np.array([1, 1, 1 << 7, 1 << 9])}
    nodes = [
        node("Tile", "input", "tall", output="a"),  # (1, 4, 2 ** 13, 2 ** 14)
        node("Transpose", "a", output="b", perm=[0, 1, 3, 2]),
        *(node("MatMul", "a", "b", output=f"x{number}") for number in range(8)),
        node("Neg", "input"),
    ]
    with pytest.raises(WeightsError, match="too much time"):
        inspect(graph(nodes, arrays), tmp_path)


def test_sequences_attend_to_themselves_alone(tmp_path: Path) -> None:
    inspect(attending(), tmp_path)
    nodes = [
        node("Reshape", "input", "flat", output="rows"),
        node("Tile", "rows", "often", output="long"),
        *(
            fused("MultiHeadAttention", "long", "long", "long", output=f"x{number}", num_heads=1)
            for number in range(8)
        ),
        node("Neg", "input"),
    ]
    often = np.array([1, 1 << 14, 1])
    inspect(graph(nodes, {"flat": np.array([256, 1, 32]), "often": often}), tmp_path)
    with pytest.raises(WeightsError, match="too much time"):
        inspect(graph(nodes, {"flat": np.array([1, 256, 32]), "often": often}), tmp_path)


@pytest.mark.parametrize("operator", ["DynamicQuantizeMatMul", "MatMulIntegerToFloat"])
def test_products_of_integers_are_known(
    operator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def multiplied(outputs: int) -> onnx.ModelProto:
        arrays: dict[str, np.ndarray] = {
            "kernel": np.zeros((SHAPE[-1], outputs), np.int8),
            "scales": np.ones(outputs, np.float32),
        }
        nodes, inputs = [], ["input", "kernel", "scales"]
        if operator == "MatMulIntegerToFloat":
            nodes.append(
                helper.make_node("DynamicQuantizeLinear", ["input"], ["x", "scale", "zero"])
            )
            inputs = ["x", "kernel", "scale", "scales", "zero"]
        nodes.append(node(operator, *inputs, domain="com.microsoft"))
        network = graph(nodes, arrays)
        network.opset_import.append(helper.make_opsetid("com.microsoft", 1))
        return network

    inspect(multiplied(48), tmp_path)
    broken = multiplied(48)
    broken.graph.initializer[0].dims[:] = [48, SHAPE[-1]]
    with pytest.raises(WeightsError, match="do not fit each other"):
        inspect(broken, tmp_path)
    monkeypatch.setattr(inspection, "_ALL_PRODUCTS", prod(SHAPE) * 48 - 1)
    with pytest.raises(WeightsError, match="too much time"):
        inspect(multiplied(48), tmp_path)


def test_shapes_that_follow_from_the_input_are_known(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "input", output="shape"),
        node("Gather", "shape", "places", output="first"),
        node("Concat", "first", "rest", output="flat", axis=0),
        node("Reshape", "input", "flat", output="reshaped"),
        node("Reshape", "reshaped", "shape"),
    ]
    arrays = {"places": np.array([0, 1]), "rest": np.array([-1])}
    inspect(graph(nodes, arrays), tmp_path)


@pytest.mark.parametrize("shapes", [[], [SHAPE, SHAPE], [(1, 4, 64)], [(1 << 20, 4, 64, 32)]])
def test_other_inputs_than_the_networks_are_refused(
    shapes: list[tuple[int, ...]], tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"takes 1 inputs|dimensions, not 3|is of the shape"):
        inspect(graph([node("Neg", "input")]), tmp_path, shapes)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="is no ONNX graph"):
        inspect_network(tmp_path / "network.onnx", [SHAPE])
    with (tmp_path / "network.onnx").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(WeightsError, match="larger than 2 GiB"):
        inspect_network(tmp_path / "network.onnx", [SHAPE])


@pytest.mark.parametrize("model", ["bridge-4stems", "bridge-5stems"])
def test_networks_that_are_shipped_are_harmless(model: str) -> None:
    for network in load_manifest(model).committed:
        inspect_network(find_model(model).with_name(network.file), [(1, 2, 512, 1536)])
