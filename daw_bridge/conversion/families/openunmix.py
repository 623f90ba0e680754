"""Open-Unmix's checkpoints → one ONNX graph from magnitudes to the masks of all its targets.

Each target has a network of its own: a dense layer, recurrent layers that a skip goes around, two
more dense layers. What is fixed around a dense layer (the statistics of the input or the output,
the batch normalisation) is folded into its kernel and bias. A mask is what the mixture's magnitudes
are multiplied by: 0 or more, also above 1, and masks of the targets need not sum to 1.

Stöter, Uhlich, Liutkus and Mitsufuji, "Open-Unmix - a reference implementation for music source
separation", JOSS 4(41), 1667, 2019; layers as in model.py of the package openunmix 1.3.0.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np

from daw_bridge.conversion.checkpoints.torch_files import read_torch_file
from daw_bridge.conversion.family import UNNAMED, Conversion, expecting
from daw_bridge.conversion.graphs.graph import MAGNITUDES, GraphBuilder
from daw_bridge.conversion.graphs.recurrent import add_lstm, stack_gates
from daw_bridge.errors import WeightsError
from daw_bridge.library.manifest import MagnitudeModel, SegmentShape, Transform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

    Rows = str
    """The name of a value (time_frames, features)"""

_HASH = re.compile("-[0-9a-f]{8}$")  # torch.hub's names end in how the file's sha256 begins
_HEAD_BYTES = 2**16
_SETTINGS = "separator.json"
_NORM_EPSILON = 1e-5


class Settings(msgspec.Struct, frozen=True):
    """What the reference's training writes of its transform; None: a quarter of the window."""

    sample_rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)] = 44_100
    nhop: Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] | None = None


class Target(NamedTuple):
    """A target's arrays by the reference's names, and how wide its layers are."""

    arrays: Arrays
    channels: int
    bins: int
    """Of magnitudes and masks."""
    seen_bins: int
    """How many of them, from 0 Hz, the network sees."""
    hidden: int
    layers: int
    directions: int
    """2, or 1 where the network does not see the future."""


def recognises(path: Path) -> bool:
    """Return whether this is a folder of targets' ``.pth`` files."""
    return path.is_dir() and any(map(_is_target, path.glob("*.pth")))


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the networks of a folder's targets: of all, or of those that the wishes name.

    Beside them may lie the ``separator.json`` that the reference's training writes; without it,
    the published models' sample rate and hop count.

    Raises:
        WeightsError: a file is damaged or no Open-Unmix.
        OptionError: a stem that is wished for has no file, or there are fewer than two.
    """
    found = find_targets(path)
    stems = wishes.choose_stems(path, found)
    targets = {stem: read_target(found[stem], trust=wishes.trust) for stem in stems}
    return describe(targets, _read_settings(path / _SETTINGS))


def describe(
    targets: Mapping[str, Target], settings: Settings, *, crossed: bool = False
) -> Conversion:
    """Build the network of targets, and tell what its manifest is to say.

    Args:
        targets: by the names of their stems.
        settings: sample rate and hop.
        crossed: see :func:`build_openunmix`.
    """
    first = next(iter(targets.values()))
    window_samples = 2 * (first.bins - 1)
    name = "X-UMX" if crossed else "Open-Unmix"
    return Conversion(
        network=build_openunmix([*targets.values()], crossed=crossed).SerializeToString(),
        model=MagnitudeModel(
            **UNNAMED,
            summary=f"{', '.join(targets).capitalize()}, by {name}.",
            stems=tuple(targets),
            sample_rate_hz=settings.sample_rate,
            channels=first.channels,
            wiener_epsilon=1e-10,
            bandwidths={"full": first.bins},
            transform=Transform(
                window_samples=window_samples,
                hop_samples=settings.nhop or window_samples // 4,
            ),
            segment=SegmentShape(frames=900, multiple_frames=1, context_frames=150),
        ),
    )


def find_targets(folder: Path) -> dict[str, Path]:
    """Return the checkpoints of a model's targets by their names.

    A file is named after its target, as ``vocals.pth`` or ``vocals-b62c91ce.pth``; files that hold
    no Open-Unmix are left out.

    Raises:
        WeightsError: a target has two files, or a file cannot be read.
    """
    found: dict[str, Path] = {}
    for path in filter(_is_target, sorted(folder.glob("*.pth"))):
        target = _HASH.sub("", path.stem)
        if target in found:
            raise WeightsError(
                f"{folder} holds two files for {target}: {found[target].name}, {path.name}."
            )
        found[target] = path
    return found


def read_target(checkpoint: Path, *, trust: bool = False) -> Target:
    """Read the ``.pth`` file of one target.

    Raises:
        WeightsError: the file cannot be read, or holds no Open-Unmix.
    """
    try:
        arrays = read_torch_file(checkpoint.read_bytes(), str(checkpoint), trust=trust)
    except OSError as error:
        raise WeightsError(f"{checkpoint} cannot be read: {error.strerror}.") from error
    with expecting("Open-Unmix", checkpoint):
        return measure(arrays)


def build_openunmix(targets: Sequence[Target], *, crossed: bool = False) -> onnx.ModelProto:
    """Build a network of all targets, which takes any number of time frames.

    Args:
        targets: what each is made of.
        crossed: the recurrent and the last layers of all targets see the average of all targets'
            layers before them, as in X-UMX.

    Raises:
        WeightsError: the targets differ in channels or bins.
    """
    widths = {(each.channels, each.bins, each.seen_bins, crossed * each.hidden) for each in targets}
    if len(widths) > 1:
        raise WeightsError("These are not targets of one model: their channels or bins differ.")
    weights = {
        f"target{number}.{name}": array.astype(np.float32)
        for number, target in enumerate(targets)
        for name, array in (_fold(target) | stack_gates(target.arrays, "lstm")).items()
    }
    graph = GraphBuilder(weights)
    frames = _add_frames(graph, targets[0])
    scopes = [f"target{number}." for number in range(len(targets))]

    def cross(signals: list[Rows]) -> list[Rows]:
        return [graph.add("Mean", signals)] * len(signals) if crossed else signals

    encoded = cross([_add_encoder(graph, frames, scope) for scope in scopes])
    states = cross(list(map(partial(_add_lstms, graph), encoded, targets, scopes)))
    masks = list(map(partial(_add_decoder, graph), encoded, states, targets, scopes))
    return graph.mask_model(masks, channels=targets[0].channels)


def _read_settings(path: Path) -> Settings:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings, strict=False)
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise WeightsError(f"{path} cannot be read: {error}.") from error


def _is_target(path: Path) -> bool:
    """Return whether a file begins with the names of an Open-Unmix's arrays."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    return b"input_scale" in head and b"fc3.weight" in head


def measure(arrays: Arrays) -> Target:
    """Return a target of arrays by the reference's names, which tell how wide its layers are.

    Raises:
        KeyError: there is none of a name; ValueError and others: its shape does not fit.
    """
    hidden, inputs = arrays["fc1.weight"].shape
    seen_bins = len(arrays["input_mean"])
    directions = 2 if "lstm.weight_ih_l0_reverse" in arrays else 1
    target = Target(
        arrays,
        channels=inputs // seen_bins,
        bins=len(arrays["output_mean"]),
        seen_bins=seen_bins,
        hidden=hidden,
        layers=sum(name.startswith("lstm.weight_ih") for name in arrays) // directions,
        directions=directions,
    )
    for name, shape in _shapes(target).items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} is of shape {arrays[name].shape}, not {shape}")
    return target


def _shapes(target: Target) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all arrays that a network of these widths has."""
    _, channels, bins, seen_bins, hidden, _, directions = target
    state = hidden // directions
    shapes: dict[str, tuple[int, ...]] = {
        "input_mean": (seen_bins,),
        "input_scale": (seen_bins,),
        "fc1.weight": (hidden, channels * seen_bins),
        "fc2.weight": (hidden, 2 * hidden),
        "fc3.weight": (channels * bins, hidden),
        "output_mean": (bins,),
        "output_scale": (bins,),
    }
    for norm, width in (("bn1", hidden), ("bn2", hidden), ("bn3", channels * bins)):
        for array in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{array}"] = (width,)
    for layer, direction in product(range(target.layers), ("", "_reverse")[:directions]):
        suffix = f"_l{layer}{direction}"
        shapes[f"lstm.weight_ih{suffix}"] = (4 * state, hidden)
        shapes[f"lstm.weight_hh{suffix}"] = (4 * state, state)
        shapes[f"lstm.bias_ih{suffix}"] = shapes[f"lstm.bias_hh{suffix}"] = (4 * state,)
    return shapes


def _fold(target: Target) -> dict[str, NDArray[np.float64]]:
    """Fold the statistics and the normalisations around the dense layers into these.

    Returns:
        kernels (outputs, features) and biases (outputs,), by name.
    """
    double = {name: np.float64(array) for name, array in target.arrays.items()}
    dense = {}
    for number in (1, 2, 3):
        norm = f"bn{number}"
        gain = double[f"{norm}.weight"] / np.sqrt(double[f"{norm}.running_var"] + _NORM_EPSILON)
        dense[f"fc{number}.kernel"] = gain[:, np.newaxis] * double[f"fc{number}.weight"]
        dense[f"fc{number}.bias"] = double[f"{norm}.bias"] - gain * double[f"{norm}.running_mean"]
    mean, scale = (np.tile(double[f"input_{each}"], target.channels) for each in ("mean", "scale"))
    dense["fc1.kernel"] *= scale
    dense["fc1.bias"] += dense["fc1.kernel"] @ mean
    mean, scale = (np.tile(double[f"output_{each}"], target.channels) for each in ("mean", "scale"))
    dense["fc3.kernel"] *= scale[:, np.newaxis]
    dense["fc3.bias"] = dense["fc3.bias"] * scale + mean
    return dense


def _add_frames(graph: GraphBuilder, target: Target) -> Rows:
    """Lay out the bins that are seen, one time frame a row: (time_frames, channels · seen_bins)."""
    seen = graph.slice(MAGNITUDES, 3, 0, target.seen_bins)
    turned = graph.add("Transpose", [seen], perm=[0, 2, 1, 3])
    return graph.reshape(turned, [-1, target.channels * target.seen_bins])


def _add_encoder(graph: GraphBuilder, frames: Rows, scope: str) -> Rows:
    return graph.add("Tanh", [_add_dense(graph, frames, f"{scope}fc1")])


def _add_lstms(graph: GraphBuilder, encoded: Rows, target: Target, scope: str) -> Rows:
    sequence = graph.reshape(encoded, [-1, 1, target.hidden])
    states = add_lstm(graph, sequence, f"{scope}lstm", layers=target.layers)
    return graph.reshape(states, [-1, target.hidden])


def _add_decoder(
    graph: GraphBuilder, encoded: Rows, states: Rows, target: Target, scope: str
) -> str:
    """Add one target's last layers; return its mask (1, channels, time_frames, bins)."""
    joined = graph.add("Concat", [encoded, states], axis=1)
    decoded = graph.add("Relu", [_add_dense(graph, joined, f"{scope}fc2")])
    mask = graph.add("Relu", [_add_dense(graph, decoded, f"{scope}fc3")])
    split = graph.reshape(mask, [1, -1, target.channels, target.bins])
    return graph.add("Transpose", [split], perm=[0, 2, 1, 3])


def _add_dense(graph: GraphBuilder, rows: Rows, layer: str) -> Rows:
    return graph.add("Gemm", [rows, *graph.weights(layer, "kernel", "bias")], transB=1)
