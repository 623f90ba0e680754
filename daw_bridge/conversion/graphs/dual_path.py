"""What SCNet has between its encoder and decoder: layers along frequencies and times, in turn.

Every second pair of layers sees frequencies of the changes over time in place of time frames; there
are twice as many channels, the transform's real parts before its imaginary ones.

W. Tong, J. Zhu, J. Chen and others, "SCNet: sparse compression network for music source
separation", ICASSP 2024; layers named as in separation.py of the authors' starrytong/SCNet.
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

_NAME = "separation_net.dp_modules"


def add_dual_path(layers: Layers, x: Value) -> Value:
    """Add all pairs of layers: (1, channels, bins, time_frames) → the same shape.

    Values between are (bins, time_frames, channels), as a layer along frequencies takes them: steps
    before what it does alike.

    Raises:
        ValueError: pairs or time frames are of an odd number.
    """
    _, channels, bins, frames = x.shape
    pairs = list(takewhile(lambda n: layers.has(f"{_NAME}.{n}.norm_layers.0.weight"), count()))
    if len(pairs) % 2 or frames % 2:
        raise ValueError(f"{len(pairs)} layers and {frames} time frames are not both even")
    rows = layers.transpose(layers.reshape(x, x.shape[1:]), 1, 2, 0)
    for number in pairs:
        along_times = _add_pair(layers, rows, f"{_NAME}.{number}")
        turn = _to_samples if number % 2 else _to_frequencies
        rows = layers.transpose(turn(layers, along_times), 1, 0, 2)
    return layers.reshape(layers.transpose(rows, 2, 0, 1), (1, channels, bins, frames))


def _add_pair(layers: Layers, rows: Value, name: str) -> Value:
    """Add a layer along frequencies, then one along times, each beside what it sees.

    (bins, time_frames, channels) → (time_frames, bins, channels).
    """
    rows = layers.apply("Add", rows, _run(layers, rows, name, 0))
    rows = layers.transpose(rows, 1, 0, 2)
    return layers.apply("Add", rows, _run(layers, rows, name, 1))


def _run(layers: Layers, rows: Value, name: str, place: int) -> Value:
    """Normalise all rows, and add an LSTM and a dense layer: (steps, b, channels) → the same."""
    even = layers.reshape(layers.normalise(layers.reshape(rows, (-1, rows.shape[2]))), rows.shape)
    seen = layers.scale(even, f"{name}.norm_layers.{place}", (-1,))
    lstm = f"{layers.scope}{name}.lstm_layers.{place}"
    if layers.graph.array(f"{lstm}0.kernel").shape[2] != rows.shape[2]:
        raise ValueError(f"{lstm} does not take {rows.shape[2]} channels")
    states = add_lstm(layers.graph, seen.name, lstm, layers=1)
    width = layers.array(f"{name}.linear_layers.{place}.weight").shape[1]
    return layers.dense(Value(states, (*rows.shape[:2], width)), f"{name}.linear_layers.{place}")


def _to_frequencies(layers: Layers, rows: Value) -> Value:
    """Transform: (time_frames, bins, channels) → (time_frames / 2 + 1, bins, 2 · channels)."""
    frames, bins, channels = rows.shape
    kernel = layers.constant(_transform(frames))
    parts = layers.matmul(kernel, layers.reshape(rows, (frames, bins * channels)))
    split = layers.reshape(parts, (2, -1, bins, channels))
    return layers.reshape(layers.transpose(split, 1, 2, 0, 3), (-1, bins, 2 * channels))


def _to_samples(layers: Layers, rows: Value) -> Value:
    """Undo :func:`_to_frequencies`: (time_frames / 2 + 1, bins, 2 · channels) → half."""
    frequencies, bins, channels = rows.shape
    split = layers.reshape(rows, (frequencies, bins, 2, channels // 2))
    parts = layers.reshape(layers.transpose(split, 2, 0, 1, 3), (2 * frequencies, -1))
    kernel = layers.constant(_inverse(2 * (frequencies - 1)))
    return layers.reshape(layers.matmul(kernel, parts), (-1, bins, channels // 2))


def _transform(length: int) -> NDArray[np.float64]:
    """Return the orthogonal Fourier transform of real numbers, to be multiplied with these.

    float64 (length + 2, length), the real parts first.
    """
    turns = np.outer(np.arange(length // 2 + 1), np.arange(length)) % length
    phase = 2 * np.pi * turns / length
    return np.concatenate([np.cos(phase), -np.sin(phase)]) / length**0.5


def _inverse(length: int) -> NDArray[np.float64]:
    """Return what undoes :func:`_transform`: float64 (length, length + 2)."""
    times = np.full(length // 2 + 1, 2.0)
    times[[0, -1]] = 1
    return _transform(length).T * np.tile(times, 2)
