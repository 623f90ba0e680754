"""The U-Net of MDX23C: convolutions over times and frequencies, dense layers over frequencies.

M. Kim and J. H. Lee, "Sound demixing challenge 2023 music demixing track technical report:
TFC-TDF-UNet v3", arXiv 2306.09382; layers named as in audio-separator 0.47.1. All values between
the ends are (1, channels, time_frames, bins).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

from daw_bridge.conversion.graphs.layers import Value, check_width
from daw_bridge.conversion.graphs.spectra import choose_stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.layers import Layers


@dataclass(frozen=True)
class TfcTdf:
    """What the arrays of such a network do not tell.

    Attributes:
        subbands: into how many bands the bins are cut, each of which becomes a channel.
        norm: "BatchNorm", "InstanceNorm", "GroupNorm" and its number of groups, or nothing.
        act: "gelu", "relu", or "elu" and its slope.
        scales: how often the network halves times and bins, or divides them otherwise.
        scale: by how much.
    """

    subbands: int
    norm: str
    act: str
    scales: int
    scale: tuple[int, int]


def add_tfc_tdf(layers: Layers, planes: Value, network: TfcTdf, order: Sequence[int]) -> Value:
    """Add a network.

    Args:
        layers: know its arrays.
        planes: (1, planes, bins, time_frames).
        network: its settings.
        order: which of its stems are given, in this order.

    Returns:
        (1, stems · planes, bins, time_frames).
    """
    _, channels, bins, frames = planes.shape
    bands = (1, channels * network.subbands, bins // network.subbands, frames)
    mixture = layers.transpose(layers.reshape(planes, bands), 0, 1, 3, 2)
    first = _convolve(layers, mixture, "first_conv")
    estimated = layers.apply("Mul", _Unet(layers, network).add(first), first)
    joined = layers.join(mixture, estimated, axis=1)
    hidden = activate(layers, _convolve(layers, joined, "final_conv.0"), network.act)
    stems = layers.transpose(_convolve(layers, hidden, "final_conv.2"), 0, 1, 3, 2)
    return choose_stems(layers, layers.reshape(stems, (1, -1, bins, frames)), channels, order)


def _convolve(layers: Layers, x: Value, name: str) -> Value:
    """Add a convolution, none of which has a bias here: (1, inputs, …) → (1, outputs, …)."""
    return layers.convolve(x, name, has_bias=False)


def activate(layers: Layers, x: Value, act: str) -> Value:
    """Add an activation of (…)."""
    match act:
        case "gelu":
            return layers.gelu(x)
        case "relu":
            return layers.apply("Relu", x)
        case _:
            return layers.apply("Elu", x, alpha=float(act.removeprefix("elu")))


@dataclass(frozen=True)
class _Unet:
    layers: Layers
    network: TfcTdf

    def add(self, x: Value) -> Value:
        """Add all scales, down and up: (1, channels, …) → the same shape."""
        skips = []
        for number in range(self.network.scales):
            block = f"encoder_blocks.{number}"
            skips.append(self._add_blocks(x, f"{block}.tfc_tdf"))
            x = self._shrink(skips[-1], f"{block}.downscale.conv")
        x = self._add_blocks(x, "bottleneck_block")
        for number in range(self.network.scales):
            block = f"decoder_blocks.{number}"
            wider = self._grow(x, f"{block}.upscale.conv")
            x = self.layers.join(wider, skips.pop(), axis=1)
            x = self._add_blocks(x, f"{block}.tfc_tdf")
        return x

    def _add_blocks(self, x: Value, name: str) -> Value:
        """Add the blocks of a scale: (1, inputs, …) → (1, channels, …)."""
        layers = self.layers
        for number in takewhile(
            lambda n: layers.has(f"{name}.blocks.{n}.shortcut.weight"), count()
        ):
            block = f"{name}.blocks.{number}"
            past = _convolve(layers, x, f"{block}.shortcut")
            inner = _convolve(layers, self._prepare(x, f"{block}.tfc1"), f"{block}.tfc1.2")
            inner = layers.apply("Add", inner, self._add_dense(inner, f"{block}.tdf"))
            inner = _convolve(layers, self._prepare(inner, f"{block}.tfc2"), f"{block}.tfc2.2")
            x = layers.apply("Add", inner, past)
        return x

    def _add_dense(self, x: Value, name: str) -> Value:
        """Add two dense layers over the bins of (…, bins), narrow between them → the same shape."""
        for place in (0, 3):
            active = self._prepare(x, name, place)
            kernel = self.layers.graph.array(f"{self.layers.scope}{name}.{place + 2}.weight").T
            x = self.layers.matmul(active, self.layers.stored(kernel))
        return x

    def _prepare(self, x: Value, name: str, place: int = 0) -> Value:
        """Normalise and activate what comes to a layer: (1, channels, …) → the same shape."""
        return activate(self.layers, self._normalise(x, f"{name}.{place}"), self.network.act)

    def _normalise(self, x: Value, name: str) -> Value:
        """Add the normalisation that all layers have: (1, channels, …) → the same shape."""
        layers, norm = self.layers, self.network.norm
        if norm == "BatchNorm":
            return layers.batch_norm(x, name)
        if norm == "InstanceNorm":
            return layers.instance_norm(x, name)
        if norm.startswith("GroupNorm"):
            return layers.group_norm(x, name, int(norm.removeprefix("GroupNorm")))
        return x

    def _shrink(self, x: Value, name: str) -> Value:
        """Divide times and bins: (1, inputs, …) → (1, outputs, …).

        Raises:
            ValueError: they cannot be divided.
        """
        frames, bins = x.shape[2:]
        long, wide = self.network.scale
        if frames % long or bins % wide:
            raise ValueError(f"{frames} time frames of {bins} bins cannot be divided by its scales")
        kernel = self._kernel(name)
        return self._rescale(x, name, "Conv", (len(kernel), frames // long, bins // wide))

    def _grow(self, x: Value, name: str) -> Value:
        """Multiply times and bins: (1, inputs, …) → (1, outputs, …)."""
        frames, bins = x.shape[2:]
        long, wide = self.network.scale
        kernel = self._kernel(name)
        return self._rescale(
            x, name, "ConvTranspose", (kernel.shape[1], frames * long, bins * wide)
        )

    def _rescale(self, x: Value, name: str, operator: str, shape: tuple[int, ...]) -> Value:
        """Add a convolution whose kernels lie side by side: (1, inputs, …) → (1, *shape)."""
        active = self._prepare(x, name)
        kernel = self.layers.stored(self._kernel(name))
        check_width(name, kernel.shape[operator == "Conv"], x)
        scale = self.network.scale
        if kernel.shape[2:] != scale:
            raise ValueError(f"{name} has kernels of {kernel.shape[2:]}, not of {scale}")
        output = self.layers.graph.add(operator, [active.name, kernel.name], strides=list(scale))
        return Value(output, (1, *shape))

    def _kernel(self, name: str) -> NDArray[Any]:
        """Return the kernel of a change of scale: (…, times, bins)."""
        return self.layers.graph.array(f"{self.layers.scope}{name}.2.weight")
