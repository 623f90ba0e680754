"""The matrix products of a network in eight bits, which processors sum up several times as fast.

A product of rows (…, inputs) and a kernel (inputs, outputs) that does not change becomes one of
integers: each column of the kernel has a scale of its own, and what comes in has one scale, found
anew each time. Nodes that take the same rows share what these become. A bias that is added is added
in the same node.

:func:`gauge` tells what each product would lose by it; :func:`quantise` does it.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.conversion.graphs.graph import RUNTIME_OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

GAUGES = "product_gauges"
"""What a gauged network gives beside its own outputs: float32 (3 · products), for each product the
energy of what it gives, that of what is lost in eight bits, and how many numbers are multiplied."""
_LEAST_SIDE = 16
"""Of a kernel: to make rows integers takes longer than a smaller product does."""
_LARGEST = 127
_UINT8_OUTPUTS = ("bytes", "scale", "zero")


class Kernel(NamedTuple):
    """A kernel in eight bits: ``integers`` (inputs, outputs), times ``scales`` (outputs,)."""

    integers: NDArray[np.int8]
    scales: NDArray[np.float32]


class Product(NamedTuple):
    """A product that can be one of integers.

    Attributes:
        name: that of its output, before a bias is added.
        rows: the name of what comes in.
        kernel: the name of the kernel.
        bias: the name of what is added; empty: nothing.
        output: the name of what it gives, with the bias.
    """

    name: str
    rows: str
    kernel: str
    bias: str
    output: str


def quantise_kernel(kernel: NDArray[Any]) -> Kernel:
    """Return a kernel of floats (inputs, outputs) in eight bits; rounding is to even."""
    largest = np.abs(kernel).max(axis=0).astype(np.float32)
    scales = np.where(largest > 0, largest / np.float32(_LARGEST), np.float32(1))
    integers = np.clip(np.rint(kernel / scales), -_LARGEST, _LARGEST).astype(np.int8)
    return Kernel(integers, scales)


def find_products(network: onnx.ModelProto) -> list[str]:
    """Return the names of the products of a network that can be ones of integers, in its order."""
    return [product.name for product in _Source(network.graph).products]


def quantise(network: onnx.ModelProto, left: Collection[str] = ()) -> None:
    """Make products of a network, which is changed, ones of integers.

    Args:
        network: any graph.
        left: the names of products that stay as they are.
    """
    source = _Source(network.graph)
    taken = [product for product in source.products if product.name not in left]
    over = {product.name for product in taken} | {product.output for product in taken}
    by_name = {product.name: product for product in taken}
    target = _Target(source)
    for node in network.graph.node:
        product = by_name.get(node.output[0])
        if product:
            target.multiply(product, bias=product.bias, output=product.output)
        elif over.isdisjoint(node.output):
            target.nodes.append(node)
    _replace(network, target)


def gauge(network: onnx.ModelProto) -> list[str]:
    """Have a network, which is changed, tell what its products would lose in eight bits.

    It gives what it gave before, and :data:`GAUGES`.

    Returns:
        the names of the products.
    """
    source = _Source(network.graph)
    by_name = {product.name: product for product in source.products}
    target = _Target(source)
    gauges: list[str] = []
    for node in network.graph.node:
        target.nodes.append(node)
        if product := by_name.get(node.output[0]):
            gauges += target.compare(product)
    if gauges:
        target.add("Concat", gauges, GAUGES, axis=0)
        shape = [len(gauges)]
        told = helper.make_tensor_value_info(GAUGES, TensorProto.FLOAT, shape)
        network.graph.output.append(told)
    _replace(network, target)
    return list(by_name)


class _Source:
    """A graph, and what in it does not change."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._nodes = graph.node
        self._outputs = {value.name for value in graph.output}
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}

    @cached_property
    def products(self) -> list[Product]:
        """The products that can be ones of integers, in the graph's order."""
        uses = Counter(name for node in self._nodes for name in node.input)
        takers = {name: node for node in self._nodes for name in node.input}
        products = []
        for node in self._nodes:
            if node.domain or node.op_type != "MatMul" or not self._is_worthwhile(*node.input):
                continue
            (name,) = node.output
            is_inner = uses[name] == 1 and name not in self._outputs
            bias, output = self._bias(takers[name], name) if is_inner else ("", name)
            products.append(Product(name, node.input[0], node.input[1], bias, output))
        return products

    def array(self, name: str) -> NDArray[Any] | None:
        """Return an array of any shape that does not change; None if it does."""
        if name in self._stored:
            return numpy_helper.to_array(self._stored[name])
        maker = self._makers.get(name)
        work_out = _CONSTANT.get(maker.op_type) if maker and not maker.domain else None
        if maker is None or work_out is None:
            return None
        arrays = [self.array(each) for each in maker.input]
        attributes = {each.name: helper.get_attribute_value(each) for each in maker.attribute}
        known = [array for array in arrays if array is not None]
        return work_out(known, attributes) if len(known) == len(arrays) else None

    def _is_worthwhile(self, rows: str, kernel: str) -> bool:
        if self.array(rows) is not None:
            return False
        array = self.array(kernel)
        return array is not None and array.ndim == 2 and min(array.shape) >= _LEAST_SIDE

    def _bias(self, node: onnx.NodeProto, product: str) -> tuple[str, str]:
        """Return the bias that a node adds to a product, and what then is its output."""
        others = [name for name in node.input if name != product]
        array = self.array(others[0]) if node.op_type == "Add" and len(others) == 1 else None
        kernel = self.array(self._makers[product].input[1])
        if array is None or kernel is None or array.shape != kernel.shape[1:]:
            return "", product
        return others[0], node.output[0]


_CONSTANT: Mapping[str, Callable[[Sequence[NDArray[Any]], Mapping[str, Any]], NDArray[Any]]] = {
    "Cast": lambda arrays, told: arrays[0].astype(helper.tensor_dtype_to_np_dtype(told["to"])),
    "Identity": lambda arrays, _: arrays[0],
    "Mul": lambda arrays, _: arrays[0] * arrays[1],
    "Transpose": lambda arrays, told: arrays[0].transpose(told.get("perm")),
}
"""What makes a kernel of arrays that are stored, in the graphs of converters."""


class _Target:
    """The nodes and arrays that a graph gets."""

    def __init__(self, source: _Source) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: dict[str, onnx.TensorProto] = {}
        self._source = source
        self._quantised: dict[str, list[str]] = {}

    def add(
        self, operator: str, inputs: Sequence[str], *outputs: str, domain: str = "", **more: Any
    ) -> str:
        """Add a node and return the name of its first output."""
        name = outputs[0]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, domain=domain, **more))
        return name

    def multiply(self, product: Product, *, bias: str, output: str) -> str:
        """Add a product of integers, which gives floats, and return the name of its output."""
        rows, scale, zero = self._rows(product.rows)
        kernel, scales = self._kernel(product.kernel)
        inputs = [rows, kernel, scale, scales, zero]
        if bias:
            inputs += ["", self._keep(f"{bias}.added", self._array(bias).astype(np.float32))]
        return self.add("MatMulIntegerToFloat", inputs, output, domain=RUNTIME_OPERATORS)

    def compare(self, product: Product) -> Iterator[str]:
        """Add the energy of a product, that of its loss, and its cost; yield their names."""
        name = product.name
        made = self.multiply(product, bias="", output=f"{name}.in_integers")
        loss = self.add("Sub", [name, made], f"{name}.loss")
        for signal in (name, loss):
            energy = self.add("ReduceSumSquare", [signal], f"{signal}.energy", keepdims=0)
            yield self._one(energy)
        count = self.add("Size", [name], f"{name}.size")
        floats = self.add("Cast", [count], f"{name}.count", to=TensorProto.FLOAT)
        inputs = np.array(self._array(product.kernel).shape[:1], np.float32)
        each = self._keep(f"{name}.inputs", inputs)
        yield self.add("Mul", [floats, each], f"{name}.cost")

    def _one(self, number: str) -> str:
        """Make a vector of a number."""
        axis = self._keep("gauges.axis", np.zeros(1, np.int64))
        return self.add("Unsqueeze", [number, axis], f"{number}.vector")

    def _rows(self, name: str) -> list[str]:
        if name not in self._quantised:
            self._quantised[name] = [f"{name}.{each}" for each in _UINT8_OUTPUTS]
            self.add("DynamicQuantizeLinear", [name], *self._quantised[name])
        return self._quantised[name]

    def _kernel(self, name: str) -> list[str]:
        names = [f"{name}.integers", f"{name}.scales"]
        if names[0] not in self.arrays:
            kernel = quantise_kernel(self._array(name))
            self._keep(names[0], kernel.integers)
            self._keep(names[1], kernel.scales)
        return names

    def _array(self, name: str) -> NDArray[Any]:
        array = self._source.array(name)
        if array is None:
            raise ValueError(f"{name} is not the same each time")
        return array

    def _keep(self, name: str, array: NDArray[Any]) -> str:
        if name not in self.arrays:
            self.arrays[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name


def _replace(network: onnx.ModelProto, target: _Target) -> None:
    """Give a network its new nodes and arrays, and drop those that nothing needs any more."""
    graph = network.graph
    needed = {value.name for value in graph.output}
    nodes = []
    for node in reversed(target.nodes):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            nodes.append(node)
    tensors = [*graph.initializer, *target.arrays.values()]
    kept = [tensor for tensor in tensors if tensor.name in needed]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(nodes)]
    for field in ("node", "initializer", "value_info"):
        graph.ClearField(field)
    graph.node.extend(copies)
    graph.initializer.extend(kept)
    if all(opset.domain != RUNTIME_OPERATORS for opset in network.opset_import):
        network.opset_import.append(helper.make_opsetid(RUNTIME_OPERATORS, 1))
