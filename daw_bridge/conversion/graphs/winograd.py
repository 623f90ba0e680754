"""Convolutions of 3 by 3 in a quarter of the products.

A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. Tiles of 6 by
6 inputs, and the kernels, are brought to 36 places at each of which the convolution is a product
of matrices; what these give is brought back to 4 by 4 outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from daw_bridge.conversion.graphs.layers import Value, check_width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.layers import Layers

_TAPS, _STEP = 3, 4
_TILE = _STEP + _TAPS - 1
_PLACES = _TILE**2
_POINTS = np.array([0, 2 / 3, -2 / 3, 3 / 2, -3 / 2])
"""Where polynomials are evaluated, and at infinity: with 0, ±1, ±2, errors are twice as large."""
_STRIP_ELEMENTS = 1 << 22
"""Of tiles at their places: 16 MB stay in a processor's cache."""
_INPUTS = range(96, 385)
"""With fewer, it takes longer to move tiles than products are saved; with more, kernels at their
places, four times as large as before, take more memory than that is worth."""


def is_worthwhile(kernel: NDArray[np.float32]) -> bool:
    """Return whether :func:`convolve_tiles` is the faster way for (filters, channels, …)."""
    return kernel.shape[2:] == (_TAPS, _TAPS) and kernel.shape[1] in _INPUTS


def convolve_tiles(layers: Layers, x: Value, layer: str, parts: Sequence[slice]) -> list[Value]:
    """Add the convolution of a layer for each of some parts of its filters.

    It comes to -115 dB of what a convolution in double precision gives, a plain one to -133 dB.

    Args:
        layers: of the network.
        x: (1, channels, bins, time_frames).
        layer: its name; its kernel is of 3 by 3.
        parts: of its filters.

    Returns:
        (1, filters of the part, bins, time_frames) each.
    """
    kernel = layers.graph.array(f"{layers.scope}{layer}.weight")
    check_width(layer, kernel.shape[1], x)
    kernels = [_spread_kernel(layers, kernel[part]) for part in parts]
    strips = [[_multiply(layers, spread, strip) for spread in kernels]
              for strip in _cut(layers, x)]  # fmt: skip
    made = [layers.join(*each, axis=2) for each in zip(*strips, strict=True)]
    bias = layers.array(f"{layer}.bias")[:, np.newaxis, np.newaxis]
    return [
        layers.apply("Add", each, layers.constant(bias[part]))
        for each, part in zip(made, parts, strict=True)
    ]


class _Strip(NamedTuple):
    """Some rows of tiles at their places: (1, places, channels, tiles)."""

    places: Value
    tiles: tuple[int, int]
    sizes: tuple[int, int]
    """Of what becomes of it, in bins and time frames."""


def _cut(layers: Layers, x: Value) -> Iterator[_Strip]:
    """Cut (1, channels, bins, time_frames) into strips that fit into a processor's cache."""
    _, channels, height, width = x.shape
    rows, columns = (-(-size // _STEP) for size in (height, width))
    some = max(_STRIP_ELEMENTS // (channels * _PLACES * columns), 1)
    for row in range(0, rows, some):
        tiles = min(some, rows - row), columns
        start, end = _STEP * row, min(_STEP * (row + tiles[0]), height)
        above, below = min(start, 1), min(height - end, 1)
        shown = layers.crop(x, 2, start - above, above + end - start + below)
        lacking = _STEP * tiles[0] + 1 + above - shown.shape[2]
        pads = [1 - above, 1, lacking, _STEP * columns + 1 - width]
        yield _Strip(_spread(layers, shown, pads), tiles, (end - start, width))


def _spread(layers: Layers, x: Value, pads: list[int]) -> Value:
    """Bring (1, channels, bins, time_frames) to (1, places, channels, tiles)."""
    channels = x.shape[1]
    alone = layers.reshape(x, (channels, 1, *x.shape[2:]))
    kernel = layers.constant(_square(_transforms().spread))
    strides = [_STEP, _STEP]
    name = layers.graph.add("Conv", [alone.name, kernel.name], strides=strides, pads=pads)
    tiles = [
        (size + sum(pads[axis::2]) - _TILE) // _STEP + 1 for axis, size in enumerate(x.shape[2:])
    ]
    spread = Value(name, (channels, _PLACES, *tiles))
    return layers.transpose(layers.reshape(spread, (channels, 1, _PLACES, -1)), 1, 2, 0, 3)


def _multiply(layers: Layers, kernel: Value, strip: _Strip) -> Value:
    """Return what comes of a strip, at (1, filters, bins, time_frames)."""
    products = layers.transpose(layers.matmul(kernel, strip.places), 2, 1, 0, 3)
    placed = layers.reshape(products, (-1, _PLACES, *strip.tiles))
    return layers.reshape(_join(layers, placed, strip.sizes), (1, -1, *strip.sizes))


def _spread_kernel(layers: Layers, kernel: NDArray[Any]) -> Value:
    """Bring (filters, channels, 3, 3) to (1, places, filters, channels), as the graph is loaded."""
    filters, channels = kernel.shape[:2]
    taps = layers.reshape(
        layers.transpose(layers.stored(kernel), 2, 3, 0, 1), (1, -1, filters, channels)
    )
    weights = _square(_transforms().spread_kernel).reshape(_PLACES, _TAPS**2, 1, 1)
    spread = layers.graph.add("Conv", [taps.name, layers.constant(weights).name])
    return Value(spread, (1, _PLACES, filters, channels))


def _join(layers: Layers, placed: Value, sizes: Sequence[int]) -> Value:
    """Bring (filters, places, …) to outputs of given sizes: (filters, 1, bins, time_frames)."""
    rests = (_STEP * count - size for count, size in zip(placed.shape[2:], sizes, strict=True))
    name = layers.graph.add(
        "ConvTranspose",
        [placed.name, layers.constant(_square(_transforms().join.T)).name],
        strides=[_STEP, _STEP],
        pads=[0, 0, *rests],
    )
    return Value(name, (placed.shape[0], 1, *sizes))


class _Transforms(NamedTuple):
    """Between samples and places over one axis, after A. L. Toom and S. A. Cook.

    ``spread`` brings samples of a tile to places, (places, samples), ``spread_kernel`` taps,
    (places, taps), and ``join`` brings places to outputs, (outputs, places).
    """

    spread: NDArray[np.float64]
    spread_kernel: NDArray[np.float64]
    join: NDArray[np.float64]


def _transforms() -> _Transforms:
    """Return the transforms of a tile's 6 samples, 3 taps and 4 outputs."""
    others = [np.delete(_POINTS, place) for place in range(len(_POINTS))]
    spread = np.zeros((_TILE, _TILE))
    spread[:-1, :-1] = [np.poly(points)[::-1] for points in others]
    spread[-1] = np.poly(_POINTS)[::-1]
    scales = [np.prod(point - points) for point, points in zip(_POINTS, others, strict=True)]
    kernel = _powers(_TAPS) / np.array([*scales, 1])[:, np.newaxis]
    return _Transforms(spread, kernel, _powers(_STEP).T)


def _powers(length: int) -> NDArray[np.float64]:
    """Return the points' powers from 0 on, at infinity the highest alone: (places, length)."""
    return np.vstack([np.vander(_POINTS, length, increasing=True), np.eye(length)[-1]])


def _square(transform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a transform, (rows, length), over two axes: (rows², 1, length, length)."""
    rows, length = transform.shape
    both = np.einsum("pa,qb->pqab", transform, transform)
    return both.reshape(rows * rows, 1, length, length)
