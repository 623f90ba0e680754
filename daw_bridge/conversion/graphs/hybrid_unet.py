"""The networks of Hybrid Demucs, with or without a transformer.

One U-Net runs over the samples, another over the bins of spectra whose real and imaginary parts are
channels. They meet at their lowest level. A stem is the sum of both outputs.

A. Défossez, "Hybrid spectrogram and waveform source separation", MDX Workshop at ISMIR 2021;
S. Rouard, F. Massa and A. Défossez, "Hybrid transformers for music source separation", ICASSP 2023;
layers as in hdemucs.py and htdemucs.py of the package demucs 4.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import prod
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from daw_bridge.conversion.graphs.cross_transformer import Attention, add_transformer
from daw_bridge.conversion.graphs.dconv import add_dconv
from daw_bridge.conversion.graphs.layers import Layers
from daw_bridge.conversion.graphs.winograd import convolve_tiles, is_worthwhile

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from daw_bridge.conversion.graphs.layers import Value

_EPSILON = 1e-5
_PARTS = 2  # real and imaginary


@dataclass(frozen=True)
class Hybrid:
    """What the arrays of a network do not tell, by the reference's names and defaults."""

    sources: tuple[str, ...]
    segment: float | Fraction
    """In seconds."""
    audio_channels: int = 2
    samplerate: int = 44_100
    nfft: int = 4096
    freq_emb: float = 0.2
    emb_scale: float = 10
    stride: int = 4
    time_stride: int = 2
    norm_groups: int = 4
    t_heads: int = 8
    t_gelu: bool = True
    t_max_period: float = 10_000
    t_weight_pos_embed: float = 1

    @property
    def samples(self) -> int:
        """The length of a passage."""
        return int(self.segment * self.samplerate)

    @property
    def hop_samples(self) -> int:
        """From one frame of the spectrum to the next."""
        return self.nfft // 4

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of its inputs, (1, channels, samples) and (1, channels · 2, bins, time_frames).

        The bin at half the sample rate is left out.
        """
        frames = -(-self.samples // self.hop_samples)
        spectrum = 1, _PARTS * self.audio_channels, self.nfft // 2, frames
        return (1, self.audio_channels, self.samples), spectrum


class _Step(NamedTuple):
    """How a layer of an encoder shortens the axis behind the channels."""

    stride: int
    pad: int
    length: int


class _Level(NamedTuple):
    """What the layers of the decoders take from those of the encoders."""

    number: int
    step: _Step
    skip: Value
    """(1, channels, bins, time_frames) or, in levels without bins, (1, channels, time_frames)"""
    step_t: _Step | None
    skip_t: Value | None
    """(1, channels, frames); None where the branches meet and the samples' decoder begins anew"""


def add_hybrid(
    layers: Layers, settings: Hybrid, samples: Value, spectrum: Value
) -> tuple[Value, Value]:
    """Add a network.

    Args:
        layers: of the network.
        settings: what its arrays do not tell.
        samples: (1, channels, samples).
        spectrum: (1, channels · 2, bins, time_frames).

    Returns:
        (stems, 1, channels, samples) and (stems, 1, channels · 2, bins, time_frames).
    """
    # The reference divides spectra by the root of the window's length.
    x, undo = _standardise(layers, spectrum, _EPSILON * settings.nfft**0.5)
    xt, undo_t = _standardise(layers, samples, _EPSILON)
    x, xt = _Network(layers, settings).add(x, xt)
    stems = len(settings.sources)
    return (
        undo_t(layers.reshape(xt, (stems, *samples.shape))),
        undo(layers.reshape(x, (stems, *spectrum.shape))),
    )


def _standardise(
    layers: Layers, x: Value, epsilon: float
) -> tuple[Value, Callable[[Value], Value]]:
    """Bring (1, …) to a mean of 0 and a deviation of 1; return it and what undoes that."""

    def average(y: Value) -> Value:
        for axis in reversed(range(1, len(y.shape))):  # in parts, as in Layers.normalise
            y = layers.mean(y, axis)
        return y

    mean = average(x)
    around = layers.apply("Sub", x, mean)
    unbiased = layers.constant(prod(x.shape) / (prod(x.shape) - 1))
    variance = layers.apply("Mul", average(layers.apply("Mul", around, around)), unbiased)
    deviation = layers.apply("Sqrt", variance)
    divisor = layers.apply("Add", deviation, layers.constant(epsilon))

    def undo(stems: Value) -> Value:
        return layers.apply("Add", layers.apply("Mul", stems, deviation), mean)

    return layers.apply("Div", around, divisor), undo


class _Network:
    """The two U-Nets, whose layers are numbered from the outside.

    ``x`` is of the spectrum's branch, (1, channels, bins, time_frames) or, in levels without bins,
    (1, channels, time_frames); ``xt`` is of the samples' branch, (1, channels, frames). Layers that
    both branches have take an ``x`` of either shape.
    """

    def __init__(self, layers: Layers, settings: Hybrid) -> None:
        self._layers = layers
        self._settings = settings
        self._depth, self._depth_t = (
            next(n for n in count() if not layers.has(f"{branch}.{n}.conv.weight"))
            for branch in ("encoder", "tencoder")
        )

    def add(self, x: Value, xt: Value) -> tuple[Value, Value]:
        """Add all layers: (1, channels, …) of both branches → (1, stems · channels, …)."""
        levels = []
        for number in range(self._depth):
            x, xt, level = self._encode(number, x, xt)
            levels.append(level)
        middle: Value | None = None
        if self._layers.has("crosstransformer.layers.0.norm1.weight"):
            middle, xt = self._attend(x, xt)
        for level in reversed(levels):
            middle, xt = self._decode(level, middle, xt)
        return cast("Value", middle), xt

    def _encode(self, number: int, x: Value, xt: Value) -> tuple[Value, Value, _Level]:
        layers, settings = self._layers, self._settings
        inward, step = self._shorten(x, f"encoder.{number}", is_time=number >= self._depth_t)
        step_t = skip_t = None
        if number < self._depth_t:
            xt, step_t = self._shorten(xt, f"tencoder.{number}")
            if inward.shape[2] > 1:
                xt = skip_t = self._refine(xt, f"tencoder.{number}")
            else:
                inward = layers.apply("Add", inward, layers.reshape(xt, inward.shape))
        x = self._refine(inward, f"encoder.{number}")
        if number == 0 and layers.has("freq_emb.embedding.weight"):
            embedding = layers.array("freq_emb.embedding.weight").T[..., np.newaxis]
            gain = settings.freq_emb * settings.emb_scale
            x = layers.apply("Add", x, layers.constant(gain * embedding))
        return x, xt, _Level(number, step, x, step_t, skip_t)

    def _shorten(self, x: Value, layer: str, *, is_time: bool = False) -> tuple[Value, _Step]:
        """Add the strided convolution of an encoder's layer."""
        settings = self._settings
        if is_time:
            x = self._layers.reshape(x, (1, -1, x.shape[-1]))
        stride = settings.time_stride if is_time else settings.stride
        kernel = self._layers.array(f"{layer}.conv.weight").shape[2]
        length = x.shape[2]
        pad = 0 if kernel == length else kernel // 4
        made = self._layers.downsample(x, f"{layer}.conv", stride, (pad, pad + -length % stride))
        return made, _Step(stride, pad, length)

    def _refine(self, x: Value, layer: str) -> Value:
        """Add what follows the strided convolution."""
        x = self._layers.gelu(self._norm(x, f"{layer}.norm1"))
        return self._rewrite(add_dconv(self._layers, x, f"{layer}.dconv"), layer, "norm2")

    def _attend(self, x: Value, xt: Value) -> tuple[Value, Value]:
        """Add the transformer, between dense layers that change how many channels there are."""
        layers, settings = self._layers, self._settings
        attention = Attention(
            settings.t_heads, settings.t_gelu, settings.t_max_period, settings.t_weight_pos_embed
        )
        has_bottom = layers.has("channel_upsampler.weight")
        if has_bottom:
            x, xt = self._change_channels(x, xt, "channel_upsampler")
        x, xt = add_transformer(layers, x, xt, attention)
        return self._change_channels(x, xt, "channel_downsampler") if has_bottom else (x, xt)

    def _change_channels(self, x: Value, xt: Value, layer: str) -> tuple[Value, Value]:
        bins, frames = x.shape[2:]
        flat = self._layers.convolve(self._layers.reshape(x, (1, -1, bins * frames)), layer)
        changed = self._layers.reshape(flat, (1, -1, bins, frames))
        return changed, self._layers.convolve(xt, f"{layer}_t")

    def _decode(self, level: _Level, x: Value | None, xt: Value) -> tuple[Value, Value]:
        layers = self._layers
        layer, layer_t = (
            f"{branch}.{depth - 1 - level.number}"
            for branch, depth in (("decoder", self._depth), ("tdecoder", self._depth_t))
        )
        refined = self._restore(x, level.skip, layer)
        if level.step_t and level.skip_t:
            xt = self._restore(xt, level.skip_t, layer_t)
        elif level.step_t:
            xt = layers.reshape(refined, (1, -1, refined.shape[-1]))
        if level.step_t:
            xt = self._lengthen(xt, layer_t, level.step_t, last=level.number == 0)
        return self._lengthen(refined, layer, level.step, last=level.number == 0), xt

    def _restore(self, x: Value | None, skip: Value, layer: str) -> Value:
        """Add what precedes the transposed convolution of a decoder's layer."""
        if x is not None:
            skip = self._layers.apply("Add", skip, self._layers.reshape(x, skip.shape))
        return add_dconv(self._layers, self._rewrite(skip, layer, "norm1"), f"{layer}.dconv")

    def _lengthen(self, x: Value, layer: str, step: _Step, *, last: bool) -> Value:
        """Add the transposed convolution of a decoder's layer."""
        layers = self._layers
        kernel = layers.array(f"{layer}.conv_tr.weight").shape[2]
        rest = (x.shape[2] - 1) * step.stride + kernel - step.pad - step.length
        if layers.has(f"{layer}.norm2.weight"):  # sees also what is then cut off
            x = layers.upsample(x, f"{layer}.conv_tr", step.stride, (0, 0))
            x = layers.crop(self._norm(x, f"{layer}.norm2"), 2, step.pad, step.length)
        else:
            x = layers.upsample(x, f"{layer}.conv_tr", step.stride, (step.pad, rest))
        return x if last else layers.gelu(x)

    def _rewrite(self, x: Value, layer: str, norm: str) -> Value:
        layers = self._layers
        if not layers.has(f"{layer}.rewrite.weight"):
            return x
        if len(x.shape) == 4 and not layers.has(f"{layer}.{norm}.weight"):
            return _add_gated(layers, x, f"{layer}.rewrite")
        x = layers.convolve(x, f"{layer}.rewrite")
        return layers.glu(self._norm(x, f"{layer}.{norm}"))

    def _norm(self, x: Value, layer: str) -> Value:
        if not self._layers.has(f"{layer}.weight"):
            return x
        return self._layers.group_norm(x, layer, self._settings.norm_groups)


def _add_gated(layers: Layers, x: Value, layer: str) -> Value:
    """Add a convolution of spectra and its gate: (1, channels, bins, time_frames) → half of that.

    The halves of its filters are layers of their own: what they give needs no copies then, and the
    runtime computes the sigmoid as part of the one.
    """
    kernel = layers.array(f"{layer}.weight")
    half = len(kernel) // 2
    add = convolve_tiles if is_worthwhile(kernel) else Layers.convolve_parts
    signal, gate = add(layers, x, layer, (slice(half), slice(half, None)))
    return layers.apply("Mul", signal, layers.apply("Sigmoid", gate))
