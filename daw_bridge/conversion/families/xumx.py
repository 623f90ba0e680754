"""X-UMX's checkpoints → one ONNX graph from magnitudes to the masks of all its stems.

It is an Open-Unmix for each stem. Their branches are crossed twice: all stems share the average of
their first dense layers' outputs, and later that of their recurrent layers'.

Sawata, Uhlich, Takahashi and Mitsufuji, "All for one and one for all: improving music separation by
bridging networks", ICASSP 2021; names and layers as in x-umx/model.py of sony/ai-research-code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.conversion.checkpoints.nnabla_files import has_names, read_parameters
from daw_bridge.conversion.families.openunmix import Settings, describe, measure
from daw_bridge.conversion.family import expecting
from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.conversion.families.openunmix import Target
    from daw_bridge.conversion.family import Conversion, ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_SCALE = "input_scale_"
_STATISTICS = ("input_mean", "input_scale", "output_mean", "output_scale")
_NORM_ARRAYS = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}


def recognises(path: Path) -> bool:
    """Return whether this is an X-UMX's ``.h5`` file."""
    return has_names(path, b"input_scale_", b"fc3_")


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the network of all stems, which the wishes may put into another order.

    Raises:
        WeightsError: the file is damaged or no X-UMX.
        OptionError: the stems that are wished for are not those that it makes.
    """
    targets = read_xumx(path)
    stems = wishes.choose_stems(path, targets)
    if set(stems) != set(targets):
        raise OptionError(f"{path} makes {', '.join(targets)} at once, not {', '.join(stems)}.")
    return describe({stem: targets[stem] for stem in stems}, Settings(), crossed=True)


def read_xumx(path: Path) -> dict[str, Target]:
    """Return an Open-Unmix for each stem, by the stems' names.

    Raises:
        WeightsError: the file is damaged or no X-UMX.
    """
    arrays = read_parameters(path)
    stems = [name.removeprefix(_SCALE) for name in arrays if name.startswith(_SCALE)]
    with expecting("X-UMX", path):
        return {stem: measure(_rename(arrays, stem)) for stem in stems}


def _rename(arrays: Arrays, stem: str) -> Arrays:
    """Return the arrays of one stem as Open-Unmix names and lays them out."""
    renamed = {name: arrays[f"{name}_{stem}"] for name in _STATISTICS}
    for layer in (1, 2, 3):
        scope = f"fc{layer}_{stem}"
        renamed[f"fc{layer}.weight"] = arrays[f"{scope}/affine/W"].T
        for theirs, ours in _NORM_ARRAYS.items():
            renamed[f"bn{layer}.{ours}"] = arrays[f"{scope}/bn/{theirs}"].ravel()
    scope = f"lstm_{stem}/lstm"
    first, bias = arrays[f"{scope}/weight_l0"], arrays[f"{scope}/bias"]
    layers = [first, *arrays.get(f"{scope}/weight", ())]
    for number, (kernel, biases) in enumerate(zip(layers, bias, strict=True)):
        # (directions, gates, state, inputs and state), gates in Open-Unmix's order
        _, gates, state, _ = kernel.shape
        for direction, each, offset in zip(("", "_reverse"), kernel, biases, strict=False):
            suffix = f"_l{number}{direction}"
            rows = each.reshape(gates * state, -1)
            renamed[f"lstm.weight_ih{suffix}"] = rows[:, :-state]
            renamed[f"lstm.weight_hh{suffix}"] = rows[:, -state:]
            renamed[f"lstm.bias_ih{suffix}"] = offset.ravel()
            renamed[f"lstm.bias_hh{suffix}"] = np.zeros_like(offset.ravel())
    return renamed
