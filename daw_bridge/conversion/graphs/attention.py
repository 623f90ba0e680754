"""What transformers are made of, as the fused nodes that ONNX Runtime has for it.

Rows are (sequences, rows, features): each sequence is attended to by itself. Attention never holds
all pairs of rows at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.conversion.graphs.graph import RUNTIME_OPERATORS
from daw_bridge.conversion.graphs.layers import Value
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.layers import Layers

_RMS_EPSILON = 1e-24
"""Added to a mean square, where references bound the norm by 1e-12 from below."""


class Rotation(NamedTuple):
    """By which angles the pairs of numbers of a head are turned at each place of a sequence.

    Both are of the shape (rows, features of a head / 2).
    """

    cosines: Value
    sines: Value


def project(layers: Layers, rows: Value, layer: str, part: slice = slice(None)) -> Value:
    """Multiply rows (…, features) by a layer's kernel, or by a part of its filters.

    Raises:
        WeightsError: the kernel is for rows of other lengths.
    """
    name = f"{layers.scope}{layer}.weight"
    kernel = layers.graph.array(name)[part].T
    if kernel.ndim != 2 or kernel.shape[0] != rows.shape[-1]:
        raise WeightsError(f"{name} does not fit what it is to be multiplied with.")
    place = "" if part == slice(None) else f"[{part.start}:{part.stop}]"
    stored = Value(layers.graph.shared(f"{name}{place}", kernel), kernel.shape)
    return layers.matmul(rows, stored)


def dense(layers: Layers, rows: Value, layer: str) -> Value:
    """Multiply rows (…, features) by a layer's kernel and add its bias.

    Raises:
        WeightsError: the kernel is for rows of other lengths.
    """
    product = project(layers, rows, layer)
    return layers.apply("Add", product, _vector(layers, f"{layer}.bias", product.shape[-1]))


def rms_norm(layers: Layers, rows: Value, gain: str) -> Value:
    """Bring the mean square of each row (…, features) to 1, then multiply by gains.

    Raises:
        WeightsError: there are more or fewer gains.
    """
    gains = _vector(layers, gain, rows.shape[-1])
    name = layers.graph.add(
        "SimplifiedLayerNormalization", [rows.name, gains.name], axis=-1, epsilon=_RMS_EPSILON
    )
    return Value(name, rows.shape)


def add_and_norm(layers: Layers, rows: Value, change: Value, gain: str) -> tuple[Value, Value]:
    """Add a change to rows (…, features); return the sum, normalised, and the sum itself.

    Raises:
        WeightsError: there are more or fewer gains.
    """
    gains = _vector(layers, gain, rows.shape[-1])
    normed, total = layers.graph.add_several(
        "SkipSimplifiedLayerNormalization",
        [change.name, rows.name, gains.name],
        [True, False, False, True],
        domain=RUNTIME_OPERATORS,
        epsilon=_RMS_EPSILON,
    )
    return Value(normed, rows.shape), Value(total, rows.shape)


def gelu(layers: Layers, x: Value) -> Value:
    """Add the exact GELU of (…)."""
    return Value(layers.graph.add("Gelu", [x.name], domain=RUNTIME_OPERATORS), x.shape)


def make_rotation(layers: Layers, rates: NDArray[np.float32], rows: int) -> Rotation:
    """Return how much each place turns, by angles from one row to the next, (…).

    Phases are rounded to single precision, as when networks were trained.
    """
    phases = np.arange(rows, dtype=np.float32)[:, np.newaxis] * rates
    return Rotation(layers.constant(np.cos(phases)), layers.constant(np.sin(phases)))


def rotate(layers: Layers, rows: Value, rotation: Rotation, heads: int) -> Value:
    """Turn pairs of (sequences, rows, features) by an angle that grows along the sequence."""
    start = layers.stored(np.zeros(1, np.int64))
    inputs = [rows, start, *rotation]
    name = layers.graph.add(
        "RotaryEmbedding",
        [value.name for value in inputs],
        domain=RUNTIME_OPERATORS,
        interleaved=1,
        num_heads=heads,
        rotary_embedding_dim=2 * rotation.cosines.shape[1],
    )
    return Value(name, rows.shape)


def attend(layers: Layers, queries: Value, keys: Value, values: Value, *, heads: int) -> Value:
    """Add attention of several heads: (sequences, rows, heads · features) all."""
    inputs = [queries.name, keys.name, values.name]
    name = layers.graph.add("MultiHeadAttention", inputs, domain=RUNTIME_OPERATORS, num_heads=heads)
    return Value(name, queries.shape)


def weigh_heads(layers: Layers, rows: Value, weights: Value) -> Value:
    """Multiply each head of (sequences, rows, heads · features) by (sequences, rows, heads)."""
    *outer, heads = weights.shape
    parts = layers.reshape(rows, (*outer, heads, -1))
    weighed = layers.apply("Mul", parts, layers.reshape(weights, (*outer, heads, 1)))
    return layers.reshape(weighed, rows.shape)


def _vector(layers: Layers, name: str, length: int) -> Value:
    """Return an array of the network, (features,)."""
    vector = layers.array(name)
    if vector.shape != (length,):
        raise WeightsError(f"{layers.scope}{name} has not {length} numbers, as it should.")
    return layers.constant(vector)
