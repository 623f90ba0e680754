"""Torch's recurrent layers → ONNX's."""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.graph import Arrays, GraphBuilder

_FIRST = ".weight_ih_l0"


def stack_gates(arrays: Arrays, lstm: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an LSTM as :func:`add_lstm` takes them.

    Args:
        arrays: ``{lstm}.weight_ih_l0``, ``{lstm}.bias_hh_l1_reverse`` and so on, as torch has them:
            (4 · hidden, features or hidden) and (4 · hidden,).
        lstm: the name of the LSTM, of any number of layers and one or two directions.

    Returns:
        gates in ONNX's order: ``{lstm}{layer}.kernel`` (directions, 4 · hidden, features),
        ``….recurrence`` (directions, 4 · hidden, hidden) and ``….bias`` (directions, 8 · hidden).
    """
    gates: dict[str, NDArray[Any]] = {}
    directions = ("", "_reverse")[: 1 + (f"{lstm}.weight_ih_l0_reverse" in arrays)]
    for layer in takewhile(lambda layer: f"{lstm}.weight_ih_l{layer}" in arrays, count()):
        kernel, recurrence, *biases = (
            _reorder([arrays[f"{lstm}.{name}_l{layer}{direction}"] for direction in directions])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        gates[f"{lstm}{layer}.kernel"] = kernel
        gates[f"{lstm}{layer}.recurrence"] = recurrence
        gates[f"{lstm}{layer}.bias"] = np.concatenate(biases, axis=1)
    return gates


def stack_all_gates(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return arrays of any shape, those of every LSTM as :func:`add_lstm` takes them."""
    held = dict(arrays)
    for lstm in [name.removesuffix(_FIRST) for name in arrays if name.endswith(_FIRST)]:
        gates = stack_gates(arrays, lstm)
        held = {k: v for k, v in held.items() if not k.startswith(f"{lstm}.")} | gates
    return held


def add_lstm(graph: GraphBuilder, sequence: str, lstm: str, *, layers: int) -> str:
    """Add an LSTM: (steps, b, features) → (steps, b, directions · hidden)."""
    for layer in range(layers):
        directions, _, hidden = graph.array(f"{lstm}{layer}.recurrence").shape
        states = graph.add(
            "LSTM",
            [sequence, *graph.weights(f"{lstm}{layer}", "kernel", "recurrence", "bias")],
            hidden_size=hidden,
            direction=("forward", "bidirectional")[directions - 1],
        )  # (steps, directions, b, hidden)
        turned = graph.add("Transpose", [states], perm=[0, 2, 1, 3])
        sequence = graph.reshape(turned, [0, 0, directions * hidden])
    return sequence


def _reorder(directions: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack (4 · hidden, …): (directions, 4 · hidden, …), gates from torch's order to ONNX's."""
    inputs, forget, cell, output = np.split(np.stack(directions), 4, axis=1)  # torch's order
    return np.concatenate([inputs, output, forget, cell], axis=1)
