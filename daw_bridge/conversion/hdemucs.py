"""Hybrid Demucs, with or without a transformer → one ONNX graph of waveforms and spectra.

Two U-Nets, one over the samples, one over the bins of spectra whose real and imaginary parts are
channels, share what they know at their lowest level. A stem is the sum of what both give. A bag of
networks becomes one graph.

A. Défossez, "Hybrid spectrogram and waveform source separation", MDX Workshop at ISMIR 2021;
S. Rouard, F. Massa and A. Défossez, "Hybrid transformers for music source separation", ICASSP 2023;
layers as in hdemucs.py and htdemucs.py of the package demucs 4.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from daw_bridge.conversion.cross_transformer import Attention, add_transformer
from daw_bridge.conversion.dconv import add_dconv
from daw_bridge.conversion.demucs_layers import Layers, Value
from daw_bridge.conversion.demucs_packages import find_bag, read_package
from daw_bridge.conversion.families import Conversion
from daw_bridge.conversion.graph import GraphBuilder
from daw_bridge.conversion.recurrent import stack_all_gates
from daw_bridge.errors import OptionError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.demucs_packages import Package
    from daw_bridge.conversion.families import Wishes

_INPUTS = ("samples", "spectrum")
_OUTPUTS = ("signals", "spectra")
_REST = "other"
_SEGMENTS = {"HTDemucs": 10, "HDemucs": 40}
"""What passages last by default, in seconds."""
_EPSILON = 1e-5
_PARTS = 2  # real and imaginary
_TAKEN: dict[str, tuple[Any, ...]] = {
    "cac": (True,),
    "hybrid": (True,),
    "hybrid_old": (False,),
    "multi_freqs": (None, []),
    "t_emb": ("sin",),
    "t_sin_random_shift": (0,),
    "t_sparse_self_attn": (False,),
    "t_sparse_cross_attn": (False,),
    "t_norm_in": (True,),
    "t_group_norm": (False,),
    "t_norm_first": (True,),
}
"""Settings that are rebuilt in one way only, and the values that mean it."""


_MARKS = tuple(
    f"demucs.{module}\n{name}\n".encode()
    for module, name in (("htdemucs", "HTDemucs"), ("hdemucs", "HDemucs"), ("wdemucs", "WDemucs"))
)
_HEAD_BYTES = 2**16


def recognises(path: Path) -> bool:
    """Return whether a ``.th`` file, or one of a bag's, begins as a hybrid network's does."""
    return any(map(_is_hybrid, find_bag(path).files))


def convert(path: Path, wishes: Wishes) -> Conversion:
    """Rebuild the network of a ``.th`` file, or those of a bag.

    Stems that are wished for are names in the checkpoint's own order; ``other`` then becomes the
    last, which the reference has before the vocals.

    Raises:
        WeightsError: a file is damaged, holds what cannot be rebuilt, or does not fit the others.
        OptionError: there are more or fewer stems than are wished for.
    """
    bag = find_bag(path)
    if not bag.files:
        raise WeightsError(f"{path} is neither a .th file nor a bag of them.")
    members = [_read_member(file, bag.segment) for file in bag.files]
    first = members[0].settings
    sources = wishes.stems or first.sources
    if len(sources) != len(first.sources):
        raise OptionError(f"{path} makes {len(first.sources)} stems, not {', '.join(sources)}.")
    order = sorted(range(len(sources)), key=lambda index: sources[index] == _REST)
    stems = tuple(sources[index] for index in order)
    try:
        network = build_hybrid(members, bag.weights, order)
    except (IndexError, TypeError, ValueError, WeightsError) as error:
        raise WeightsError(f"{path} cannot be rebuilt: {str(error).rstrip('.')}.") from error
    return Conversion(
        network=network.SerializeToString(),
        summary=f"{', '.join(stems).capitalize()}, by Hybrid Demucs.",
        kind="hybrid",
        stems=stems,
        sample_rate_hz=first.samplerate,
        channels=first.audio_channels,
        tables={
            "overlap": 0.25,
            "transform": {"window_samples": first.nfft, "hop_samples": first.hop_samples},
            "passage": {"samples": first.samples},
        },
    )


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
    def spectrum_shape(self) -> tuple[int, int, int, int]:
        """(1, channels · 2, bins, time_frames): the bin at half the sample rate is left out."""
        frames = -(-self.samples // self.hop_samples)
        return 1, _PARTS * self.audio_channels, self.nfft // 2, frames


def read_settings(package: Package, origin: str) -> Hybrid:
    """Return what a package says of its network.

    Raises:
        WeightsError: it says what is not rebuilt here.
    """
    for name, taken in _TAKEN.items():
        if name in package.settings and package.settings[name] not in taken:
            raise WeightsError(
                f"{origin} was trained with {name} = {package.settings[name]!r}; only"
                f" {taken[0]!r} can be rebuilt."
            )
    said: dict[str, Any] = {"segment": _SEGMENTS[package.network]}
    said |= dict(zip(("sources", "audio_channels"), package.args, strict=False))
    said |= {k: v for k, v in package.settings.items() if k in Hybrid.__dataclass_fields__}
    said["sources"] = tuple(said["sources"])
    return Hybrid(**said)


class Member(NamedTuple):
    """One network of a bag."""

    settings: Hybrid
    arrays: Mapping[str, NDArray[Any]]


def build_hybrid(
    members: Sequence[Member], weights: Sequence[Sequence[float]] | None, order: Sequence[int]
) -> onnx.ModelProto:
    """Build one graph of networks that take the same passages.

    Args:
        members: the networks.
        weights: how much each of a network's stems counts; None: all the same.
        order: the members' stems as the graph is to give them.

    Raises:
        WeightsError: the networks do not fit each other, or one cannot be rebuilt.
    """
    settings = members[0].settings
    if len({(each.settings.sources, *_shapes(each.settings)) for each in members}) > 1:
        raise WeightsError("These networks are no bag: their stems or passages differ.")
    shares = np.asarray(weights or np.ones((len(members), len(order))))
    if shares.shape != (len(members), len(order)) or not (shares.sum(axis=0) > 0).all():
        raise WeightsError("A bag has a weight for each stem of each network, not all of them 0.")
    shares = shares / shares.sum(axis=0)
    graph = GraphBuilder(
        {
            f"{n}.{name}": array
            for n, each in enumerate(members)
            for name, array in stack_all_gates(each.arrays).items()
        }
    )
    samples, spectrum = map(Value, _INPUTS, _shapes(settings))
    given = [
        add_hybrid(Layers(graph, f"{number}."), member.settings, samples, spectrum)
        for number, member in enumerate(members)
    ]
    if graph.unused:
        raise WeightsError(f"It has layers that cannot be rebuilt: {', '.join(graph.unused[:3])} …")
    outputs = {
        name: _mix(Layers(graph), estimates, shares, order, name).shape
        for name, estimates in zip(_OUTPUTS, zip(*given, strict=True), strict=True)
    }
    return graph.model(dict([samples, spectrum]), outputs)


def _mix(
    layers: Layers,
    estimates: Sequence[Value],
    shares: NDArray[Any],
    order: Sequence[int],
    name: str,
) -> Value:
    """Average the networks' stems and bring them into their order."""
    shares = shares.reshape(*shares.shape, *[1] * (len(estimates[0].shape) - 1))
    mixed, *others = (
        layers.apply("Mul", estimate, layers.constant(share)) if len(estimates) > 1 else estimate
        for estimate, share in zip(estimates, shares, strict=True)
    )
    for other in others:
        mixed = layers.apply("Add", mixed, other)
    places = layers.stored(np.array(order))
    return mixed._replace(
        name=layers.graph.add("Gather", [mixed.name, places.name], output=name, axis=0)
    )


def _shapes(settings: Hybrid) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of what a network takes."""
    return (1, settings.audio_channels, settings.samples), settings.spectrum_shape


def _is_hybrid(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return any(mark in head for mark in _MARKS)


def _read_member(file: Path, segment: float | None) -> Member:
    package = read_package(file)
    if package.network not in _SEGMENTS:
        raise WeightsError(f"{file} is of the class {package.network}, no Hybrid Demucs.")
    try:
        settings = read_settings(package, str(file))
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{file} is no Hybrid Demucs: {error}.") from error
    return Member(replace(settings, segment=segment) if segment else settings, package.arrays)


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
    step_t: _Step | None
    skip_t: Value | None
    """None where the branches meet: the decoder of the samples begins anew there."""


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
    """Bring a signal to a mean of 0 and a deviation of 1; return it and what undoes that."""

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
    """The two U-Nets, whose layers are numbered from the outside."""

    def __init__(self, layers: Layers, settings: Hybrid) -> None:
        self._layers = layers
        self._settings = settings
        self._depth, self._depth_t = (
            next(n for n in count() if not layers.has(f"{branch}.{n}.conv.weight"))
            for branch in ("encoder", "tencoder")
        )

    def add(self, x: Value, xt: Value) -> tuple[Value, Value]:
        """Add all layers; the shapes of what comes out are those of what goes in."""
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
        if not self._layers.has(f"{layer}.rewrite.weight"):
            return x
        x = self._layers.convolve(x, f"{layer}.rewrite")
        return self._layers.glu(self._norm(x, f"{layer}.{norm}"))

    def _norm(self, x: Value, layer: str) -> Value:
        if not self._layers.has(f"{layer}.weight"):
            return x
        return self._layers.group_norm(x, layer, self._settings.norm_groups)
