"""Small networks of MDX-Net's signature, honest ones and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TOLD = {"mdx_n_fft_scale_set": "6144", "primary_stem": "Vocals"}
LEFT = numpy_helper.from_array(np.array([1, 1, 0, 0], np.float32).reshape(1, 4, 1, 1), "left")
_SHAPE = ("batch", 4, 2048, 64)


def write_network(
    path: Path,
    nodes: Sequence[NodeProto] = (helper.make_node("Mul", ["input", "left"], ["output"]),),
    constants: Sequence[TensorProto] = (LEFT,),
    *,
    shape: Sequence[str | int] = _SHAPE,
    told: Mapping[str, str] = TOLD,
) -> Path:
    """Write a network; unless told otherwise, it keeps the left channel."""
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
        for name in ("input", "output")
    ]
    graph = helper.make_graph(list(nodes), "mdx", values[:1], values[1:], list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(told))
    path.write_bytes(model.SerializeToString())
    return path


def integers(name: str, *values: int) -> TensorProto:
    """Return a constant: a list of integers, or one alone."""
    return numpy_helper.from_array(np.array(values if len(values) > 1 else values[0]), name)


def endless() -> tuple[list[NodeProto], list[TensorProto]]:
    """Return a loop of 2^60 rounds."""
    floats, flag = TensorProto.FLOAT, TensorProto.BOOL
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["again"], ["on"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("again", flag, []),
            helper.make_tensor_value_info("before", floats, None),
        ],
        [
            helper.make_tensor_value_info("on", flag, []),
            helper.make_tensor_value_info("after", floats, None),
        ],
    )
    node = helper.make_node("Loop", ["rounds", "yes", "input"], ["output"], body=body)
    yes = numpy_helper.from_array(np.array(True), "yes")
    return [node], [integers("rounds", 1 << 60), yes]


def vast(operator: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """Return nodes that make a tensor of 2^40 numbers of nothing."""
    making = {
        "ConstantOfShape": helper.make_node("ConstantOfShape", ["shape"], ["all"]),
        "Expand": helper.make_node("Expand", ["one", "shape"], ["all"]),
        "Tile": helper.make_node("Tile", ["ones", "shape"], ["all"]),
        "RandomNormal": helper.make_node("RandomNormal", [], ["all"], shape=[1 << 20, 1 << 20]),
    }
    one = np.ones((), np.float32)
    constants = [
        numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "shape"),
        numpy_helper.from_array(one, "one"),
        numpy_helper.from_array(one.reshape(1, 1), "ones"),
    ]
    total = helper.make_node("ReduceSum", ["all"], ["sum"], keepdims=0)
    return [
        making[operator],
        total,
        helper.make_node("Mul", ["input", "sum"], ["output"]),
    ], constants


def elsewhere(location: str) -> TensorProto:
    """Return the constant of a network whose numbers lie in another file."""
    tensor = TensorProto(name="left", data_type=TensorProto.FLOAT, dims=[1, 4, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor
