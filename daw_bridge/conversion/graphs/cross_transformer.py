"""The transformer between the branches of Demucs's hybrid networks.

S. Rouard, F. Massa and A. Défossez, "Hybrid transformers for music source separation", ICASSP 2023;
layers as in transformer.py of the package demucs 4.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.conversion.graphs.graph import RUNTIME_OPERATORS
from daw_bridge.conversion.graphs.layers import Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.layers import Layers

_NAME = "crosstransformer"


@dataclass(frozen=True)
class Attention:
    """What a transformer's arrays do not tell.

    Attributes:
        heads: of every attention.
        gelu: the activation of its dense layers is GELU, else ReLU.
        max_period: the longest wavelength of its position embeddings, in positions over 2π.
        position_weight: how strong they are.
    """

    heads: int
    gelu: bool
    max_period: float
    position_weight: float


def add_transformer(
    layers: Layers, spectrum: Value, signal: Value, attention: Attention
) -> tuple[Value, Value]:
    """Let each branch attend to itself and, in turn, to the other.

    Args:
        layers: of the network.
        spectrum: (1, channels, bins, time_frames).
        signal: (1, channels, frames).
        attention: the transformer's settings.

    Returns:
        both, of the same shapes.
    """
    _, channels, bins, frames = spectrum.shape
    period, weight = attention.max_period, np.float32(attention.position_weight)
    rows = layers.reshape(layers.transpose(spectrum, 0, 3, 2, 1), (1, -1, channels))
    rows = _enter(layers, rows, "norm_in", weight * embed_grid(frames, bins, channels, period))
    rows_t = layers.transpose(signal, 0, 2, 1)
    times = embed_line(signal.shape[2], channels, period)
    rows_t = _enter(layers, rows_t, "norm_in_t", weight * times)
    for number in takewhile(lambda n: layers.has(f"{_NAME}.layers.{n}.norm1.weight"), count()):
        before = rows
        rows = _attend(layers, rows, rows_t, f"{_NAME}.layers.{number}", attention)
        rows_t = _attend(layers, rows_t, before, f"{_NAME}.layers_t.{number}", attention)
    grid = layers.reshape(rows, (1, frames, bins, channels))
    return layers.transpose(grid, 0, 3, 2, 1), layers.transpose(rows_t, 0, 2, 1)


def embed_line(length: int, width: int, max_period: float) -> NDArray[np.float32]:
    """Return embeddings of positions: float32 (length, width), cosines before sines.

    Phases are rounded to single precision, as when the networks were trained: at position 1,000
    that makes 0.0001 of a difference.
    """
    places = np.arange(length, dtype=np.float32)[:, np.newaxis]
    half = width // 2
    periods = np.float32(max_period) ** (np.arange(half, dtype=np.float32) / np.float32(half - 1))
    phase = places / periods
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1)


def embed_grid(frames: int, bins: int, width: int, max_period: float) -> NDArray[np.float32]:
    """Return embeddings of times and frequencies: float32 (time_frames · bins, width).

    The first half of a row is of the time, the second of the frequency; sines and cosines
    alternate.
    """
    half = width // 2
    slowness = np.float32(-np.log(max_period) / half)
    rates = np.exp(np.arange(0, half, 2, dtype=np.float32) * slowness)

    def embed(length: int) -> NDArray[np.float32]:
        """Return embeddings of the positions on one axis: (length, width / 2)."""
        phase = np.arange(length, dtype=np.float32)[:, np.newaxis] * rates
        return np.stack([np.sin(phase), np.cos(phase)], axis=2).reshape(length, half)

    times = np.repeat(embed(frames), bins, axis=0)
    return np.concatenate([times, np.tile(embed(bins), (frames, 1))], axis=1)


def _enter(layers: Layers, rows: Value, norm: str, positions: NDArray[np.float32]) -> Value:
    """Normalise (1, rows, channels) and add the embeddings (rows, channels)."""
    rows = _layer_norm(layers, rows, f"{_NAME}.{norm}")
    return layers.apply("Add", rows, layers.constant(positions))


def _attend(layers: Layers, rows: Value, others: Value, layer: str, attention: Attention) -> Value:
    """Add a layer of attention, self or cross, and its dense layers: (1, rows, channels) all.

    Args:
        layers: of the network.
        rows: the branch's own.
        others: the other branch's, to which a cross layer attends; there may be more or fewer.
        layer: its name.
        attention: the transformer's settings.
    """
    queries = _layer_norm(layers, rows, f"{layer}.norm1")
    keys, name, last_norm = queries, "self_attn", "norm2"
    if layers.has(f"{layer}.cross_attn.in_proj_weight"):
        keys, name, last_norm = _layer_norm(layers, others, f"{layer}.norm2"), "cross_attn", "norm3"
    attended = _multi_head(layers, queries, keys, f"{layer}.{name}", attention.heads)
    rows = _residual(layers, rows, attended, f"{layer}.{name}.out_proj", f"{layer}.gamma_1")
    hidden = layers.dense(_layer_norm(layers, rows, f"{layer}.{last_norm}"), f"{layer}.linear1")
    hidden = layers.gelu(hidden) if attention.gelu else layers.apply("Relu", hidden)
    rows = _residual(layers, rows, hidden, f"{layer}.linear2", f"{layer}.gamma_2")
    if layers.has(f"{layer}.norm_out.weight"):
        rows = layers.scale(layers.normalise(rows), f"{layer}.norm_out", (-1,))
    return rows


def _multi_head(layers: Layers, queries: Value, keys: Value, layer: str, heads: int) -> Value:
    """Add attention without its last dense layer, which never holds all pairs of rows at a time.

    Queries and keys are (1, rows, channels), of different rows; the queries' shape is returned.
    """
    kernels = np.split(layers.graph.array(f"{layers.scope}{layer}.in_proj_weight"), 3)
    seen = [
        layers.matmul(rows, layers.stored(kernel.T))
        for rows, kernel in zip((queries, keys, keys), kernels, strict=True)
    ]
    inputs = [*seen, layers.constant(layers.array(f"{layer}.in_proj_bias"))]
    name = layers.graph.add(
        "MultiHeadAttention",
        [value.name for value in inputs],
        num_heads=heads,
        domain=RUNTIME_OPERATORS,
    )
    return Value(name, queries.shape)


def _residual(layers: Layers, rows: Value, change: Value, dense: str, gain: str) -> Value:
    """Add a dense layer of a change (1, rows, features) to (1, rows, channels)."""
    return layers.apply("Add", rows, layers.dense(change, dense, gain=f"{gain}.scale"))


def _layer_norm(layers: Layers, rows: Value, norm: str) -> Value:
    """Normalise each row: (1, rows, channels) → the same shape."""
    weights = (layers.constant(layers.array(f"{norm}.{name}")) for name in ("weight", "bias"))
    return layers.apply("LayerNormalization", rows, *weights)
