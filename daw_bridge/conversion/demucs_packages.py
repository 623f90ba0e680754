"""What Demucs saves of a trained network: its class, its settings and its arrays.

As in states.py of the package demucs 4.0.1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from daw_bridge.conversion.torch_files import read_torch_object
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_KNOWN = {
    "demucs.htdemucs.HTDemucs": "HTDemucs",
    "demucs.hdemucs.HDemucs": "HDemucs",
    "demucs.wdemucs.WDemucs": "HDemucs",  # what it was called at first
    "demucs.demucs.Demucs": "Demucs",
    "demucs.model.Demucs": "Demucs",
    "fractions.Fraction": Fraction,
}


class Package(NamedTuple):
    """A trained network."""

    network: str
    """Its class: HTDemucs, HDemucs or Demucs."""
    args: tuple[Any, ...]
    settings: Mapping[str, Any]
    """What the class was called with, by name; what is missing is as the class has it."""
    arrays: Mapping[str, NDArray[Any]]
    """By the reference's names, of the file's own precision."""


def read_package(path: Path) -> Package:
    """Read a ``.th`` file.

    Raises:
        WeightsError: it cannot be read, is no such package, or its arrays are quantised.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    held = read_torch_object(content, str(path), _KNOWN)
    match held:
        case {"klass": str(network), "args": args, "kwargs": dict(settings), "state": dict(arrays)}:
            pass
        case _:
            raise WeightsError(f"{path} is no package of Demucs: it lacks a class or its state.")
    if "__quantized" in arrays:
        raise WeightsError(
            f"{path} holds weights that DiffQ has quantised, which cannot be read: take the model"
            " of the same name without _q."
        )
    return Package(network, tuple(args), settings, arrays)
