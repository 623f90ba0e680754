"""The networks of the VR architecture: U-Nets over bands that see what others made of them.

Layers are named as in Ultimate Vocal Remover's ``lib_v5/vr_network``: in ``nets.py``, of version 5,
and in ``nets_new.py``, of 5.1. Arrays tell how wide and how deep a network is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from daw_bridge.conversion.graphs.layers import Value
from daw_bridge.conversion.graphs.recurrent import add_lstm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.layers import Layers

Spectrum: TypeAlias = Value
"""(1, channels, bins, frames)"""

_NORM_EPSILON = 1e-5
_LEAK = 0.01
_DILATIONS = {3: (4, 4), 4: (8, 8), 5: (16, 16), 6: (16, 16), 7: (16, 16)}
_RECURRENT_DILATIONS = {3: (4, 2), 4: (8, 4), 5: (12, 6)}
"""Of bins and frames, by the number of the convolution."""


class Folded(NamedTuple):
    """A kernel (filters, …) and a bias (filters,) that a batch normalisation is folded into."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class CascadeLayers:
    """Adds the layers that both generations have to a graph; all spectra are (1, n, bins, frames).

    Attributes:
        layers: of the whole network.
    """

    layers: Layers

    def join(self, *values: Spectrum) -> Spectrum:
        """Join the channels of spectra."""
        return self.layers.join(*values, axis=1)

    def unit(self, x: Spectrum, scope: str, *, leaks: bool = False, **shape: Any) -> Spectrum:
        """Add a convolution, which may be a depthwise and a pointwise one, its norm and a ReLU.

        Args:
            x: what it takes.
            scope: how its arrays' names begin.
            leaks: the ReLU does.
            shape: ``stride`` and ``dilation`` of the first, see :meth:`_convolve`.
        """
        scope = f"{scope}.conv"
        is_separable = self.layers.has(f"{scope}.2.weight")
        if is_separable:
            depthwise = Folded(self.layers.array(f"{scope}.0.weight"), _NOTHING)
            x = self._convolve(x, depthwise, groups=x.shape[1], **shape)
            shape = {}
        folded = self._fold(f"{scope}.{int(is_separable)}", f"{scope}.{1 + is_separable}")
        convolved = self._convolve(x, folded, **shape)
        if leaks:
            return self.layers.apply("LeakyRelu", convolved, alpha=_LEAK)
        return self.layers.apply("Relu", convolved)

    def pyramid(self, x: Spectrum, scope: str, dilations: dict[int, tuple[int, int]]) -> Spectrum:
        """Add convolutions of several dilations side by side, and one over what they give."""
        mean = self.unit(self.layers.mean(x, 2), f"{scope}.conv1.1")
        size = self.layers.stored(np.array((*mean.shape[:2], *x.shape[2:])))
        name = self.layers.graph.add("Expand", [mean.name, size.name])
        parts = [
            Value(name, (*mean.shape[:2], *x.shape[2:])),
            self.unit(x, f"{scope}.conv2"),
            *(
                self.unit(x, f"{scope}.conv{number}", dilation=dilation)
                for number, dilation in dilations.items()
                if self.layers.has(f"{scope}.conv{number}.conv.0.weight")
            ),
        ]
        is_sequence = self.layers.has(f"{scope}.bottleneck.0.conv.0.weight")
        return self.unit(self.join(*parts), f"{scope}.bottleneck" + ".0" * is_sequence)

    def widen(self, x: Spectrum, skip: Spectrum) -> Spectrum:
        """Stretch a spectrum to the size of another, linearly from corner to corner, and join it.

        Raises:
            ValueError: the other is not twice as large.
        """
        shape = (*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
        if shape[2:] != skip.shape[2:]:
            raise ValueError(f"spectra of {x.shape[2:]} and {skip.shape[2:]} do not follow")
        name = self.layers.graph.add(
            "Resize",
            [x.name, "", "", self.layers.stored(np.array(shape)).name],
            mode="linear",
            coordinate_transformation_mode="align_corners",
        )
        return self.join(Value(name, shape), skip)

    def recur(self, x: Spectrum, scope: str) -> Spectrum:
        """Add an LSTM over frames of what becomes one channel: (1, 1, bins, frames)."""
        layers = self.layers
        plane = self.unit(x, f"{scope}.conv")
        _, _, bins, frames = plane.shape
        rows = layers.reshape(layers.transpose(plane, 3, 0, 1, 2), (frames, 1, bins))
        states = add_lstm(layers.graph, rows.name, f"{layers.scope}{scope}.lstm", layers=1)
        folded = self._fold(f"{scope}.dense.0", f"{scope}.dense.1")
        flat = layers.reshape(Value(states, (frames, 1, folded.kernel.shape[1])), (frames, -1))
        kernel, bias = layers.constant(folded.kernel.T), layers.constant(folded.bias)
        dense = layers.apply("Relu", layers.apply("Add", layers.matmul(flat, kernel), bias))
        return layers.reshape(layers.transpose(dense, 1, 0), (1, 1, bins, frames))

    def mask(self, x: Spectrum, output: str) -> Spectrum:
        """Add the last convolution and the sigmoid, by the name of the graph's output."""
        out = self._convolve(x, Folded(self.layers.array("out.weight"), _NOTHING))
        stem = self.layers.reshape(out, (1, *out.shape))
        return Value(self.layers.graph.add("Sigmoid", [stem.name], output=output), stem.shape)

    def _fold(self, convolution: str, norm: str) -> Folded:
        """Fold a batch normalisation into the kernel and the bias before it."""
        layers = self.layers
        weight, bias, mean, variance = (
            layers.array(f"{norm}.{name}").astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        gain = weight / np.sqrt(variance + _NORM_EPSILON)
        kernel = layers.array(f"{convolution}.weight").astype(np.float64)
        if layers.has(f"{convolution}.bias"):
            mean = mean - layers.array(f"{convolution}.bias")
        kernel = kernel * gain.reshape(-1, *[1] * (kernel.ndim - 1))
        return Folded(kernel.astype(np.float32), (bias - gain * mean).astype(np.float32))

    def _convolve(
        self,
        x: Spectrum,
        folded: Folded,
        *,
        stride: int = 1,
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
    ) -> Spectrum:
        """Add a convolution with as much around it as keeps the size, but for a stride.

        Raises:
            ValueError: it is given other channels than it takes.
        """
        filters, inputs, *sizes = folded.kernel.shape
        if x.shape[1] != inputs * groups:
            raise ValueError(f"a layer is given {x.shape[1]} channels, not {inputs * groups}")
        pads = [gap * (size // 2) for gap, size in zip(dilation, sizes, strict=True)]
        arrays = [folded.kernel, *([folded.bias] if folded.bias.size else [])]
        name = self.layers.graph.add(
            "Conv",
            [x.name, *(self.layers.constant(array).name for array in arrays)],
            strides=[stride, stride],
            dilations=list(dilation),
            pads=[*pads, *pads],
            group=groups,
        )
        return Value(name, (1, filters, *(-(-size // stride) for size in x.shape[2:])))


_NOTHING = np.zeros(0, np.float32)


def add_cascade(layers: Layers, magnitudes: Spectrum, output: str) -> Spectrum:
    """Add a whole network of either generation.

    Args:
        layers: of the whole network.
        magnitudes: (1, 2, bins, frames), both dividable as often by two as it is deep.
        output: what the mask (1, 1, 2, bins, frames) is called.

    Raises:
        ValueError: they are not, or arrays do not fit each other.
    """
    if is_recurrent(layers):
        return _add_recurrent_cascade(CascadeLayers(layers), magnitudes, output)
    return _add_plain_cascade(CascadeLayers(layers), magnitudes, output)


def is_recurrent(layers: Layers) -> bool:
    """Return whether a network is of version 5.1, with LSTMs."""
    return layers.has("stg3_full_band_net.lstm_dec2.dense.0.weight")


def _add_plain_cascade(add: CascadeLayers, x: Spectrum, output: str) -> Spectrum:
    halves = _halve(add.layers, x)
    bands = [
        _add_plain_net(add, half, f"stg1_{side}_band_net")
        for half, side in zip(halves, ("low", "high"), strict=True)
    ]
    seen = [x, add.layers.join(*bands, axis=2)]
    for stage in ("stg2", "stg3"):
        bridge = add.unit(add.join(*seen), f"{stage}_bridge")
        seen.append(_add_plain_net(add, bridge, f"{stage}_full_band_net"))
    return add.mask(seen[-1], output)


def _add_plain_net(add: CascadeLayers, x: Spectrum, scope: str) -> Spectrum:
    """Add a U-Net of version 5, whose levels are halved after they are passed on."""
    depth = 4 + add.layers.has(f"{scope}.enc5.conv1.conv.0.weight")
    skips = []
    for level in range(1, depth + 1):
        skips.append(add.unit(x, f"{scope}.enc{level}.conv1", leaks=True))
        x = add.unit(skips[-1], f"{scope}.enc{level}.conv2", leaks=True, stride=2)
    x = add.pyramid(x, f"{scope}.aspp", _DILATIONS)
    for level in range(depth, 0, -1):
        x = add.unit(add.widen(x, skips[level - 1]), f"{scope}.dec{level}.conv")
    return x


def _add_recurrent_cascade(add: CascadeLayers, x: Spectrum, output: str) -> Spectrum:
    halves = _halve(add.layers, x)
    seen = [[half] for half in halves]
    for stage in ("stg1", "stg2"):
        for parts, side in zip(seen, ("low", "high"), strict=True):
            parts.append(_add_side(add, add.join(*_first_and_last(parts)), f"{stage}_{side}"))
    full = [add.layers.join(*parts, axis=2) for parts in zip(*seen, strict=True)]
    return add.mask(_add_recurrent_net(add, add.join(*full), "stg3_full_band_net"), output)


def _add_side(add: CascadeLayers, x: Spectrum, side: str) -> Spectrum:
    """Add what sees one half of the bins; that of the lower half ends with a narrower layer."""
    scope = f"{side}_band_net"
    if add.layers.has(f"{scope}.1.conv.0.weight"):
        return add.unit(_add_recurrent_net(add, x, f"{scope}.0"), f"{scope}.1")
    return _add_recurrent_net(add, x, scope)


def _add_recurrent_net(add: CascadeLayers, x: Spectrum, scope: str) -> Spectrum:
    """Add a U-Net of version 5.1, with an LSTM beside the last but one level."""
    levels = [add.unit(x, f"{scope}.enc1")]
    for level in range(2, 6):
        halved = add.unit(levels[-1], f"{scope}.enc{level}.conv1", leaks=True, stride=2)
        levels.append(add.unit(halved, f"{scope}.enc{level}.conv2", leaks=True))
    x = add.pyramid(levels.pop(), f"{scope}.aspp", _RECURRENT_DILATIONS)
    for level in range(4, 0, -1):
        x = add.unit(add.widen(x, levels[level - 1]), f"{scope}.dec{level}.conv1")
        if level == 2:
            x = add.join(x, add.recur(x, f"{scope}.lstm_dec2"))
    return x


def _halve(layers: Layers, x: Spectrum) -> tuple[Spectrum, Spectrum]:
    """Cut a spectrum into the lower and the upper half of its bins."""
    half = x.shape[2] // 2
    low, high = (layers.crop(x, 2, start, half) for start in (0, half))
    return low, high


def _first_and_last(parts: Sequence[Spectrum]) -> list[Spectrum]:
    """Return what a stage sees of a half: itself, and what the stage before made of it."""
    return list(dict.fromkeys((parts[0], parts[-1])))
