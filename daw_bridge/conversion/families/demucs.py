"""Demucs on samples alone, as its versions 1 to 3 have it → an ONNX graph from samples to stems.

A U-Net over time: each layer on the way down is a strided convolution, each on the way up a
transposed one, with gated convolutions between them, and the way down's signal of the same rate is
added. Recurrent layers are at the lowest rate. From version 2 on, it runs at twice the song's rate.

Défossez, Usunier, Bottou and Bach, "Music source separation in the waveform domain", 2019; layers
as in model.py of the package demucs 2.0.3 and demucs.py of 4.0.1.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from onnx import TensorProto

from daw_bridge.conversion.checkpoints.archives import read_unpacked
from daw_bridge.conversion.checkpoints.demucs_packages import read_package
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.graphs.dconv import add_dconv
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.recurrent import add_lstm, stack_all_gates
from daw_bridge.conversion.graphs.waveforms import SAMPLES, signal_model
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.manifest import PassageShape, WaveformModel
from daw_bridge.library.stems import rest_last

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from daw_bridge.conversion.checkpoints.demucs_packages import Package
    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_SOURCES = ("drums", "bass", "other", "vocals")
"""Of the published models, in the reference's order."""
_TRAINED_SECONDS = 10
"""How much versions 1 and 2 saw at once in training."""
_NUMBERED = re.compile(r"^(encoder|decoder)\.(\d+)\.(\d+)\.")
_EPSILON = 1e-5
_ZEROS, _ROLLOFF = 24, 0.945  # of julius.resample_frac, by which the reference resamples
_HEAD_BYTES = 2**16
_FILE_BYTES = 2**31 - 2**20
"""What fits into an ONNX file. The published networks of version 1 with 100 channels do not."""
_MARKS = (b"demucs.model\nDemucs\n", b"demucs.demucs\nDemucs\n", b"encoder.0.0.weight")
_FIXED: Mapping[str, Sequence[Any]] = {"upsample": (False,), "dconv_depth": range(1, 100)}
"""Settings that are rebuilt in one way only, and the values that mean it."""


class Settings(msgspec.Struct, frozen=True):
    """What the arrays of a network do not tell, by the reference's names and as in version 3.

    Attributes:
        is_padded: it gives as much as it takes; before version 3 it gives less.
    """

    sources: tuple[str, ...] = _SOURCES
    samplerate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)] = 44_100
    segment: Annotated[float, msgspec.Meta(gt=0, le=600)] = 40
    stride: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    resample: bool = True
    rewrite: bool = True
    gelu: bool = True
    lstm_layers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    norm_groups: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 4
    dconv_mode: Annotated[int, msgspec.Meta(ge=0, le=3)] = 1
    is_padded: bool = True


def recognises(path: Path) -> bool:
    """Return whether a file begins as those of Demucs's versions 1 to 3 do."""
    return path.is_file() and any(mark in read_unpacked(path, _HEAD_BYTES) for mark in _MARKS)


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the network of a ``.th`` or ``.th.gz`` file.

    Stems that are wished for are in the network's order; ``other`` then goes to the end. A network
    of more than two gigabytes is kept in half precision.

    Raises:
        WeightsError: the file is damaged, or of a network that cannot be rebuilt.
        OptionError: it has not as many stems as the wishes name.
    """
    package = read_package(path, trust=wishes.trust)
    settings = read_settings(package, str(path))
    stems = wishes.stems or settings.sources
    try:
        graph = GraphBuilder(_shrink(name_arrays(package, settings)))
        network = Demucs(Layers(graph), settings)
        if len(stems) != network.stems:
            raise OptionError(f"{path} makes {network.stems} stems, not {', '.join(stems)}.")
        samples, context = network.passage()
        signals = network.add(Value(SAMPLES, (1, network.channels, samples)))
    except (IndexError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is no Demucs as its settings have it: {error}.") from error
    if graph.unused:
        raise WeightsError(f"{path} holds {graph.unused[0]}, which cannot be rebuilt.")
    order = rest_last(stems)
    ordered = tuple(stems[index] for index in order)
    return Conversion(
        network=signal_model(graph, signals, order, samples=samples).SerializeToString(),
        model=WaveformModel(
            **UNNAMED,
            summary=f"{', '.join(ordered).capitalize()}, by Demucs.",
            stems=ordered,
            sample_rate_hz=settings.samplerate,
            channels=network.channels,
            overlap=0.25,
            passage=PassageShape(samples=samples, context_samples=context),
        ),
    )


def read_settings(package: Package, origin: str) -> Settings:
    """Return what a package says of its network.

    Raises:
        WeightsError: it says what is not rebuilt here.
    """
    if not package.network.startswith("Demucs"):
        raise WeightsError(f"{origin} is a network of the class {package.network}, not Demucs.")
    said = dict(package.settings)
    for name, taken in _FIXED.items():
        if name in said and said[name] not in taken:
            raise WeightsError(
                f"{origin} was trained with {name} = {said[name]!r}, which cannot be rebuilt."
            )
    if package.network != "Demucs":
        said = {"lstm_layers": 2, **said, "gelu": False, "is_padded": False}
    if package.network == "Demucs1":
        said |= {"resample": False, "sources": _SOURCES}  # it knows their number only
    elif package.args:
        said["sources"] = package.args[0]
    try:
        return msgspec.convert({**said, "segment": float(said.get("segment", 40))}, Settings)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{origin} has other settings than Demucs: {error}.") from error


def name_arrays(package: Package, settings: Settings) -> dict[str, NDArray[Any]]:
    """Return a package's arrays, of any shape, by the names of layers' parts, for :class:`Demucs`.

    Raises:
        IndexError: a layer has more parts than the settings tell.
    """
    layouts = _layouts(settings)

    def rename(match: re.Match[str]) -> str:
        part, layer, index = match.groups()
        return f"{part}.{layer}.{layouts[part][int(index)]}."

    named = {_NUMBERED.sub(rename, name): array for name, array in package.arrays.items()}
    return stack_all_gates(named)


class Demucs:
    """Adds a network to a graph: its signals are (1, channels, samples) at the rate of each layer.

    Args:
        layers: know its arrays, as from :func:`name_arrays`.
        settings: what these do not tell.
    """

    def __init__(self, layers: Layers, settings: Settings) -> None:
        self._layers = layers
        self._settings = settings
        self._depth = 0
        while layers.has(f"encoder.{self._depth}.conv.weight"):
            self._depth += 1
        _, self.channels, self._kernel = layers.array("encoder.0.conv.weight").shape
        self.stems = len(layers.array(f"decoder.{self._depth - 1}.conv_tr.bias")) // self.channels

    def passage(self) -> tuple[int, int]:
        """Return how many samples it takes, and how many of them at each end are context.

        The reference shows it as many to get back the length that it was trained on or, from
        version 3 on, the length that it was saved with.
        """
        seconds = self._settings.segment if self._settings.is_padded else _TRAINED_SECONDS
        wanted = round(seconds * self._settings.samplerate)
        taken, given = self._fit(wanted)
        return taken, (taken - (wanted if self._settings.is_padded else given) + 1) // 2

    def add(self, samples: Value) -> Value:
        """Add the network.

        Args:
            samples: (1, channels, samples), a passage; from version 3 on, of any length.

        Returns:
            (stems, 1, channels, samples), less what is missing at the ends.
        """
        layers, settings = self._layers, self._settings
        x, undo = standardise(layers, samples)
        if settings.is_padded:
            spare = self._fit(samples.shape[2])[0] - samples.shape[2]
            x = _pad(layers, x, (spare // 2, spare - spare // 2))
        if settings.resample:
            x = _resample(layers, x, 1, 2)
        x = self._add_layers(x)
        if settings.resample:
            x = _resample(layers, x, 2, 1)
        x = _crop_middle(layers, undo(x), min(samples.shape[2], x.shape[2]))
        return layers.reshape(x, (self.stems, 1, self.channels, -1))

    def _add_layers(self, x: Value) -> Value:
        skips = []
        for number in range(self._depth):
            x = self._encode(x, f"encoder.{number}")
            skips.append(x)
        if self._settings.lstm_layers:
            x = self._recur(x)
        for number, skip in enumerate(reversed(skips)):
            seen = _crop_middle(self._layers, skip, x.shape[2])
            x = self._decode(self._layers.apply("Add", seen, x), f"decoder.{number}")
            if number < self._depth - 1:
                x = self._activate(x)
        return x

    def _encode(self, x: Value, layer: str) -> Value:
        x = self._layers.downsample(x, f"{layer}.conv", self._settings.stride, (0, 0))
        x = self._activate(self._norm(x, f"{layer}.norm1"))
        x = add_dconv(self._layers, x, f"{layer}.dconv")
        return self._rewrite(x, layer, "norm2")

    def _decode(self, x: Value, layer: str) -> Value:
        x = add_dconv(self._layers, self._rewrite(x, layer, "norm1"), f"{layer}.dconv")
        x = self._layers.upsample(x, f"{layer}.conv_tr", self._settings.stride, (0, 0))
        return self._norm(x, f"{layer}.norm2")

    def _rewrite(self, x: Value, layer: str, norm: str) -> Value:
        """Add a convolution and, where it doubles the channels, a gate."""
        if not self._settings.rewrite:
            return x
        channels = x.shape[1]
        if self._settings.is_padded:
            x = self._layers.convolve(x, f"{layer}.rewrite")
        else:
            x = self._layers.downsample(x, f"{layer}.rewrite", 1, (0, 0))
        x = self._norm(x, f"{layer}.{norm}")
        return self._layers.glu(x) if x.shape[1] > channels else self._layers.apply("Relu", x)

    def _recur(self, x: Value) -> Value:
        """Add the recurrent layers and the dense one that joins their directions."""
        layers = self._layers
        steps = layers.transpose(x, 2, 0, 1)
        states = add_lstm(
            layers.graph, steps.name, f"{layers.scope}lstm.lstm", layers=self._settings.lstm_layers
        )
        both = Value(states, (*steps.shape[:2], 2 * x.shape[1]))
        return layers.transpose(layers.dense(both, "lstm.linear"), 1, 2, 0)

    def _activate(self, x: Value) -> Value:
        return self._layers.gelu(x) if self._settings.gelu else self._layers.apply("Relu", x)

    def _norm(self, x: Value, layer: str) -> Value:
        if not self._layers.has(f"{layer}.weight"):
            return x
        return self._layers.group_norm(x, layer, self._settings.norm_groups)

    def _fit(self, samples: int) -> tuple[int, int]:
        """Return how many samples are taken and given so that no fewer than some are given.

        No layer then has any left over.
        """
        rate = 1 + self._settings.resample
        stride = self._settings.stride
        context = 0
        if self._settings.rewrite and not self._settings.is_padded:
            context = self._layers.array("decoder.0.rewrite.weight").shape[2] - 1

        def widen(steps: int, context: int) -> int:
            for _ in range(self._depth):
                steps = (steps - context - 1) * stride + self._kernel
            return steps

        steps = -((widen(0, context) - rate * samples) // stride**self._depth)
        steps = max(steps, context + 1)
        return math.ceil(widen(steps, 0) / rate), widen(steps, context) // rate


def standardise(layers: Layers, samples: Value) -> tuple[Value, Callable[[Value], Value]]:
    """Bring a signal's mono mix to a mean of 0 and a deviation of 1; return what undoes that.

    The silence that it may end in does not count, since the last passage of a song is filled up
    with it.

    Args:
        layers: of the network.
        samples: (1, channels, samples).

    Returns:
        the same shape; and what takes and gives (1, stems · channels, samples).
    """
    frames = layers.constant(samples.shape[2])
    mono = layers.mean(samples, 1)
    sounds = layers.apply("Sign", layers.apply("Abs", mono))
    index = layers.graph.add("ArgMax", [sounds.name], axis=2, select_last_index=1)
    last = Value(layers.graph.add("Cast", [index], to=TensorProto.FLOAT), (1, 1, 1))
    count = layers.apply("Add", last, layers.constant(1))

    def total(signal: Value) -> Value:
        return layers.apply("Mul", layers.mean(signal, 2), frames)

    mean = layers.apply("Div", total(mono), count)
    excess = layers.apply("Mul", layers.apply("Mul", mean, mean), count)
    energy = layers.apply("Sub", total(layers.apply("Mul", mono, mono)), excess)
    energy = layers.apply("Relu", energy)  # what rounding leaves of a constant may be less than 0
    unbiased = layers.apply("Max", last, layers.constant(1))
    deviation = layers.apply("Sqrt", layers.apply("Div", energy, unbiased))
    divisor = layers.apply("Add", deviation, layers.constant(_EPSILON))

    def undo(signal: Value) -> Value:
        return layers.apply("Add", layers.apply("Mul", signal, deviation), mean)

    return layers.apply("Div", layers.apply("Sub", samples, mean), divisor), undo


def _shrink(arrays: Arrays) -> Arrays:
    """Return arrays that are in half precision where a file could not hold them otherwise."""
    if sum(array.nbytes for array in arrays.values()) < _FILE_BYTES:
        return arrays
    if max(np.abs(array).max() for array in arrays.values()) > np.finfo(np.float16).max:
        raise ValueError("its arrays are too large for half precision")
    return {name: array.astype(np.float16) for name, array in arrays.items()}


def _layouts(settings: Settings) -> dict[str, list[str]]:
    """Return the names of the numbered parts of a layer, on the way down and up."""
    inward, outward = (
        ["rewrite", norm, "activation"] * settings.rewrite for norm in ("norm2", "norm1")
    )
    branches = [["dconv"] * bool(settings.dconv_mode & bit) for bit in (1, 2)]
    encoder = ["conv", "norm1", "activation", *branches[0], *inward]
    decoder = [*outward, *branches[1], "conv_tr", "norm2", "activation"]
    if not settings.is_padded:
        old = {"norm1", "norm2", "dconv"}
        encoder, decoder = (
            [part for part in parts if part not in old] for parts in (encoder, decoder)
        )
    return {"encoder": encoder, "decoder": decoder}


def _resample(layers: Layers, x: Value, old: int, new: int) -> Value:
    """Change the sample rate: (1, channels, samples) → (1, channels, samples · new / old).

    The filter is a sinc under a squared cosine; beyond the ends, the first and last sample go on.
    As julius does it: J. O. Smith, "Digital audio resampling", 2002.
    """
    rate = _ROLLOFF * min(old, new)
    width = math.ceil(_ZEROS * old / rate)
    at = np.arange(-width, width + old) / old
    times = np.clip((at - np.arange(new)[:, np.newaxis] / new) * rate, -_ZEROS, _ZEROS)
    kernel = np.sinc(times) * np.cos(times * np.pi / _ZEROS / 2) ** 2
    kernel = (kernel / kernel.sum(axis=1, keepdims=True))[:, np.newaxis]
    _, channels, frames = x.shape
    rows = _pad(layers, layers.reshape(x, (channels, 1, frames)), (width, width + old), mode="edge")
    name = layers.graph.add("Conv", [rows.name, layers.constant(kernel).name], strides=[old])
    phases = layers.transpose(Value(name, (channels, new, frames // old + 1)), 0, 2, 1)
    joined = layers.reshape(phases, (1, channels, -1))
    return layers.crop(joined, 2, 0, frames * new // old)


def _pad(layers: Layers, x: Value, pads: tuple[int, int], mode: str = "constant") -> Value:
    """Lengthen (b, channels, samples) before and after."""
    before, after = pads
    amounts = layers.graph.unnamed(np.array([0, 0, before, 0, 0, after]))
    name = layers.graph.add("Pad", [x.name, amounts], mode=mode)
    return Value(name, (*x.shape[:2], before + x.shape[2] + after))


def _crop_middle(layers: Layers, x: Value, frames: int) -> Value:
    """Keep the middle of a signal: (1, channels, samples) → (1, channels, frames)."""
    return layers.crop(x, 2, (x.shape[2] - frames) // 2, frames)
