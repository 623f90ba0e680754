"""SCNet: three bands of frequencies, the higher the coarser, around layers that see all of them.

W. Tong, J. Zhu, J. Chen and others, "SCNet: sparse compression network for music source
separation", ICASSP 2024; layers named as in SCNet.py of the authors' starrytong/SCNet, and for
networks that mask as in scnet_masked.py of ZFTurbo/Music-Source-Separation-Training. Values
between are (1, channels, bins, time_frames).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, pairwise, takewhile
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.conversion.graphs.dual_path import add_dual_path
from daw_bridge.conversion.graphs.layers import Value, check_width
from daw_bridge.conversion.graphs.spectra import choose_stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.conversion.graphs.layers import Layers

_QUIET = 1e-5


@dataclass(frozen=True)
class SparseBands:
    """What the arrays of such a network do not tell.

    Attributes:
        shares: of all bins that the bands have; the last takes what is left.
        strides: by how much each band becomes coarser.
        gain: of the spectra that the network was trained on.
        normalises: it brings what it sees to a mean of 0 and a deviation of 1, and back.
    """

    shares: tuple[float, float, float]
    strides: tuple[int, int, int]
    gain: float
    normalises: bool


class Skip(NamedTuple):
    """What a decoder is to know of its encoder.

    Attributes:
        bands: its output, (1, channels, bins, time_frames).
        sizes: bins of the bands there.
        sizes_before: and of those that they were made of.
    """

    bands: Value
    sizes: tuple[int, ...]
    sizes_before: tuple[int, ...]


def add_sparse_bands(
    layers: Layers, planes: Value, network: SparseBands, order: Sequence[int]
) -> Value:
    """Add a network.

    Args:
        layers: know its arrays.
        planes: (1, planes, bins, time_frames).
        network: its settings.
        order: which of its stems are given, in this order.

    Returns:
        (1, stems · planes, bins, time_frames).
    """
    seen = layers.apply("Mul", planes, layers.constant(network.gain))
    if layers.has("mask_layer.0.weight"):
        positions = layers.constant(layers.array("pos_embed_f"))
        estimates = _Network(layers, network).add(layers.apply("Add", seen, positions))
        return choose_stems(layers, _mask(layers, planes, estimates), planes.shape[1], order)
    if network.normalises:
        mean, deviation = _measure(layers, seen)
        around = layers.apply("Sub", seen, mean)
        scale = layers.apply("Add", deviation, layers.constant(_QUIET))
        even = _Network(layers, network).add(layers.apply("Div", around, scale))
        given = layers.apply("Add", layers.apply("Mul", even, deviation), mean)
    else:
        given = _Network(layers, network).add(seen)
    given = layers.apply("Mul", given, layers.constant(1 / network.gain))
    return choose_stems(layers, given, planes.shape[1], order)


def _measure(layers: Layers, x: Value) -> tuple[Value, Value]:
    """Return the mean and the deviation of all of (1, planes, bins, time_frames)."""

    def average(y: Value) -> Value:
        """Return the mean of all: (1, 1, 1, 1)."""
        return layers.mean(layers.mean(layers.mean(y, 3), 2), 1)

    size = prod(x.shape)
    mean = average(x)
    around = layers.apply("Sub", x, mean)
    variance = average(layers.apply("Mul", around, around))
    unbiased = layers.apply("Mul", variance, layers.constant(size / (size - 1)))
    return mean, layers.apply("Sqrt", unbiased)


def _mask(layers: Layers, planes: Value, estimates: Value) -> Value:
    """Turn estimates into complex masks of what is seen, and multiply them.

    (1, planes, bins, time_frames) and (1, stems · planes, …) → the latter.
    """
    hidden = layers.gelu(layers.convolve(estimates, "mask_layer.0"))
    masks = layers.apply("Tanh", layers.convolve(hidden, "mask_layer.2"))
    sizes = planes.shape[2:]
    real, imaginary = _parts(layers, layers.reshape(planes, (1, -1, 2, *sizes)))
    gain, turn = _parts(layers, layers.reshape(masks, (-1, real.shape[1], 2, *sizes)))
    straight = layers.apply("Mul", gain, real), layers.apply("Mul", turn, imaginary)
    crossed = layers.apply("Mul", gain, imaginary), layers.apply("Mul", turn, real)
    parts = layers.apply("Sub", *straight), layers.apply("Add", *crossed)
    return layers.reshape(layers.join(*parts, axis=2), masks.shape)


def _parts(layers: Layers, x: Value) -> tuple[Value, Value]:
    """Return the real and the imaginary parts of (stems, channels, 2, bins, time_frames)."""
    return layers.crop(x, 2, 0, 1), layers.crop(x, 2, 1, 1)


@dataclass(frozen=True)
class _Network:
    layers: Layers
    network: SparseBands

    def add(self, x: Value) -> Value:
        """Add all but what is around a network: (1, planes, …) → (1, stems · planes, …)."""
        layers = self.layers
        skips = []
        for level in takewhile(lambda n: layers.has(f"encoder.{n}.globalconv.weight"), count()):
            skips.append(self._compress(x, f"encoder.{level}"))
            x = layers.convolve(skips[-1].bands, f"encoder.{level}.globalconv")
        x = add_dual_path(layers, x)
        for level, skip in enumerate(reversed(skips)):
            fused = _fuse(layers, layers.apply("Add", x, skip.bands), f"decoder.{level}.0.conv")
            x = self._expand(fused, skip, f"decoder.{level}.1")
        return x

    def _cut(self, bins: int) -> tuple[int, ...]:
        """Return how many bins each band has, of all.

        Raises:
            ValueError: one would have none.
        """
        low, middle, _ = self.network.shares
        edges = (0, ceil(bins * low), ceil(bins * (low + middle)), bins)
        if sorted(set(edges)) != list(edges):
            raise ValueError(f"its bands have no room in {bins} bins")
        return tuple(end - start for start, end in pairwise(edges))

    def _compress(self, x: Value, name: str) -> Skip:
        """Make the bands coarser, each with its own layers: (1, inputs, …) → (1, channels, …)."""
        layers, sizes = self.layers, self._cut(x.shape[2])
        bands, start = [], 0
        for band, size in enumerate(sizes):
            part = layers.crop(x, 2, start, size)
            coarse = self._downsample(part, f"{name}.SDlayer.convs.{band}", band)
            bands.append(
                layers.gelu(_add_convolutions(layers, coarse, f"{name}.conv_modules.{band}"))
            )
            start += size
        return Skip(layers.join(*bands, axis=2), tuple(band.shape[2] for band in bands), sizes)

    def _downsample(self, x: Value, name: str, band: int) -> Value:
        """Make a band coarser, filled up at its ends: (1, inputs, …) → (1, channels, …)."""
        stride = self.network.strides[band]
        kernel = self.layers.array(f"{name}.weight").shape[2]
        missing = kernel - 1 if stride == 1 else -x.shape[2] % stride
        pads = (missing // 2, missing - missing // 2)
        return self.layers.downsample(x, name, stride, pads)

    def _expand(self, x: Value, skip: Skip, name: str) -> Value:
        """Make the bands as fine as they were: (1, channels, …) → (1, outputs, …)."""
        layers, bands, start = self.layers, [], 0
        for band, size in enumerate(skip.sizes):
            part = layers.crop(x, 2, start, size)
            bands.append(self._upsample(part, f"{name}.convtrs.{band}", band, skip.sizes_before))
            start += size
        return layers.join(*bands, axis=2)

    def _upsample(self, x: Value, name: str, band: int, sizes: Sequence[int]) -> Value:
        """Make a band as fine as sizes say: (1, channels, …) → (1, outputs, …).

        Raises:
            ValueError: its layer gives too little.
        """
        stride = self.network.strides[band]
        kernel = self.layers.array(f"{name}.weight").shape[2]
        spare = (x.shape[2] - 1) * stride + kernel - sizes[band]
        if spare < 0:
            raise ValueError(f"{name} gives fewer bins than its band has")
        return self.layers.upsample(x, name, stride, (spare // 2, spare - spare // 2))


def _fuse(layers: Layers, x: Value, name: str) -> Value:
    """Add a gated convolution of what is seen twice: (1, channels, …) → the same shape.

    What is seen twice is seen once by the sum of the kernels.
    """
    kernel = layers.array(f"{name}.weight")
    halves = np.split(kernel.astype(np.float64), 2, axis=1)
    check_width(name, halves[0].shape[1], x)
    weights = layers.constant(halves[0] + halves[1])
    bias = layers.constant(layers.array(f"{name}.bias"))
    pads = [size // 2 for size in kernel.shape[2:]]
    output = layers.graph.add("Conv", [x.name, weights.name, bias.name], pads=[*pads, *pads])
    return layers.glu(Value(output, (1, len(kernel), *x.shape[2:])))


def _add_convolutions(layers: Layers, x: Value, name: str) -> Value:
    """Add the convolutions over time that a band has, (1, channels, …), beside what they see.

    All normalise every bin for itself.
    """
    for number in takewhile(lambda n: layers.has(f"{name}.layers.{n}.0.weight"), count()):
        layer = f"{name}.layers.{number}"
        gated = layers.glu(
            _over_time(layers, _normalise_bins(layers, x, f"{layer}.0"), f"{layer}.1")
        )
        inner = _normalise_bins(layers, _over_time(layers, gated, f"{layer}.3"), f"{layer}.4")
        inner = layers.apply("Mul", inner, layers.apply("Sigmoid", inner))
        x = layers.apply("Add", x, _over_time(layers, inner, f"{layer}.6"))
    return x


def _over_time(layers: Layers, x: Value, name: str) -> Value:
    """Add a convolution over time, alike for all bins: (1, inputs, …) → (1, outputs, …)."""
    kernel = layers.graph.array(f"{layers.scope}{name}.weight")[:, :, np.newaxis]
    groups = x.shape[1] // kernel.shape[1]
    check_width(name, groups * kernel.shape[1], x)
    weights, bias = layers.stored(kernel), layers.constant(layers.array(f"{name}.bias"))
    pad = kernel.shape[3] // 2
    output = layers.graph.add(
        "Conv",
        [x.name, weights.name, bias.name],
        pads=[0, pad, 0, pad],
        group=groups,
    )
    return Value(output, (1, len(kernel), *x.shape[2:]))


def _normalise_bins(layers: Layers, x: Value, name: str) -> Value:
    """Normalise each bin over channels and times, then scale channels: (1, channels, …)."""

    def average(y: Value) -> Value:
        """Return a mean for each bin: (1, 1, bins, 1)."""
        return layers.mean(layers.mean(y, 3), 1)

    around = layers.apply("Sub", x, average(x))
    variance = average(layers.apply("Mul", around, around))
    even = layers.apply("Div", around, layers.root(variance))
    return layers.scale(even, name, (-1, 1, 1))
