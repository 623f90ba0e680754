"""What Demucs saves of a trained network: its class, its settings and its arrays.

As in states.py of the package demucs 4.0.1 and, before version 3, in utils.py.
"""

from __future__ import annotations

import gzip
import re
from ast import literal_eval
from fractions import Fraction
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from daw_bridge.conversion.checkpoints.torch_files import read_torch_object
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
    "demucs.model.Demucs": "Demucs2",
    "fractions.Fraction": Fraction,
    "argparse.Namespace": SimpleNamespace,
    "pathlib.PosixPath": PurePosixPath,
}
_GZIP_MAGIC = b"\x1f\x8b"
_KEY = re.compile(r"^(\w+):", re.MULTILINE)


class Package(NamedTuple):
    """A trained network."""

    network: str
    """Its class: HTDemucs, HDemucs, or Demucs, before version 3 with the version's number."""
    args: tuple[Any, ...]
    settings: Mapping[str, Any]
    """What the class was called with, by name; what is missing is as the class has it."""
    arrays: Mapping[str, NDArray[Any]]
    """By the reference's names, of any shape and of the file's own precision."""


def read_file(path: Path, size: int = -1) -> bytes:
    """Return a file's first ``size`` bytes, or all; a file of gzip's is unpacked."""
    with path.open("rb") as stream:
        is_compressed = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    with gzip.open(path) if is_compressed else path.open("rb") as stream:
        return stream.read(size)


def read_package(path: Path, *, trust: bool = False) -> Package:
    """Read a ``.th`` file, or one that is compressed by gzip.

    Version 1 saved a tuple. Of version 2, arrays alone were published: their network has the
    class's default settings.

    Raises:
        WeightsError: it cannot be read, is no such package, or its arrays are quantised.
    """
    try:
        content = read_file(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    held = read_torch_object(content, str(path), _KNOWN, trust=trust)
    match held:
        case {"klass": str(network), "args": args, "kwargs": dict(settings), "state": dict(arrays)}:
            pass
        case (str(), args, dict(settings), dict(arrays)):
            network = "Demucs1"
        case {"encoder.0.0.weight": _} | {"compressed": _}:
            network, args, settings, arrays = "Demucs2", (), {}, held
        case _:
            raise WeightsError(f"{path} is no package of Demucs: it lacks a class or its state.")
    if "__quantized" in arrays or "compressed" in arrays:
        raise WeightsError(
            f"{path} holds weights that DiffQ has quantised, which cannot be read: take the model"
            " of the same name without _q or _quantized."
        )
    return Package(network, tuple(args), settings, arrays)


class Bag(NamedTuple):
    """Networks whose stems are averaged."""

    files: tuple[Path, ...]
    weights: tuple[tuple[float, ...], ...] | None = None
    """How much each of a network's stems counts; None: all the same."""
    segment: float | None = None
    """The length of passages in seconds; None: as each network has it."""


def find_bag(path: Path) -> Bag:
    """Return the bag of a ``.yaml`` file, of a folder with one, or of a ``.th`` file alone.

    Lists in the YAML are in brackets, as in the published bags.

    Raises:
        WeightsError: a file is missing, or cannot be made out.
    """
    if path.suffix == ".th":
        return Bag((path,))
    bags = [path] if path.suffix == ".yaml" else sorted(path.glob("*.yaml"))
    if len(bags) != 1:
        return Bag(())
    try:
        _, *entries = _KEY.split(bags[0].read_text("utf-8"))
        told = dict(zip(entries[::2], entries[1::2], strict=True))
        if "models" not in told:
            return Bag(())
        models, weights, segment = (
            literal_eval(told.get(key, "None").strip()) for key in ("models", "weights", "segment")
        )
        files = tuple(_find_member(bags[0].parent, str(name)) for name in models)
        return Bag(files, weights and tuple(map(tuple, weights)), segment)
    except (OSError, TypeError, ValueError, SyntaxError) as error:
        raise WeightsError(f"{bags[0]} is no bag of Demucs: {error}.") from error


def _find_member(folder: Path, name: str) -> Path:
    """Return the file of a name, which a dash and the first digits of its hash may follow."""
    found = [*folder.glob(f"{name}-*.th"), *folder.glob(f"{name}.th")]
    if len(found) != 1:
        raise WeightsError(f"{folder} holds {len(found) or 'no'} files {name}.th, not one.")
    return found[0]
