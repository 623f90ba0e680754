"""Whether a graph of a stranger's is harmless to run: it ends, and takes memory that is foreseen.

Only operators that compute arrays of known shapes are let through: no loops and branches, no random
numbers, no shapes that depend on what is in an array. So the shapes of all arrays follow from those
of the inputs, and are worked out before anything is run.

A graph can crash what looks at it, so a process of its own does
(:mod:`~daw_bridge.conversion.process`).
"""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import TYPE_CHECKING

import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper, shape_inference

from daw_bridge.conversion.graphs.graph import RUNTIME_OPERATORS
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    Shapes = Mapping[str, tuple[int, ...]]
    """Of a graph's arrays, by their names."""

_FILE_BYTES = (2 << 30) - 1
_NODES = 50_000
_ELEMENTS = 1 << 29
"""Of one array: Hybrid Demucs has 2 ** 27 where it is shown most of a minute."""
_LIVE_ELEMENTS = 1 << 31
"""Of all arrays that are needed at a time."""
_ALL_ELEMENTS = 1 << 38
"""Of all arrays together."""
_ALL_PRODUCTS = 1 << 45
"""That are summed up: some minutes of two cores for each passage; Hybrid Demucs has 2 ** 40."""
_RANK = 8
_SMALL = 4096
"""Elements of what may tell a shape; larger constants are weights."""
_ELEMENTS_PER_BYTE = 2
"""Of the smallest type, int4."""
_ATTRIBUTES = {
    AttributeProto.FLOAT,
    AttributeProto.FLOATS,
    AttributeProto.INT,
    AttributeProto.INTS,
    AttributeProto.STRING,
    AttributeProto.STRINGS,
    AttributeProto.TENSOR,
}
_ARITHMETIC = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor
Cast CastLike Ceil Clip Cos Cosh CumSum Div Equal Erf Exp Floor Greater GreaterOrEqual Identity
IsInf IsNaN Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Round Sign Sin Sinh
Sqrt Sub Sum Tan Where Xor
"""
_ACTIVATIONS = """
Celu Elu Gelu HardSigmoid HardSwish Hardmax LeakyRelu LogSoftmax Mish PRelu Relu Selu Shrink Sigmoid
Softmax Softplus Softsign Swish Tanh ThresholdedRelu
"""
_LAYERS = """
AveragePool BatchNormalization Conv ConvTranspose Dropout GRU Gemm GlobalAveragePool GlobalLpPool
GlobalMaxPool GroupNormalization InstanceNormalization LRN LSTM LayerNormalization LpNormalization
LpPool MatMul MaxPool MeanVarianceNormalization RMSNormalization RNN SimplifiedLayerNormalization
"""
_REDUCTIONS = """
ArgMax ArgMin ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
ReduceProd ReduceSum ReduceSumSquare TopK
"""
_QUANTISED = """
ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul
QuantizeLinear
"""
_PLACES = """
Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements GatherND
OneHot Pad Range Reshape Resize ReverseSequence ScatterElements ScatterND Shape Size Slice
SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze Upsample
"""
_STANDARD = frozenset(
    " ".join((_ARITHMETIC, _ACTIVATIONS, _LAYERS, _REDUCTIONS, _QUANTISED, _PLACES)).split()
)
_FUSED = frozenset(
    ["Gelu", "MultiHeadAttention", "RotaryEmbedding", "SkipSimplifiedLayerNormalization"]
)
"""What ONNX Runtime has beside the standard: each output is shaped like the first input."""
_INTEGER_PRODUCTS = frozenset(["DynamicQuantizeMatMul", "MatMulIntegerToFloat"])
"""What ONNX Runtime has for products of integers that give floats."""
_OPERATORS = {
    "": _STANDARD,
    "ai.onnx": _STANDARD,
    RUNTIME_OPERATORS: _FUSED | _INTEGER_PRODUCTS,  # of our own converters' graphs
}


def read_network(path: Path) -> onnx.ModelProto:
    """Return the graph of an ONNX file, without what it may keep in other files.

    Raises:
        WeightsError: it is none, or larger than one can be.
    """
    if path.stat().st_size > _FILE_BYTES:
        raise WeightsError(f"{path} is larger than 2 GiB, which no ONNX graph is.")
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except (MemoryError, OSError):
        raise
    except Exception as error:  # protobuf's own exceptions share no narrower base
        raise WeightsError(f"{path} is no ONNX graph: {error}.") from error


def inspect_network(path: Path, shapes: Sequence[Sequence[int]]) -> None:
    """Make sure that a network is harmless to run.

    Args:
        path: an ONNX file.
        shapes: of the inputs that it will be given, in its own order; 0 is a length that the graph
            tells.

    Raises:
        WeightsError: it is not; or it is no graph, or takes other inputs.
    """
    check_graph(read_network(path), shapes, str(path))


def check_graph(network: onnx.ModelProto, shapes: Sequence[Sequence[int]], name: str) -> None:
    """Make sure that a graph, which is called so in errors, is harmless to run.

    Args:
        network: the graph; loses its weights and what it says of its arrays' shapes.
        shapes: see :func:`inspect_network`.
        name: what to call it.

    Raises:
        WeightsError: see :func:`inspect_network`.
    """
    try:
        _check_content(network)
        _check_weights(network.graph)
        _check_positions(network.graph)
        _set_inputs(network.graph, shapes)
        shapes_given = _infer_shapes(network)
        _check_size(network.graph, shapes_given)
        _check_memory(network.graph, shapes_given, len(shapes))
        _check_time(network.graph, shapes_given)
    except ValueError as error:
        raise WeightsError(f"{name} cannot be run safely: {error}.") from error


def _check_content(network: onnx.ModelProto) -> None:
    """Raise :class:`ValueError` if a graph can do anything but compute arrays, once each."""
    graph = network.graph
    if network.functions or network.training_info or graph.sparse_initializer:
        raise ValueError("it has functions, a training or sparse arrays of its own")
    if len(graph.node) + len(graph.initializer) > _NODES:
        raise ValueError(f"it has more than {_NODES} nodes and arrays")
    for node in graph.node:
        if node.op_type not in _OPERATORS.get(node.domain, ()):
            operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise ValueError(f"it has the operator {operator[:80]}, which no network here needs")
        if any(attribute.type not in _ATTRIBUTES for attribute in node.attribute):
            raise ValueError(f"{_called(node)} holds a graph")


def _check_positions(graph: onnx.GraphProto) -> None:
    """Raise :class:`ValueError` if a table of rotations may be read where it has nothing.

    Older runtimes look wherever the node's positions say.
    """
    zeros = {
        tensor.name
        for tensor in graph.initializer
        if list(tensor.dims) == [1] and not numpy_helper.to_array(tensor).any()
    }
    for node in graph.node:
        if node.op_type == "RotaryEmbedding" and not zeros.issuperset(node.input[1:2]):
            raise ValueError(f"{_called(node)} does not start at the place 0")


def _check_weights(graph: onnx.GraphProto) -> None:
    """Raise :class:`ValueError` if an array is in another file, or larger than what holds it."""
    attributes = (attribute for node in graph.node for attribute in node.attribute)
    constants = (attribute.t for attribute in attributes if attribute.HasField("t"))
    for tensor in chain(graph.initializer, constants):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError(f"its array {tensor.name[:80]} is to be read from another file")
        size = prod(tensor.dims)
        if min(tensor.dims, default=0) < 0 or size > _ELEMENTS_PER_BYTE * tensor.ByteSize():
            raise ValueError(f"its array {tensor.name[:80]} is larger than what the file holds")


def _set_inputs(graph: onnx.GraphProto, shapes: Sequence[Sequence[int]]) -> None:
    """Say which shapes the inputs have, and forget what the graph says of other arrays.

    Arrays of weights become inputs, as only their shapes count.
    """
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != len(shapes):
        raise ValueError(f"it takes {len(inputs)} inputs, not {len(shapes)}")
    taken = [_taken(value, shape) for value, shape in zip(inputs, shapes, strict=True)]
    large = [tensor for tensor in graph.initializer if prod(tensor.dims) > _SMALL]
    small = [tensor for tensor in graph.initializer if prod(tensor.dims) <= _SMALL]
    taken += [
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in large
    ]
    results = [onnx.ValueInfoProto(name=value.name) for value in graph.output]
    for field in ("input", "output", "initializer", "value_info"):
        graph.ClearField(field)
    graph.input.extend(taken)
    graph.output.extend(results)
    graph.initializer.extend(small)


def _taken(value: onnx.ValueInfoProto, shape: Sequence[int]) -> onnx.ValueInfoProto:
    """Return an input with the shape that it has where it is run."""
    kind = value.type.tensor_type
    if len(kind.shape.dim) != len(shape):
        raise ValueError(
            f"its input {value.name[:80]} has {len(kind.shape.dim)} dimensions, not {len(shape)}"
        )
    lengths = [dim.dim_value or given for dim, given in zip(kind.shape.dim, shape, strict=True)]
    if min(lengths) < 1 or prod(lengths) > _ELEMENTS:
        raise ValueError(f"its input {value.name[:80]} is of the shape {lengths}")
    return helper.make_tensor_value_info(value.name, kind.elem_type, lengths)


def _infer_shapes(network: onnx.ModelProto) -> Shapes:
    """Return the shapes of all arrays that nodes give, as far as they can be told."""
    sketch = onnx.ModelProto()
    sketch.CopyFrom(network)
    stand_ins = list(chain.from_iterable(map(_stand_in, sketch.graph.node)))
    sketch.graph.ClearField("node")
    sketch.graph.node.extend(stand_ins)
    try:
        told = shape_inference.infer_shapes(sketch, strict_mode=True, data_prop=True).graph
    except (RuntimeError, shape_inference.InferenceError) as error:
        reason = str(error).partition("\n")[0][:300]
        raise ValueError(f"its arrays do not fit each other: {reason}") from error
    constants = {tensor.name: tuple(tensor.dims) for tensor in told.initializer}
    return constants | {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim
        )
        for value in chain(told.input, told.value_info, told.output)
        if (kind := value.type.tensor_type).HasField("shape")
    }


def _stand_in(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield nodes whose outputs' shapes can be told, in place of one whose cannot."""
    if node.op_type == "DynamicQuantizeLinear":
        integers, scale, zero = node.output
        yield helper.make_node("Cast", node.input, [integers], to=TensorProto.UINT8)
        yield helper.make_node("ReduceMax", node.input, [scale], keepdims=0)
        yield helper.make_node("Cast", [scale], [zero], to=TensorProto.UINT8)
        return
    if node.domain != RUNTIME_OPERATORS and node.op_type != "SimplifiedLayerNormalization":
        yield node
        return
    if node.op_type in _INTEGER_PRODUCTS:
        floats = [f"{node.output[0]}.factor{place}" for place in range(2)]
        for integers, factor in zip(node.input, floats, strict=False):
            yield helper.make_node("Cast", [integers], [factor], to=TensorProto.FLOAT)
        yield helper.make_node("MatMul", floats, node.output)
        return
    for output in filter(None, node.output):
        yield helper.make_node("Identity", node.input[:1], [output])


def _check_size(graph: onnx.GraphProto, shapes: Shapes) -> None:
    """Raise :class:`ValueError` if an array's shape is not known beforehand, or too large."""
    total = 0
    for node, name in _given(graph):
        shape = shapes.get(name, (-1,))
        if min(shape, default=0) < 0:
            raise ValueError(
                f"how large the output of {_called(node)} gets cannot be told beforehand"
            )
        total += prod(shape)
        if len(shape) > _RANK or prod(shape) > _ELEMENTS or total > _ALL_ELEMENTS:
            raise ValueError(
                f"with the output of {_called(node)}, of the shape"
                f" {shape}, it takes too much memory"
            )


def _check_memory(graph: onnx.GraphProto, shapes: Shapes, inputs: int) -> None:
    """Raise :class:`ValueError` if arrays that are needed at a time are too large together.

    Nodes run about in their order. What does not depend on the graph's first ``inputs`` is worked
    out when it is loaded, and kept.
    """
    last = {name: place for place, node in enumerate(graph.node) for name in node.input}
    moving = {value.name for value in graph.input[:inputs]}
    live = 0
    for place, node in enumerate(graph.node):
        live += sum(prod(shapes[name]) for name in node.output if name)
        if live > _LIVE_ELEMENTS:
            raise ValueError(f"at {_called(node)} it takes too much memory")
        if moving.isdisjoint(node.input):
            continue
        moving.update(node.output)
        over = {name for name in node.input if last[name] == place}
        over |= {name for name in node.output if name not in last}
        live -= sum(prod(shapes[name]) for name in over & moving if name in shapes)


def _check_time(graph: onnx.GraphProto, shapes: Shapes) -> None:
    """Raise :class:`ValueError` if there is more to multiply than takes some minutes."""
    products = 0
    for node in graph.node:
        products += _count_products(node, shapes)
        if products > _ALL_PRODUCTS:
            raise ValueError(f"at {_called(node)} it takes too much time")


def _count_products(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Return about how many products a node sums up."""
    first, second, third = ([*(shapes.get(name, ()) for name in node.input), (), (), ()])[:3]
    count, each = max(prod(shapes.get(name, ())) for name in node.output), 1
    match node.op_type:
        case "Conv" | "ConvInteger":
            each = prod(second[1:])
        case "ConvTranspose":
            count, each = prod(first), prod(second[1:])
        case "MatMul" | "MatMulInteger" | "MatMulIntegerToFloat" | "DynamicQuantizeMatMul" | "Gemm":
            each = max(first, default=1)
        case "LSTM" | "GRU" | "RNN":
            count, each = prod(first[:2]), prod(second) + prod(third)
        case "MultiHeadAttention":
            each = prod((second or first)[1:-1])  # each sequence attends to itself alone
        case "AveragePool" | "MaxPool" | "LpPool":
            each = prod(prod(attribute.ints) for attribute in node.attribute if attribute.ints)
        case "QLinearConv" | "QLinearMatMul":
            each = prod(shapes.get(node.input[3], ()))
    return count * each


def _called(node: onnx.NodeProto) -> str:
    return f"its node {node.name[:80]} ({node.op_type})"


def _given(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    """Yield each node with each of its outputs that it gives."""
    return ((node, name) for node in graph.node for name in node.output if name)
