"""Wave-U-Net's checkpoints → an ONNX graph from samples to the samples of all stems.

Layers on the way down convolve and drop every second sample; on the way up, samples are put between
those that are there, what the way down saw at this rate is added as further channels, and a
convolution follows. The published networks convolve only what is there, so they give less than they
take, and their last stem is what the others leave.

Stoller, Ewert and Dixon, "Wave-U-Net: a multi-scale neural network for end-to-end audio source
separation", ISMIR 2018; layers as in Models/UnetAudioSeparator.py of its authors' repository.
"""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from daw_bridge.conversion.demucs_layers import Value
from daw_bridge.conversion.families import Conversion
from daw_bridge.conversion.graph import GraphBuilder
from daw_bridge.conversion.tensorflow import list_variables, read_latest
from daw_bridge.conversion.waveforms import SAMPLES, add_cut, rest_last, signal_model
from daw_bridge.errors import OptionError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.families import Wishes
    from daw_bridge.conversion.graph import Weights

_CHANNELS = 2
_GIVEN_SAMPLES = 2**18
"""Of a passage: enough for the context around it to be little work."""
_SLOPE = 0.2
_CONVOLUTION = re.compile(r"separator/conv1d(?:_(\d+))?/kernel")
_PUBLISHED = {2: ("accompaniment", "vocals"), 4: ("bass", "drums", "other", "vocals")}
"""The authors' stems, by their number."""


class Settings(msgspec.Struct, frozen=True):
    """What the arrays of a network do not tell, by the keys of the authors' configuration.

    What is left out is as in those of the authors' published models that have such arrays.

    Attributes:
        expected_sr: the sample rate in Hz.
        context: convolutions take only samples that are there; else zeros are put around them.
        output_type: whether the last stem is the difference between the mixture and the others.
        output_activation: what each stem ends with; ``linear`` clips it.
        source_names: the stems.
        num_frames: how many samples a network without context sees.
    """

    expected_sr: Annotated[int, msgspec.Meta(ge=0)] = 0
    context: bool | None = None
    output_type: Literal["direct", "difference"] | None = None
    output_activation: Literal["tanh", "linear"] = "tanh"
    source_names: tuple[str, ...] = ()
    num_frames: Annotated[int, msgspec.Meta(gt=0)] = 16_384


class Net(NamedTuple):
    """A network's arrays, and what they tell.

    Its layers are ``down0`` …, ``bottom``, ``up0`` … and ``output0`` …, each with ``.kernel`` and
    ``.bias``; ``up0.weight`` … is what the earlier of two frames has in what is put between them,
    by channels.
    """

    arrays: Weights
    depth: int
    outputs: int
    channels: int
    is_learnt: bool
    """What is put between two frames is."""

    def width(self, layer: str) -> int:
        """Return how many frames a layer's kernel spans."""
        return self.arrays[f"{layer}.kernel"].shape[2]


class Window(NamedTuple):
    """What a network sees of a passage, and which part of it is given.

    Attributes:
        passage: its samples.
        context: how many of them, at each end, are not given.
        start: the first that the network sees.
        seen: how many it sees.
    """

    passage: int
    context: int
    start: int
    seen: int


def recognises(path: Path) -> bool:
    """Return whether this is a folder, or an archive, of TensorFlow's with Wave-U-Nets."""
    return any(map(_CONVOLUTION.fullmatch, list_variables(path)))


def convert(path: Path, wishes: Wishes) -> Conversion:
    """Rebuild the network of a checkpoint.

    Stems that are wished for are in the network's order; ``other`` or ``accompaniment`` then goes
    to the end. A configuration is a JSON object of :class:`Settings`. Without one, a network that
    gives an odd number of stems leaves one more and has context, and one that learnt what is
    between two frames runs at 44.1 kHz, any other at 22.05 kHz. A network of one channel runs on
    left and right alike.

    Raises:
        WeightsError: the checkpoint is damaged, or no Wave-U-Net.
        OptionError: it has not as many stems as are named, or nobody names them.
    """
    net = read_net(path)
    settings = settle(net, _read_settings(wishes))
    window = find_window(net, settings)
    stems = tuple(settings.source_names[index] for index in rest_last(settings.source_names))
    return Conversion(
        network=build_waveunet(net, settings, window).SerializeToString(),
        summary=f"{', '.join(stems).capitalize()}, by Wave-U-Net.",
        kind="waveform",
        stems=stems,
        sample_rate_hz=settings.expected_sr,
        tables={
            "overlap": 0.0,
            "last_is_rest": len(stems) > net.outputs,
            "passage": {"samples": window.passage, "context_samples": window.context},
        },
    )


def read_net(path: Path) -> Net:
    """Read a checkpoint's network.

    Raises:
        WeightsError: the checkpoint is damaged, or no Wave-U-Net.
    """
    variables = read_latest(path)
    try:
        return _measure(variables)
    except KeyError as error:
        raise WeightsError(f"{path} is no Wave-U-Net: it lacks {error}.") from error
    except ValueError as error:
        raise WeightsError(f"{path} is no Wave-U-Net: {error}.") from error


def settle(net: Net, settings: Settings) -> Settings:
    """Return settings of which nothing is left out.

    Raises:
        OptionError: there are not as many stems as the network makes, or nobody names them.
    """
    stems, kind = settings.source_names, settings.output_type
    if kind is None:
        leaves_one = len(stems) == net.outputs + 1 if stems else net.outputs % 2 == 1
        kind = "difference" if leaves_one else "direct"
    made = net.outputs + (kind == "difference")
    stems = stems or _PUBLISHED.get(made, ())
    if len(stems) != made:
        named = f"not {', '.join(stems)}" if stems else "which --stems names"
        raise OptionError(f"This Wave-U-Net makes {made} stems, {named}.")
    return msgspec.structs.replace(
        settings,
        expected_sr=settings.expected_sr or (44_100 if net.is_learnt else 22_050),
        context=kind == "difference" if settings.context is None else settings.context,
        output_type=kind,
        source_names=stems,
    )


def find_window(net: Net, settings: Settings) -> Window:
    """Return what a network sees of a passage.

    What it computes repeats every ``2 ** depth`` samples. What is given of a passage is a multiple
    of that, so passages join as if the network had seen all of the signal at once.
    """
    multiple = 2**net.depth
    if not settings.context:
        frames = -(-settings.num_frames // multiple) * multiple
        return Window(frames, context=0, start=0, seen=frames)
    given = -(-_GIVEN_SAMPLES // multiple) * multiple
    bottom = -((_count_given(net, 0) - given) // multiple)
    seen, made = _count_seen(net, bottom), _count_given(net, bottom)
    context = made - given + (seen - made + 1) // 2
    return Window(given + 2 * context, context, start=context - (seen - made) // 2, seen=seen)


def build_waveunet(net: Net, settings: Settings, window: Window) -> onnx.ModelProto:
    """Build a network for passages, its stems in the order of :func:`rest_last`.

    Args:
        net: its arrays.
        settings: with nothing left out.
        window: what it sees.

    Raises:
        WeightsError: its layers do not fit each other.
    """
    graph = GraphBuilder(net.arrays)
    each = graph.reshape(SAMPLES, [-1, net.channels, window.passage])
    seen = add_cut(graph, each, window.start, window.seen)
    mixture = _Feature(seen, net.channels, window.seen)
    stems = _Layers(graph, net, settings).separate(mixture)
    given = window.passage - 2 * window.context
    shape = (1, 1, _CHANNELS, given)
    cut = [graph.reshape(add_cut(graph, stem, 0, given), shape) for stem in stems]
    signals = Value(graph.add("Concat", cut, axis=0), (len(cut), *shape[1:]))
    order = rest_last(settings.source_names)[: net.outputs]
    return signal_model(graph, signals, order, samples=window.passage)


def _read_settings(wishes: Wishes) -> Settings:
    settings = Settings()
    if wishes.configuration:
        try:
            settings = msgspec.json.decode(wishes.configuration.read_bytes(), type=Settings)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OptionError(
                f"{wishes.configuration} is no configuration of Wave-U-Net's: {error}."
            ) from error
    return msgspec.structs.replace(settings, source_names=wishes.stems or settings.source_names)


def _measure(variables: Mapping[str, NDArray[np.float32]]) -> Net:
    numbers = [int(match[1] or 0) for match in map(_CONVOLUTION.fullmatch, variables) if match]
    layers = [f"separator/conv1d{f'_{number}' if number else ''}" for number in sorted(numbers)]
    kernels = [variables[f"{layer}/kernel"].transpose(2, 1, 0) for layer in layers]
    depth = _count_levels(kernels)
    outputs = len(kernels) - 2 * depth - 1
    if not depth or outputs < 1:
        raise ValueError(f"its {len(kernels)} layers are in no U")
    channels = kernels[0].shape[1]
    if channels > _CHANNELS or any(len(kernel) != channels for kernel in kernels[-outputs:]):
        raise ValueError(f"it takes {channels} channels and gives {len(kernels[-1])}")
    levels = range(depth)
    names = [*(f"down{level}" for level in levels), "bottom", *(f"up{level}" for level in levels)]
    names += [f"output{number}" for number in range(outputs)]
    arrays = {}
    for name, layer, kernel in zip(names, layers, kernels, strict=True):
        arrays[f"{name}.kernel"] = kernel
        arrays[f"{name}.bias"] = _vector(variables, f"{layer}/bias", len(kernel))
    is_learnt = "separator/interp_0" in variables
    for level, kernel in zip(levels, kernels[depth:], strict=False):
        logits = np.zeros(len(kernel), np.float32)
        if is_learnt:
            logits = _vector(variables, f"separator/interp_{level}", len(kernel))
        arrays[f"up{level}.weight"] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Net(arrays, depth, outputs, channels=channels, is_learnt=is_learnt)


def _vector(
    variables: Mapping[str, NDArray[np.float32]], name: str, length: int
) -> NDArray[np.float32]:
    vector = variables[name]
    if vector.shape != (length,):
        raise ValueError(f"{name} is of shape {vector.shape}, not ({length},)")
    return vector


def _count_levels(kernels: Sequence[NDArray[np.float32]]) -> int:
    """Return how deep a network is: on the way down, a layer takes what the one before it gives."""
    follows = (later.shape[1] == earlier.shape[0] for earlier, later in pairwise(kernels))
    return sum(takewhile(bool, follows))


def _count_given(net: Net, frames: int) -> int:
    """Return how many frames come out of a network whose lowest layer gives so many."""
    for level in range(net.depth):
        frames = 2 * frames - net.width(f"up{level}")
    return frames - net.width("output0") + 1


def _count_seen(net: Net, frames: int) -> int:
    """Return how many frames a network takes whose lowest layer gives so many."""
    frames += net.width("bottom") - 1
    for level in reversed(range(net.depth)):
        frames = 2 * frames - 2 + net.width(f"down{level}")
    return frames


class _Feature(NamedTuple):
    """A signal of (batch, channels, frames)."""

    name: str
    channels: int
    frames: int


class _Layers:
    """Adds the layers of a network to its graph."""

    def __init__(self, graph: GraphBuilder, net: Net, settings: Settings) -> None:
        self._graph = graph
        self._net = net
        self._settings = settings

    def separate(self, mixture: _Feature) -> list[str]:
        """Add the network; return its stems in its order."""
        feature, skips = mixture, []
        for level in range(self._net.depth):
            skips.append(self._activated(feature, f"down{level}"))
            feature = self._halved(skips[-1])
        feature = self._activated(feature, "bottom")
        for level, skip in enumerate(reversed(skips)):
            joined = self._joined(skip, self._doubled(feature, level))
            feature = self._activated(joined, f"up{level}")
        joined = self._joined(mixture, feature)
        stems = [self._stem(joined, f"output{number}") for number in range(self._net.outputs)]
        names = [stem.name for stem in stems]
        if self._settings.output_type == "difference":
            rest = self._cropped(mixture, stems[0].frames).name
            for name in names:
                rest = self._graph.add("Sub", [rest, name])
            names.append(self._clipped(rest))
        return names

    def _convolved(self, feature: _Feature, layer: str) -> _Feature:
        """Convolve: with context, frames get lost; without, zeros are put around them."""
        channels, taken, width = self._graph.array(f"{layer}.kernel").shape
        if taken != feature.channels:
            raise WeightsError(
                f"This is no Wave-U-Net: {layer} takes {taken} channels, not {feature.channels}."
            )
        lost = width - 1
        pads = [0, 0] if self._settings.context else [lost // 2, lost - lost // 2]
        inputs = [feature.name, *self._graph.weights(layer, "kernel", "bias")]
        name = self._graph.add("Conv", inputs, pads=pads)
        return _Feature(name, channels, feature.frames - lost + sum(pads))

    def _activated(self, feature: _Feature, layer: str) -> _Feature:
        convolved = self._convolved(feature, layer)
        name = self._graph.add("LeakyRelu", [convolved.name], alpha=_SLOPE)
        return convolved._replace(name=name)

    def _stem(self, feature: _Feature, layer: str) -> _Feature:
        stem = self._convolved(feature, layer)
        if self._settings.output_activation == "linear":
            return stem._replace(name=self._clipped(stem.name))
        return stem._replace(name=self._graph.add("Tanh", [stem.name]))

    def _clipped(self, signal: str) -> str:
        limits = [
            self._graph.constant(f"{signal}.{name}", np.array(limit, np.float32))
            for name, limit in (("least", -1), ("most", 1))
        ]
        return self._graph.add("Clip", [signal, *limits])

    def _halved(self, feature: _Feature) -> _Feature:
        """Keep every second frame, the first among them."""
        bounds = {"starts": 0, "ends": feature.frames, "axes": 2, "steps": 2}
        inputs = [
            self._graph.constant(f"{feature.name}.{name}", np.array([value]))
            for name, value in bounds.items()
        ]
        name = self._graph.add("Slice", [feature.name, *inputs])
        return _Feature(name, feature.channels, (feature.frames + 1) // 2)

    def _doubled(self, feature: _Feature, level: int) -> _Feature:
        """Put a weighted mean between each two frames; without context, also after the last.

        It is followed by zeros where the weights are learnt, by itself again where they are not.
        """
        weight = self._graph.array(f"up{level}.weight")
        kernel = np.stack([1 - weight, np.ones_like(weight), weight], axis=1)[:, np.newaxis]
        name, frames, spare = feature.name, 2 * feature.frames - 1, 1
        if not self._settings.context:
            frames, spare = frames + 1, 0
            if not self._net.is_learnt:
                pads = self._graph.constant(f"up{level}.pads", np.array([0, 0, 0, 0, 0, 1]))
                name, spare = self._graph.add("Pad", [name, pads], mode="edge"), 2
        name = self._graph.add(
            "ConvTranspose",
            [name, self._graph.constant(f"up{level}.between", kernel)],
            group=feature.channels,
            strides=[2],
            pads=[1, spare],
        )
        return _Feature(name, feature.channels, frames)

    def _cropped(self, feature: _Feature, frames: int) -> _Feature:
        """Keep so many frames in the middle."""
        start = (feature.frames - frames) // 2
        name = add_cut(self._graph, feature.name, start, frames)
        return feature._replace(name=name, frames=frames)

    def _joined(self, skip: _Feature, feature: _Feature) -> _Feature:
        """Put the channels of a skip's middle before those of a feature."""
        names = [self._cropped(skip, feature.frames).name, feature.name]
        name = self._graph.add("Concat", names, axis=1)
        return _Feature(name, skip.channels + feature.channels, feature.frames)
