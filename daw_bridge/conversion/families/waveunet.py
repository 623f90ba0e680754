"""Wave-U-Net's checkpoints → an ONNX graph from samples to the samples of all stems.

Layers on the way down convolve and drop every second sample; on the way up, samples are put between
each two, the way down's signal of the same rate is added as further channels, and a convolution
follows. The published networks do not pad what they convolve, so they give less than they take, and
their last stem is the rest that the others leave.

Stoller, Ewert and Dixon, "Wave-U-Net: a multi-scale neural network for end-to-end audio source
separation", ISMIR 2018; layers as in Models/UnetAudioSeparator.py of its authors' repository.
"""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from daw_bridge.conversion.checkpoints.tensorflow import list_variables, read_latest
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.waveforms import SAMPLES, signal_model
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.manifest import PassageShape, WaveformModel
from daw_bridge.library.stems import rest_last

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Weights

_CHANNELS = 2
_GIVEN_SAMPLES = 2**18
"""Of a passage: enough for the context around it to be little work."""
_MAX_DEPTH = 20
"""The deepest level has one frame for 2 ** 20 samples, 24 s; the authors' networks have 12."""
_SLOPE = 0.2
_CONVOLUTION = re.compile(r"separator/conv1d(?:_(\d+))?/kernel")
_PUBLISHED = {2: ("accompaniment", "vocals"), 4: ("bass", "drums", "other", "vocals")}
"""The authors' stems, by their number."""


class Settings(msgspec.Struct, frozen=True):
    """What the arrays of a network do not tell, by the keys of the authors' configuration.

    What is left out is as in the authors' published model that has the same arrays.

    Attributes:
        expected_sr: the sample rate in Hz.
        context: convolutions take only samples that are there; else zeros are put around them.
        output_type: whether the last stem is the difference between the mixture and the others.
        output_activation: what each stem ends with; ``linear`` clips it.
        source_names: the stems.
        num_frames: how many samples a network without context sees.
    """

    expected_sr: Annotated[int, msgspec.Meta(ge=0, le=768_000)] = 0
    context: bool | None = None
    output_type: Literal["direct", "difference"] | None = None
    output_activation: Literal["tanh", "linear"] = "tanh"
    source_names: tuple[str, ...] = ()
    num_frames: Annotated[int, msgspec.Meta(gt=0, le=1 << 24)] = 16_384


class Net(NamedTuple):
    """A network's arrays, and what they tell.

    Its layers are ``down0`` …, ``bottom``, ``up0`` … and ``output0`` …, each with ``.weight``,
    (filters, channels, frames), and ``.bias``, (filters,); ``up0.share`` …, (channels,), is the
    share of the earlier of two frames in what is put between them.
    """

    arrays: Weights
    depth: int
    outputs: int
    channels: int
    is_learnt: bool
    """What is put between two frames is."""

    def width(self, layer: str) -> int:
        """Return how many frames a layer's kernel spans."""
        return self.arrays[f"{layer}.weight"].shape[2]


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


def convert(path: Path, wishes: ImportWishes) -> Conversion:
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
        model=WaveformModel(
            **UNNAMED,
            summary=f"{', '.join(stems).capitalize()}, by Wave-U-Net.",
            stems=stems,
            sample_rate_hz=settings.expected_sr,
            channels=_CHANNELS,
            overlap=0.0,
            last_is_rest=len(stems) > net.outputs,
            passage=PassageShape(samples=window.passage, context_samples=window.context),
        ),
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

    Its work repeats every ``2 ** depth`` samples. The part of a passage that is given is a multiple
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
    layers = Layers(GraphBuilder(net.arrays))
    shape = (_CHANNELS // net.channels, net.channels, window.passage)
    passages = layers.reshape(Value(SAMPLES, (1, _CHANNELS, window.passage)), shape)
    seen = layers.crop(passages, 2, window.start, window.seen)
    stems = _Network(layers, net, settings).separate(seen)
    given = window.passage - 2 * window.context
    cut = [
        layers.reshape(layers.crop(stem, 2, 0, given), (1, 1, _CHANNELS, given)) for stem in stems
    ]
    order = rest_last(settings.source_names)[: net.outputs]
    return signal_model(layers.graph, layers.join(*cut, axis=0), order, samples=window.passage)


def _read_settings(wishes: ImportWishes) -> Settings:
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
    """Return the network of TensorFlow's variables: kernels are (frames, channels, filters)."""
    numbers = [int(match[1] or 0) for match in map(_CONVOLUTION.fullmatch, variables) if match]
    layers = [f"separator/conv1d{f'_{number}' if number else ''}" for number in sorted(numbers)]
    kernels = [variables[f"{layer}/kernel"].transpose(2, 1, 0) for layer in layers]
    depth = _count_levels(kernels)
    outputs = len(kernels) - 2 * depth - 1
    if not 0 < depth <= _MAX_DEPTH or outputs < 1:
        raise ValueError(f"its {len(kernels)} layers are in no U")
    channels = kernels[0].shape[1]
    if channels > _CHANNELS or any(len(kernel) != channels for kernel in kernels[-outputs:]):
        raise ValueError(f"it takes {channels} channels and gives {len(kernels[-1])}")
    levels = range(depth)
    names = [*(f"down{level}" for level in levels), "bottom", *(f"up{level}" for level in levels)]
    names += [f"output{number}" for number in range(outputs)]
    arrays = {}
    for name, layer, kernel in zip(names, layers, kernels, strict=True):
        arrays[f"{name}.weight"] = kernel
        arrays[f"{name}.bias"] = _vector(variables, f"{layer}/bias", len(kernel))
    is_learnt = "separator/interp_0" in variables
    for level, kernel in zip(levels, kernels[depth:], strict=False):
        logits = np.zeros(len(kernel), np.float32)
        if is_learnt:
            logits = _vector(variables, f"separator/interp_{level}", len(kernel))
        arrays[f"up{level}.share"] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Net(arrays, depth, outputs, channels=channels, is_learnt=is_learnt)


def _vector(
    variables: Mapping[str, NDArray[np.float32]], name: str, length: int
) -> NDArray[np.float32]:
    """Return a variable of the shape (length,)."""
    vector = variables[name]
    if vector.shape != (length,):
        raise ValueError(f"{name} is of shape {vector.shape}, not ({length},)")
    return vector


def _count_levels(kernels: Sequence[NDArray[np.float32]]) -> int:
    """Return how deep a network is: on the way down, a layer takes what the one before it gives.

    Args:
        kernels: (filters, channels, frames), a layer each.
    """
    follows = (later.shape[1] == earlier.shape[0] for earlier, later in pairwise(kernels))
    return sum(takewhile(bool, follows))


def _count_given(net: Net, frames: int) -> int:
    """Return how many frames a network gives whose lowest layer gives ``frames``."""
    for level in range(net.depth):
        frames = 2 * frames - net.width(f"up{level}")
    return frames - net.width("output0") + 1


def _count_seen(net: Net, frames: int) -> int:
    """Return how many frames a network takes whose lowest layer gives ``frames``."""
    frames += net.width("bottom") - 1
    for level in reversed(range(net.depth)):
        frames = 2 * frames - 2 + net.width(f"down{level}")
    return frames


class _Network:
    """Adds a network to a graph: its signals are (b, channels, frames)."""

    def __init__(self, layers: Layers, net: Net, settings: Settings) -> None:
        self._layers = layers
        self._net = net
        self._settings = settings

    def separate(self, mixture: Value) -> list[Value]:
        """Add all layers; return each stem, in the network's order: (b, channels, frames)."""
        x, skips = mixture, []
        for level in range(self._net.depth):
            skips.append(self._activate(self._convolve(x, f"down{level}")))
            x = self._halve(skips[-1])
        x = self._activate(self._convolve(x, "bottom"))
        for level, skip in enumerate(reversed(skips)):
            joined = self._join(skip, self._double(x, level))
            x = self._activate(self._convolve(joined, f"up{level}"))
        joined = self._join(mixture, x)
        stems = [
            self._end(self._convolve(joined, f"output{number}"))
            for number in range(self._net.outputs)
        ]
        if self._settings.output_type == "difference":
            rest = self._crop(mixture, stems[0].shape[2])
            for stem in stems:
                rest = self._layers.apply("Sub", rest, stem)
            stems.append(self._clip(rest))
        return stems

    def _convolve(self, x: Value, layer: str) -> Value:
        """Convolve: with context, frames get lost; without, zeros are put around them."""
        taken, lost = self._layers.array(f"{layer}.weight").shape[1], self._net.width(layer) - 1
        if taken != x.shape[1]:
            raise WeightsError(
                f"This is no Wave-U-Net: {layer} takes {taken} channels, not {x.shape[1]}."
            )
        pads = (0, 0) if self._settings.context else (lost // 2, lost - lost // 2)
        return self._layers.downsample(x, layer, 1, pads)

    def _activate(self, x: Value) -> Value:
        return self._layers.apply("LeakyRelu", x, alpha=_SLOPE)

    def _end(self, stem: Value) -> Value:
        is_clipped = self._settings.output_activation == "linear"
        return self._clip(stem) if is_clipped else self._layers.apply("Tanh", stem)

    def _clip(self, x: Value) -> Value:
        return self._layers.apply("Clip", x, *map(self._layers.constant, (-1, 1)))

    def _halve(self, x: Value) -> Value:
        """Keep every second frame, the first among them."""
        bounds = (np.array([value]) for value in (0, x.shape[2], 2, 2))  # start, end, axis, step
        graph = self._layers.graph
        name = graph.add("Slice", [x.name, *map(graph.unnamed, bounds)])
        return Value(name, (*x.shape[:2], (x.shape[2] + 1) // 2))

    def _double(self, x: Value, level: int) -> Value:
        """Put a weighted mean between each two frames; without context, also after the last.

        It is followed by zeros where the weights are learnt, by itself again where they are not.
        """
        graph = self._layers.graph
        share = self._layers.array(f"up{level}.share")
        kernel = np.stack([1 - share, np.ones_like(share), share], axis=1)[:, np.newaxis]
        name, frames, spare = x.name, 2 * x.shape[2] - 1, 1
        if not self._settings.context:
            frames, spare = frames + 1, 0
            if not self._net.is_learnt:
                amounts = graph.unnamed(np.array([0, 0, 0, 0, 0, 1]))
                name, spare = graph.add("Pad", [name, amounts], mode="edge"), 2
        name = graph.add(
            "ConvTranspose",
            [name, self._layers.constant(kernel).name],
            group=x.shape[1],
            strides=[2],
            pads=[1, spare],
        )
        return Value(name, (*x.shape[:2], frames))

    def _crop(self, x: Value, frames: int) -> Value:
        """Keep the middle, ``frames`` long."""
        return self._layers.crop(x, 2, (x.shape[2] - frames) // 2, frames)

    def _join(self, skip: Value, x: Value) -> Value:
        """Put the channels of a skip's middle before others."""
        return self._layers.join(self._crop(skip, x.shape[2]), x, axis=1)
