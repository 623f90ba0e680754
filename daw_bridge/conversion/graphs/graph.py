"""Nodes and constants → an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]
    """A network's arrays by name, as ``encoder1.kernel``, ``decoder6.gamma`` or ``output.bias``.
    Kernels of U-Nets are in ONNX's order, (filters, channels, time_frames, bins) or, transposed,
    (channels, filters, time_frames, bins); all else of theirs is (filters,)."""
    Arrays = Mapping[str, NDArray[Any]]
    """A network's arrays as a checkpoint has them: of any shape and precision, by its names."""
    Shape = Sequence[str | int]
    """Of an input or output: a dimension that is free has a name."""

MAGNITUDES = "magnitudes"
RUNTIME_OPERATORS = "com.microsoft"
"""The domain of the operators that ONNX Runtime has beside ONNX's own."""
_MASKS = "masks"
_OPSET = 17
_IR_VERSION = 8
_KERNEL_DIMENSIONS = 4


class GraphBuilder:
    """Collects nodes and constants; each node has one output, named after its place.

    Args:
        weights: the arrays that :meth:`weights` finds by name.
        half: store kernels as float16, which halves the file. The runtime makes them float32 when
            it loads the graph, so nothing else changes. Vectors, the variances among them that may
            be too small or too large for float16, stay as they are. Arrays that are float16 already
            are stored so in any case.
    """

    def __init__(self, weights: Weights, *, half: bool = False) -> None:
        self._weights = weights
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._unnamed: dict[tuple[object, ...], str] = {}
        self._used: set[str] = set()
        self._shared: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._weights

    def has_scope(self, scope: str) -> bool:
        """Return whether the names of any weights begin so."""
        return any(name.startswith(scope) for name in self._weights)

    @property
    def unused(self) -> list[str]:
        """The names of the weights that no layer has asked for."""
        return [name for name in self._weights if name not in self._used]

    def unnamed(self, value: NDArray[Any]) -> str:
        """Add an array of any shape that has no name of its own, once."""
        key = (value.dtype, value.shape, value.tobytes())
        if key not in self._unnamed:
            self._unnamed[key] = self.constant(f"constant{len(self._constants)}", value)
        return self._unnamed[key]

    def shared(self, name: str, value: NDArray[Any]) -> str:
        """Add an array of any shape the first time that one of its name comes."""
        if name in self._shared:
            return name
        self._shared.add(name)
        return self.constant(name, value)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an array of any shape and return the name to use it by.

        Raises:
            WeightsError: a kernel is too large for float16.
        """
        if value.dtype != np.float16 and not (self._half and value.ndim == _KERNEL_DIMENSIONS):
            self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
            return name
        if np.abs(value).max() > np.finfo(np.float16).max:
            raise WeightsError(f"{name} is too large for half precision.")
        stored = np.ascontiguousarray(value, np.float16)
        self._constants.append(numpy_helper.from_array(stored, f"{name}.half"))
        return self.add("Cast", [f"{name}.half"], output=name, to=TensorProto.FLOAT)

    def array(self, name: str) -> NDArray[np.float32]:
        """Return a weight, of any shape and of the precision that it has.

        Raises:
            WeightsError: there is none of this name.
        """
        if name not in self._weights:
            raise WeightsError(f"The network lacks {name}.")
        self._used.add(name)
        return self._weights[name]

    def weights(self, layer: str, *arrays: str) -> list[str]:
        """Add some of a layer's weights and return the names to use them by."""
        names = [f"{layer}.{array}" for array in arrays]
        return [self.constant(name, self.array(name)) for name in names]

    def add(
        self, operator: str, inputs: Sequence[str], *, output: str = "", **attributes: Any
    ) -> str:
        """Add a node and return the name of its output."""
        output = output or f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def add_several(
        self, operator: str, inputs: Sequence[str], wanted: Sequence[bool], **attributes: Any
    ) -> list[str]:
        """Add a node of several outputs and return the names of those that are wanted."""
        name = f"{operator.lower()}{len(self._nodes)}"
        outputs = [f"{name}.{n}" if is_wanted else "" for n, is_wanted in enumerate(wanted)]
        self._nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return [output for output in outputs if output]

    def reshape(self, signal: str, shape: Sequence[int]) -> str:
        """Reshape (…) → shape; 0 keeps the dimension at its place, -1 takes what is left."""
        name = f"shape{len(self._nodes)}"
        return self.add("Reshape", [signal, self.constant(name, np.array(shape))])

    def slice(self, signal: str, axis: int, start: int, end: int) -> str:
        """Take a part of an axis: (…, size, …) → (…, end - start, …)."""
        bounds = {"start": start, "end": end, "axis": axis}
        names = [
            self.constant(f"{name}{len(self._nodes)}", np.array([at]))
            for name, at in bounds.items()
        ]
        return self.add("Slice", [signal, *names])

    def mask_model(
        self, masks: Sequence[str], *, channels: int, metadata: Mapping[str, str] | None = None
    ) -> onnx.ModelProto:
        """Return the graph of a network from magnitudes to masks.

        Its input ``magnitudes`` is float32 (1, channels, time_frames, bins), and so is each of
        ``masks``; its output ``masks`` is float32 (stems, 1, channels, time_frames, bins).
        """
        axis = self.constant("mask.axis", np.zeros(1, np.int64))
        stems = [self.add("Unsqueeze", [mask, axis]) for mask in masks]
        self.add("Concat", stems, output=_MASKS, axis=0)
        shape = (1, channels, "time_frames", "bins")
        return self.model({MAGNITUDES: shape}, {_MASKS: (len(masks), *shape)}, metadata)

    def model(
        self,
        inputs: Mapping[str, Shape],
        outputs: Mapping[str, Shape],
        metadata: Mapping[str, str] | None = None,
    ) -> onnx.ModelProto:
        """Return the graph of a network.

        Args:
            inputs: the shapes of the float32 arrays that it takes, by their names.
            outputs: the shapes of those that it gives, by the names of the nodes' outputs.
            metadata: what the file tells of itself.
        """
        sources, targets = (
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in values.items()
            ]
            for values in (inputs, outputs)
        )
        graph = helper.make_graph(self._nodes, "network", sources, targets, self._constants)
        domains = {"": _OPSET} | {node.domain: 1 for node in self._nodes if node.domain}
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        helper.set_model_props(model, dict(metadata or {}))
        return model
