"""Products in eight bits are what numpy makes of them, and tell what they lose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.conversion.child import NETWORK
from daw_bridge.conversion.process import quantise_apart
from daw_bridge.conversion.quantisation import find_products, gauge, quantise, quantise_kernel
from daw_bridge.errors import WeightsError
from daw_bridge.separation.runtime import OnnxGraph
from tests.conftest import level_db

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS, INPUTS, OUTPUTS = 50, 64, 48


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def with_outliers(array: np.ndarray) -> np.ndarray:
    """Return weights as training leaves them: a few are many times as large as the others."""
    is_outlier = np.random.default_rng(9).random(array.shape) < 0.002
    return np.where(is_outlier, 12 * array, array).astype(np.float32)


def network(
    nodes: Sequence[onnx.NodeProto], arrays: dict[str, np.ndarray], outputs: int = OUTPUTS
) -> onnx.ModelProto:
    """Return a network from ``x`` (rows, inputs) to ``y`` (rows, outputs)."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, size])
        for name, size in (("x", INPUTS), ("y", outputs))
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def node(operator: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def dense() -> onnx.ModelProto:
    """Return a product whose kernel is stored in half precision, times gains, and a bias."""
    nodes = [
        node("Cast", "half", "single", to=TensorProto.FLOAT),
        node("Mul", "single gains", "kernel"),
        node("MatMul", "x kernel", "product"),
        node("Add", "product bias", "y"),
    ]
    return network(
        nodes, {"half": kernel_of().astype(np.float16), "gains": gains(), "bias": bias()}
    )


def kernel_of() -> np.ndarray:
    return with_outliers(random(INPUTS, OUTPUTS, seed=1))


def gains() -> np.ndarray:
    return 1 + random(OUTPUTS, seed=2) ** 2


def bias() -> np.ndarray:
    return random(OUTPUTS, seed=3)


def three_of_the_same() -> onnx.ModelProto:
    """Return three products of the same rows, two by the same kernel, one of them thin."""
    nodes = [
        node("MatMul", "x a", "first"),
        node("MatMul", "x b", "second"),
        node("MatMul", "x b", "third"),
        node("MatMul", "x thin", "narrow"),
        node("ReduceSum", "narrow", "sums", keepdims=1),
        node("Sum", "first second third sums", "y"),
    ]
    arrays = {
        "a": random(INPUTS, OUTPUTS, seed=4),
        "b": random(INPUTS, OUTPUTS, seed=5),
        "thin": random(INPUTS, 8, seed=6),
    }
    return network(nodes, arrays)


def run(model: onnx.ModelProto, folder: Path, rows: np.ndarray, **more: Any) -> list[np.ndarray]:
    path = folder / "run.onnx"
    onnx.save(model, path)
    return OnnxGraph(path, provider="cpu", threads=1, **more).run(rows)


def in_eight_bits(rows: np.ndarray) -> np.ndarray:
    """Return rows after they were integers from 0 to 255, as ONNX defines it."""
    least, most = min(rows.min(), 0.0), max(rows.max(), 0.0)
    scale = np.float32((most - least) / 255)
    zero = np.clip(np.rint(-least / scale), 0, 255)
    return (np.clip(np.rint(rows / scale) + zero, 0, 255) - zero) * scale


def operators(model: onnx.ModelProto) -> list[str]:
    return [each.op_type for each in model.graph.node]


def test_columns_of_kernels_have_scales_of_their_own() -> None:
    kernel = np.array([[1, 100, 0], [-2, 50, 0]], np.float32)
    integers, scales = quantise_kernel(kernel)
    np.testing.assert_array_equal(integers, [[64, 127, 0], [-127, 64, 0]])
    np.testing.assert_allclose(scales, [2 / 127, 100 / 127, 1], rtol=1e-6)


def test_a_product_is_what_numpy_makes_of_it(tmp_path: Path) -> None:
    model, rows = dense(), random(ROWS, INPUTS)
    quantise(model)
    assert operators(model) == ["DynamicQuantizeLinear", "MatMulIntegerToFloat"]
    kernel = kernel_of().astype(np.float16).astype(np.float32) * gains()
    integers, scales = quantise_kernel(kernel)
    wanted = in_eight_bits(rows) @ (integers * scales) + bias()
    (given,) = run(model, tmp_path, rows)
    assert level_db(given - wanted, wanted) <= -120
    (exact,) = run(dense(), tmp_path, rows)
    assert -50 < level_db(given - exact, exact) <= -30


def test_the_same_rows_and_kernels_become_integers_once() -> None:
    model = three_of_the_same()
    assert find_products(model) == ["first", "second", "third"]
    quantise(model)
    assert operators(model).count("DynamicQuantizeLinear") == 1
    assert operators(model).count("MatMulIntegerToFloat") == 3
    assert operators(model).count("MatMul") == 1
    assert sorted(each.name for each in model.graph.initializer) == [
        "a.integers", "a.scales", "b.integers", "b.scales", "thin",
    ]  # fmt: skip


def test_products_that_are_left_stay_as_they_are(tmp_path: Path) -> None:
    model, rows = three_of_the_same(), random(ROWS, INPUTS)
    quantise(model, ["first", "second", "third"])
    np.testing.assert_array_equal(
        run(model, tmp_path, rows), run(three_of_the_same(), tmp_path, rows)
    )
    model = three_of_the_same()
    quantise(model, ["second"])
    assert operators(model).count("MatMulIntegerToFloat") == 2
    assert {each.name for each in model.graph.initializer} >= {"b", "b.integers"}


def test_the_name_of_a_product_is_that_before_its_bias() -> None:
    model = dense()
    assert find_products(model) == ["product"]
    quantise(model, ["product"])
    assert operators(model) == ["Cast", "Mul", "MatMul", "Add"]


def test_what_changes_is_no_kernel() -> None:
    model = network([node("Transpose", "x", "turned"), node("MatMul", "x turned", "y")], {}, ROWS)
    assert find_products(model) == []
    quantise(model)
    assert operators(model) == ["Transpose", "MatMul"]


def test_a_gauged_network_tells_what_each_product_loses(tmp_path: Path) -> None:
    model, rows = three_of_the_same(), random(ROWS, INPUTS)
    assert gauge(model) == ["first", "second", "third"]
    given, gauges = run(model, tmp_path, rows, measured=True)
    np.testing.assert_array_equal(given, run(three_of_the_same(), tmp_path, rows)[0])
    for seed, (signal, lost, cost) in zip((4, 5, 5), gauges.reshape(3, 3), strict=True):
        kernel = random(INPUTS, OUTPUTS, seed=seed)
        integers, scales = quantise_kernel(kernel)
        wanted = rows @ kernel
        loss = in_eight_bits(rows) @ (integers * scales) - wanted
        np.testing.assert_allclose([signal, lost], [np.sum(wanted**2), np.sum(loss**2)], rtol=1e-3)
        assert cost == ROWS * INPUTS * OUTPUTS


def test_a_process_of_its_own_makes_the_same_bytes_each_time(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    onnx.save(dense(), source)
    made = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        assert quantise_apart(source, folder=folder, left=()) == ("product",)
        made.append((folder / NETWORK).read_bytes())
    assert made[0] == made[1]


def test_what_is_no_network_is_a_sentence(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    source.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match=r"source\.onnx is no ONNX graph"):
        quantise_apart(source, folder=tmp_path, left=None)
