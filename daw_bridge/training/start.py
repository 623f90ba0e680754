"""What a training builds on: weights to start from, and models of the library beside it."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from daw_bridge.conversion.families.spleeter import read_unets
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.activations import DEFAULT_ACTIVATIONS
from daw_bridge.library.models import load_manifest
from daw_bridge.separation.loading import Loader
from daw_bridge.training.config import CHECKPOINT_SUFFIX
from daw_bridge.training.networks import SharedUnet
from daw_bridge.weights.installing import fetched_source

if TYPE_CHECKING:
    from daw_bridge.training.config import NetworkConfig
    from daw_bridge.training.networks import MagnitudeBatch, PartBatch, UnetFamily


class LibraryModel:
    """A model of the library that a network learns beside: the stage before it, or its teacher."""

    def __init__(self, name: str) -> None:
        self._manifest = load_manifest(name)
        self._network = Loader().load(self._manifest)

    def __deepcopy__(self, _: object) -> LibraryModel:
        """Return the model itself, which averaged copies of the trained network share."""
        return self

    def index(self, stem: str) -> int:
        """Return a stem's place among the masks.

        Raises:
            OptionError: the model has no such stem.
        """
        self._manifest.check_stems((stem,))
        return self._manifest.stems.index(stem)

    def masks(self, magnitudes: MagnitudeBatch) -> PartBatch:
        """Return the masks of the model's stems."""
        batch = magnitudes.detach().cpu().numpy()
        masks = np.stack([self._network(np.ascontiguousarray(each)) for each in batch], axis=1)
        return torch.from_numpy(masks).to(magnitudes.device)


def load_start(network: UnetFamily, config: NetworkConfig) -> None:
    """Give a network the weights that its configuration starts from.

    Raises:
        OptionError: the checkpoint or the model has no weights that fit.
        ModelError: the checkpoint is none, the model is unknown, or its weights are not to be had.
    """
    start = str(config.start)
    if start.endswith(CHECKPOINT_SUFFIX):
        load_checkpoint(network, Path(start))
        return
    manifest = load_manifest(start)
    if manifest.stages:
        raise OptionError(f"{start} is made of several networks: a training starts from one.")
    if manifest.network and manifest.network.activations != DEFAULT_ACTIVATIONS:
        raise OptionError(f"{start} has other activations than the networks that are trained here.")
    with fetched_source(manifest) as (_, [file]):
        unets = dict(zip(manifest.stems, read_unets(file), strict=True))
    chosen = config.start_stem
    if chosen:
        manifest.check_stems((chosen,))
    if isinstance(network, SharedUnet):
        network.load_arrays(unets[chosen or manifest.stems[-1]])
        return
    for stem, unet in network.unets.items():
        unet.load_arrays(unets[chosen or (stem if stem in unets else manifest.stems[-1])])


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the ``state_dict`` and the ``hyper_parameters`` of a training's checkpoint.

    Raises:
        WeightsError: the file cannot be read, or is something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {key: content[key] for key in ("state_dict", "hyper_parameters")}
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    except (EOFError, KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise WeightsError(f"{path} is no checkpoint of a training.") from error


def load_checkpoint(network: UnetFamily, checkpoint: Path) -> None:
    """Give a network the weights of a training's checkpoint.

    Raises:
        OptionError: they are those of another network.
        WeightsError: the file cannot be read, or is something else.
    """
    states = read_checkpoint(checkpoint)["state_dict"]
    try:
        network.load_state_dict(
            {name.removeprefix("network."): state for name, state in states.items()}
        )
    except RuntimeError as error:
        raise OptionError(
            f"A training cannot go on from {checkpoint}: its network has other layers."
        ) from error
