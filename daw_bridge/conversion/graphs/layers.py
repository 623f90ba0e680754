"""The layers that the networks of Demucs share, named as in the package demucs 4.0.1."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from daw_bridge.conversion.graphs.graph import GraphBuilder

_NORM_EPSILON = 1e-5
_KERNEL_AND_BIAS = ("weight", "bias")
_SEEN = ("mean", "var")


class Value(NamedTuple):
    """The name and the shape of what a node gives.

    A signal is (b, channels, frames), a spectrum (b, channels, bins, time_frames).
    """

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Layers:
    """Adds layers of one network to a graph.

    Attributes:
        graph: knows the network's arrays.
        scope: how their names begin there.
    """

    graph: GraphBuilder
    scope: str = ""

    def has(self, array: str) -> bool:
        """Return whether the network has an array, which tells whether it has a layer."""
        return self.scope + array in self.graph

    def array(self, name: str) -> NDArray[np.float32]:
        """Return an array of the network, of any shape, in single precision."""
        return self.graph.array(self.scope + name).astype(np.float32)

    def stored(self, array: NDArray[Any]) -> Value:
        """Add a constant of any shape, of the precision that it has."""
        return Value(self.graph.unnamed(array), array.shape)

    def constant(self, value: ArrayLike) -> Value:
        """Add a constant of any shape, in single precision."""
        return self.stored(np.asarray(value, np.float32))

    def full(self, level: float, shape: tuple[int, ...]) -> Value:
        """Add a constant of any shape that is the same everywhere."""
        size = self.graph.unnamed(np.array(shape))
        return Value(self.graph.add("Expand", [self.constant(level).name, size]), shape)

    def apply(self, operator: str, *values: Value, **attributes: Any) -> Value:
        """Add an operator on values of any shape, which it broadcasts."""
        name = self.graph.add(operator, [value.name for value in values], **attributes)
        return Value(name, np.broadcast_shapes(*(value.shape for value in values)))

    def matmul(self, left: Value, right: Value) -> Value:
        """Multiply matrices, which may be stacked: (…, rows, n) · (…, n, m) → (…, rows, m).

        Raises:
            ValueError: they do not fit.
        """
        if left.shape[-1] != right.shape[-2]:
            raise ValueError(f"what is of shape {left.shape} does not multiply {right.shape}")
        stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        name = self.graph.add("MatMul", [left.name, right.name])
        return Value(name, (*stack, left.shape[-2], right.shape[-1]))

    def mean(self, x: Value, axis: int) -> Value:
        """Average over an axis, which stays: (…, size, …) → (…, 1, …)."""
        name = self.graph.add("ReduceMean", [x.name], axes=[axis])
        return Value(name, tuple(1 if at == axis else size for at, size in enumerate(x.shape)))

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Reshape (…) → shape; one dimension may be -1.

        Raises:
            ValueError: the sizes do not fit.
        """
        rest = prod(x.shape) // -prod(shape)
        whole = tuple(rest if size < 0 else size for size in shape)
        if prod(whole) != prod(x.shape):
            raise ValueError(f"what is of shape {x.shape} cannot be of shape {tuple(shape)}")
        return Value(self.graph.reshape(x.name, whole), whole)

    def transpose(self, x: Value, *order: int) -> Value:
        """Reorder dimensions: (…) → (…), in which dimension ``order[n]`` becomes the n-th."""
        name = self.graph.add("Transpose", [x.name], perm=order)
        return Value(name, tuple(x.shape[axis] for axis in order))

    def join(self, *values: Value, axis: int) -> Value:
        """Concatenate along an axis: (…, size, …) each → (…, sum of sizes, …)."""
        name = self.graph.add("Concat", [value.name for value in values], axis=axis)
        size = sum(value.shape[axis] for value in values)
        first = values[0].shape
        return Value(name, (*first[:axis], size, *first[axis + 1 :]))

    def crop(self, x: Value, axis: int, start: int, length: int) -> Value:
        """Keep a part of an axis: (…, size, …) → (…, length, …)."""
        bounds = (self.graph.unnamed(np.array([at])) for at in (start, start + length, axis))
        name = self.graph.add("Slice", [x.name, *bounds])
        return Value(name, (*x.shape[:axis], length, *x.shape[axis + 1 :]))

    def split(self, x: Value, axis: int, lengths: Sequence[int]) -> list[Value]:
        """Cut an axis into parts of these lengths: (…, size, …) → (…, length, …) each."""
        sizes = self.graph.unnamed(np.array(lengths))
        names = self.graph.add_several("Split", [x.name, sizes], [True] * len(lengths), axis=axis)
        return [
            Value(name, (*x.shape[:axis], length, *x.shape[axis + 1 :]))
            for name, length in zip(names, lengths, strict=True)
        ]

    def convolve(self, x: Value, layer: str, *, dilation: int = 1, has_bias: bool = True) -> Value:
        """Add a convolution: (b, channels, frames or bins, …) → (b, filters, the same, …)."""
        outputs, inputs, *sizes = self.graph.array(f"{self.scope}{layer}.weight").shape
        check_width(layer, inputs, x)
        pads = [dilation * (size // 2) for size in sizes]
        attributes: dict[str, Any] = {"pads": [*pads, *pads], "dilations": [dilation] * len(sizes)}
        arrays = _KERNEL_AND_BIAS[: 1 + has_bias]
        weights = self.graph.weights(self.scope + layer, *arrays)
        name = self.graph.add("Conv", [x.name, *weights], **attributes)
        return Value(name, (x.shape[0], outputs, *x.shape[2:]))

    def convolve_parts(self, x: Value, layer: str, parts: Sequence[slice]) -> list[Value]:
        """Add a convolution for each of some parts of a layer's filters.

        (b, channels, frames or bins, …) → (b, filters of the part, the same, …) each.
        """
        arrays = [self.graph.array(f"{self.scope}{layer}.{name}") for name in ("weight", "bias")]
        _, inputs, *sizes = arrays[0].shape
        check_width(layer, inputs, x)
        pads = [size // 2 for size in sizes]
        made = []
        for part in parts:
            kernel, bias = (self.stored(array[part]) for array in arrays)
            name = self.graph.add("Conv", [x.name, kernel.name, bias.name], pads=[*pads, *pads])
            made.append(Value(name, (x.shape[0], kernel.shape[0], *x.shape[2:])))
        return made

    def downsample(self, x: Value, layer: str, stride: int, pads: tuple[int, int]) -> Value:
        """Add a convolution with a stride over the first axis behind the channels.

        (b, channels, frames or bins, …) → (b, filters, about 1 / stride as many, …).
        """
        outputs, inputs, size, *others = self.array(f"{layer}.weight").shape
        check_width(layer, inputs, x)
        attributes = _strided(stride, pads, len(others))
        name = self.graph.add("Conv", [x.name, *self._weights(layer)], **attributes)
        length = (x.shape[2] + sum(pads) - size) // stride + 1
        return Value(name, (x.shape[0], outputs, length, *x.shape[3:]))

    def upsample(self, x: Value, layer: str, stride: int, crop: tuple[int, int]) -> Value:
        """Add the reverse of :meth:`downsample`, less what is cut off at both ends.

        (b, channels, frames or bins, …) → (b, filters, about stride times as many, …).
        """
        inputs, outputs, size, *others = self.array(f"{layer}.weight").shape
        check_width(layer, inputs, x)
        attributes = _strided(stride, crop, len(others))
        name = self.graph.add("ConvTranspose", [x.name, *self._weights(layer)], **attributes)
        length = (x.shape[2] - 1) * stride + size - sum(crop)
        return Value(name, (x.shape[0], outputs, length, *x.shape[3:]))

    def dense(self, rows: Value, layer: str, *, gain: str = "") -> Value:
        """Add a dense layer (…, features) → (…, filters), times their gains if there are any."""
        kernel = self.stored(self.graph.array(f"{self.scope}{layer}.weight").T)
        bias = self.constant(self.array(f"{layer}.bias"))
        if self.has(gain):
            each = self.constant(self.array(gain))
            kernel, bias = self.apply("Mul", kernel, each), self.apply("Mul", bias, each)
        return self.apply("Add", self.matmul(rows, kernel), bias)

    def group_norm(self, x: Value, layer: str, groups: int) -> Value:
        """Normalise groups of channels, then scale each: (b, channels, …) → the same shape."""
        flat = self.reshape(x, (x.shape[0], groups, -1, x.shape[-1]))
        even = self.reshape(self.normalise(flat), x.shape)
        return self.scale(even, layer, (-1, *[1] * (len(x.shape) - 2)))

    def instance_norm(self, x: Value, layer: str) -> Value:
        """Normalise each channel, then scale it: (1, channels, …) → the same shape."""
        name = self.graph.add(
            "InstanceNormalization", [x.name, *self._norm(layer)], epsilon=_NORM_EPSILON
        )
        return Value(name, x.shape)

    def batch_norm(self, x: Value, layer: str) -> Value:
        """Scale each channel by what was seen in training: (b, channels, …) → the same shape."""
        seen = (self.constant(self.array(f"{layer}.running_{name}")).name for name in _SEEN)
        name = self.graph.add(
            "BatchNormalization", [x.name, *self._norm(layer), *seen], epsilon=_NORM_EPSILON
        )
        return Value(name, x.shape)

    def normalise(self, x: Value) -> Value:
        """Bring the last two axes of (…) to a mean of 0 and a variance of 1.

        The runtime's own reductions over both at a time, and its normalisations, add up in single
        precision one by one: over millions that makes an error of -76 dB.
        """
        last = len(x.shape) - 1

        def average(y: Value) -> Value:
            return self.mean(self.mean(y, last), last - 1)

        around = self.apply("Sub", x, average(x))
        variance = average(self.apply("Mul", around, around))
        return self.apply("Div", around, self.root(variance))

    def root(self, variance: Value, epsilon: float = _NORM_EPSILON) -> Value:
        """Return the root of a variance (…), to which ``epsilon`` is added."""
        return self.apply("Sqrt", self.apply("Add", variance, self.constant(epsilon)))

    def scale(self, x: Value, layer: str, shape: Sequence[int]) -> Value:
        """Multiply (…) by a layer's weight and add its bias, both brought to ``shape``."""
        weight, bias = (
            self.constant(self.array(f"{layer}.{name}").reshape(shape))
            for name in ("weight", "bias")
        )
        return self.apply("Add", self.apply("Mul", x, weight), bias)

    def gelu(self, x: Value) -> Value:
        """Add the exact GELU of (…), in the form that the runtime fuses."""
        curve = self.apply("Erf", self.apply("Div", x, self.constant(2**0.5)))
        shifted = self.apply("Add", curve, self.constant(1))
        return self.apply("Mul", self.apply("Mul", x, shifted), self.constant(0.5))

    def glu(self, x: Value) -> Value:
        """Multiply half of the channels by the sigmoid of the rest: (b, 2 · channels, …) → half."""
        half = x.shape[1] // 2
        signal, gate = (self.crop(x, 1, start, half) for start in (0, half))
        return self.apply("Mul", signal, self.apply("Sigmoid", gate))

    def _weights(self, layer: str) -> list[str]:
        return self.graph.weights(self.scope + layer, *_KERNEL_AND_BIAS)

    def _norm(self, layer: str) -> list[str]:
        """Add the gains and shifts of a normalisation, in single precision."""
        return [self.constant(self.array(f"{layer}.{name}")).name for name in _KERNEL_AND_BIAS]


def check_width(layer: str, channels: int, x: Value) -> None:
    """Raise :class:`ValueError` unless a layer takes the channels of a value (b, channels, …)."""
    if x.shape[1] != channels:
        raise ValueError(f"{layer} takes {channels} channels, not {x.shape[1]}")


def _strided(stride: int, pads: tuple[int, int], others: int) -> dict[str, Any]:
    """Return the attributes of a layer that leaves all axes but the first as they are."""
    still = [0] * others
    return {"strides": [stride, *[1] * others], "pads": [pads[0], *still, pads[1], *still]}
