"""The residual branches of Demucs's layers: dilated convolutions over time in few channels.

A. Défossez, "Hybrid spectrogram and waveform source separation", MDX Workshop at ISMIR 2021; layers
as in demucs.py of the package demucs 4.0.1.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.conversion.graphs.layers import Value
from daw_bridge.conversion.graphs.recurrent import add_lstm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.layers import Layers

_STEPS = 200
"""What is longer is cut into overlapping pieces before it comes to a recurrent layer."""
_HEADS = 4
_UNSEEN = -100
"""The score of a time for itself."""


def add_dconv(layers: Layers, x: Value, name: str) -> Value:
    """Add the branches that a network has under a name, if any.

    Args:
        layers: of the network.
        x: (b, channels, frames), or (1, channels, bins, time_frames), whose bins become a batch.
        name: of the branches.

    Returns:
        the same shape.
    """
    branches = [
        f"{name}.layers.{number}"
        for number in takewhile(lambda n: layers.has(f"{name}.layers.{n}.0.weight"), count())
    ]
    if len(x.shape) == 4 and branches:
        turned = layers.transpose(x, 0, 2, 1, 3)
        rows = add_dconv(layers, layers.reshape(turned, turned.shape[1:]), name)
        return layers.transpose(layers.reshape(rows, turned.shape), 0, 2, 1, 3)
    for number, branch in enumerate(branches):
        inner = layers.convolve(x, f"{branch}.0", dilation=2**number)
        inner = layers.gelu(layers.group_norm(inner, f"{branch}.1", 1))
        at = 3
        if layers.has(f"{branch}.{at}.linear.weight"):
            inner, at = _remember(layers, inner, f"{branch}.{at}"), at + 1
        if layers.has(f"{branch}.{at}.content.weight"):
            inner, at = _attend(layers, inner, f"{branch}.{at}"), at + 1
        names = [f"{branch}.{at + place}" for place in (0, 1, 3)]
        x = layers.apply("Add", x, _widen(layers, inner, *names))
    return x


def _remember(layers: Layers, x: Value, name: str) -> Value:
    """Add a recurrent layer: (b, channels, frames) → the same shape.

    What is long is cut into pieces, whose middles are put together.
    """
    batch, channels, length = x.shape
    if length <= _STEPS:
        rows = layers.transpose(x, 2, 0, 1)
        return layers.apply("Add", x, layers.transpose(_run(layers, rows, name), 1, 2, 0))
    stride, edge = _STEPS // 2, _STEPS // 4
    cuts = -(-length // stride)
    filled = layers.join(x, layers.full(0, (batch, channels, (cuts + 1) * stride - length)), axis=2)
    halves = (
        layers.reshape(layers.crop(filled, 2, start, cuts * stride), (batch, channels, cuts, -1))
        for start in (0, stride)
    )
    steps = layers.transpose(layers.join(*halves, axis=3), 3, 0, 2, 1)
    rows = _run(layers, layers.reshape(steps, (_STEPS, batch * cuts, channels)), name)
    pieces = layers.transpose(layers.reshape(rows, steps.shape), 1, 3, 2, 0)
    head = layers.crop(layers.crop(pieces, 2, 0, 1), 3, 0, edge)
    middles = layers.crop(pieces, 3, edge, stride)
    joined = layers.join(
        *(layers.reshape(part, (batch, channels, -1)) for part in (head, middles)), axis=2
    )
    return layers.apply("Add", x, layers.crop(joined, 2, 0, length))


def _run(layers: Layers, rows: Value, name: str) -> Value:
    """Add the layers of an LSTM and a dense one: (steps, b, channels) → the same shape."""
    lstm = f"{layers.scope}{name}.lstm"
    size = 2 * rows.shape[2]
    states = Value(add_lstm(layers.graph, rows.name, lstm, layers=2), (*rows.shape[:2], size))
    return layers.dense(states, f"{name}.linear")


def _attend(layers: Layers, x: Value, name: str) -> Value:
    """Add attention that fades with the distance in time: (b, channels, frames) → the same shape.

    Each query tells how fast.
    """
    batch, _, length = x.shape
    queries, keys, content, decays = (
        layers.reshape(layers.convolve(x, f"{name}.{part}"), (batch, _HEADS, -1, length))
        for part in ("query", "key", "content", "query_decay")
    )
    rates = decays.shape[2]
    slopes = layers.constant(np.arange(1, rates + 1) / (2 * rates**0.5))
    fading = layers.matmul(
        layers.transpose(layers.apply("Sigmoid", decays), 0, 1, 3, 2),
        layers.reshape(slopes, (rates, 1)),
    )
    times = np.arange(length)
    far = layers.apply("Sub", layers.constant(times[:, np.newaxis]), layers.constant(times))
    far = layers.apply("Abs", far)
    scale = layers.constant(keys.shape[2] ** -0.5)
    likeness = layers.matmul(
        layers.transpose(layers.apply("Mul", queries, scale), 0, 1, 3, 2), keys
    )
    scores = layers.apply("Sub", likeness, layers.apply("Mul", fading, far))
    itself = layers.apply("Equal", far, layers.constant(0))
    scores = layers.apply("Where", itself, layers.constant(_UNSEEN), scores)
    seen = layers.matmul(
        layers.apply("Softmax", scores, axis=-1), layers.transpose(content, 0, 1, 3, 2)
    )
    merged = layers.reshape(layers.transpose(seen, 0, 1, 3, 2), x.shape)
    return layers.apply("Add", x, layers.convolve(merged, f"{name}.proj"))


def _widen(layers: Layers, x: Value, convolution: str, norm: str, scale: str) -> Value:
    """Add what ends a branch: a convolution of width 1, a normalisation, the gate and a gain.

    The branch so far is (b, inputs, frames), its end (b, channels, frames).

    Mean and variance of the convolution's many outputs follow from the means and covariances of its
    few inputs. So the normalisation becomes part of the convolution, and outputs are written once.
    """
    kernel = layers.array(f"{convolution}.weight")[:, :, 0]  # (2 · channels, inputs)
    bias, weight, shift, gain = (
        layers.array(name)[:, np.newaxis]
        for name in (f"{convolution}.bias", f"{norm}.weight", f"{norm}.bias", f"{scale}.scale")
    )
    gains = np.concatenate([gain, np.ones_like(gain)])  # the gate has none
    means = layers.mean(x, 2)
    around = layers.apply("Sub", x, means)
    levels = layers.apply(
        "Add", layers.matmul(layers.constant(kernel), means), layers.constant(bias)
    )
    between = layers.apply("Sub", levels, layers.mean(levels, 1))
    root = _deviation(layers, around, between, kernel)

    kernels = layers.apply("Div", layers.constant(gains * weight * kernel), root)
    scaled = layers.apply(
        "Mul", layers.apply("Div", between, root), layers.constant(gains * weight)
    )
    shifts = layers.apply("Add", scaled, layers.constant(gains * shift))
    rows = layers.join(kernels, shifts, axis=2)
    seen = layers.join(around, layers.full(1, (x.shape[0], 1, x.shape[2])), axis=1)
    signal, gate = (
        layers.matmul(layers.crop(rows, 1, start, len(gain)), seen) for start in (0, len(gain))
    )
    return layers.apply("Mul", signal, layers.apply("Sigmoid", gate))


def _deviation(layers: Layers, around: Value, between: Value, kernel: NDArray[np.float32]) -> Value:
    """Return the deviation of all that a kernel makes of its inputs: (b, 1, 1).

    Args:
        layers: of the network.
        around: the inputs less their means: (b, inputs, frames).
        between: by how much each output's mean differs from the mean of all: (b, outputs, 1).
        kernel: (outputs, inputs).
    """
    products = layers.matmul(around, layers.transpose(around, 0, 2, 1))
    covariances = layers.apply("Div", products, layers.constant(around.shape[2]))
    weighted = layers.matmul(layers.constant(kernel), covariances)
    terms = layers.apply("Mul", weighted, layers.constant(kernel * len(kernel[0])))
    squares = layers.apply("Mul", between, between)
    return layers.root(layers.mean(layers.apply("Add", layers.mean(terms, 2), squares), 1))
