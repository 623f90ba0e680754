"""What the graphs of networks from complex spectra to those of stems have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.conversion.graphs.layers import Value
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from daw_bridge.conversion.graphs.graph import GraphBuilder
    from daw_bridge.conversion.graphs.layers import Layers

_PARTS = 2  # real and imaginary
_SPECTRUM = "spectrum"


def add_spectrum(channels: int, bins: int, frames: int) -> Value:
    """Return what a network sees: (1, channels · 2, bins, time_frames).

    The imaginary part of a channel follows its real one.
    """
    return Value(_SPECTRUM, (1, _PARTS * channels, bins, frames))


def choose_stems(layers: Layers, given: Value, planes: int, order: Sequence[int]) -> Value:
    """Put the planes of stems, (1, stems · planes, bins, time_frames), in an order of these.

    Raises:
        ValueError: there are more stems, or fewer.
    """
    if given.shape[1] != len(order) * planes:
        raise ValueError(f"it gives {given.shape[1]} planes, not {len(order)} times {planes}")
    if list(order) == sorted(order):
        return given
    stems = layers.reshape(given, (len(order), planes, *given.shape[2:]))
    places = layers.stored(np.array(order))
    name = layers.graph.add("Gather", [stems.name, places.name], axis=0)
    return layers.reshape(Value(name, stems.shape), given.shape)


def spectral_model(graph: GraphBuilder, given: Value, spectrum: Value) -> onnx.ModelProto:
    """Return the graph of a network from a spectrum to what its nodes give of it.

    Both are (1, planes, bins, time_frames).

    Raises:
        WeightsError: arrays are left over.
    """
    if graph.unused:
        raise WeightsError(f"It has layers that cannot be rebuilt: {', '.join(graph.unused[:3])} …")
    return graph.model({spectrum.name: spectrum.shape}, {given.name: given.shape})
