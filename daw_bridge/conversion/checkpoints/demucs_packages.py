"""What Demucs saves of a trained network: its class, its settings and its arrays.

As in states.py of the package demucs 4.0.1 and, before version 3, in utils.py.
"""

from __future__ import annotations

import re
from ast import literal_eval
from fractions import Fraction
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np

from daw_bridge.conversion.checkpoints.archives import read_unpacked
from daw_bridge.conversion.checkpoints.pickles import Draft
from daw_bridge.conversion.checkpoints.torch_files import read_torch_object
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from daw_bridge.conversion.checkpoints.pickles import Known

_BAG_BYTES = 2**14
_PATH_CHARACTERS = 4_096
_KEY = re.compile(r"^(\w+):", re.MULTILINE)
_FRACTION = re.compile(r"(-?\d{1,18})(?:/(\d{1,18}))?", re.ASCII)


class _Namespace(Draft):
    """Options of a command line, which become a dict."""

    def build(self, state: Any) -> None:
        if type(state) is not dict:
            raise ValueError("a namespace has no names")
        self.value = state


def _make_fraction(numerator: int | str, denominator: int = 1) -> Fraction:
    """Return a fraction of two numbers, or of a text of both."""
    if isinstance(numerator, str) and (found := _FRACTION.fullmatch(numerator)):
        numerator, denominator = int(found[1]), int(found[2] or 1)
    if type(numerator) is not int or type(denominator) is not int or not denominator:
        raise ValueError("a fraction is of anything but two numbers")
    return Fraction(numerator, denominator)


def _make_path(*parts: str) -> str:
    """Return a path as a text."""
    if not all(isinstance(part, str) for part in parts):
        raise TypeError
    if sum(map(len, parts)) > _PATH_CHARACTERS:
        raise ValueError("a path is longer than paths can be")
    return str(PurePosixPath(*parts))


_KNOWN: Known = {
    "demucs.htdemucs.HTDemucs": "HTDemucs",
    "demucs.hdemucs.HDemucs": "HDemucs",
    "demucs.wdemucs.WDemucs": "HDemucs",  # what it was called at first
    "demucs.demucs.Demucs": "Demucs",
    "demucs.model.Demucs": "Demucs2",
    "fractions.Fraction": _make_fraction,
    "argparse.Namespace": _Namespace,
    "pathlib.PosixPath": _make_path,
    "pathlib._local.PosixPath": _make_path,  # what Python 3.13 calls it
}


_Weight = Annotated[float, msgspec.Meta(ge=0, le=1_000)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.-]*\Z", max_length=100)]


class Package(NamedTuple):
    """A trained network."""

    network: str
    """Its class: HTDemucs, HDemucs, or Demucs, before version 3 with the version's number."""
    args: tuple[Any, ...]
    settings: Mapping[str, Any]
    """What the class was called with, by name; what is missing is as the class has it."""
    arrays: Mapping[str, NDArray[Any]]
    """By the reference's names, of any shape and of the file's own precision."""


def read_package(path: Path, *, trust: bool = False) -> Package:
    """Read a ``.th`` file, or one that is compressed by gzip.

    Version 1 saved a tuple. Of version 2, arrays alone were published: their network has the
    class's default settings.

    Raises:
        WeightsError: it cannot be read, is no such package, or its arrays are quantised.
    """
    try:
        content = read_unpacked(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    held = read_torch_object(content, str(path), _KNOWN, trust=trust)
    package = _take_apart(held, path)
    if "__quantized" in package.arrays or "compressed" in package.arrays:
        raise WeightsError(
            f"{path} holds weights that DiffQ has quantised, which cannot be read: take the model"
            " of the same name without _q or _quantized."
        )
    if not all(isinstance(array, np.ndarray) for array in package.arrays.values()):
        raise WeightsError(f"{path} is no package of Demucs: its state is not of arrays alone.")
    return package


def _take_apart(held: Any, path: Path) -> Package:
    match held:
        case {
            "klass": str(network),
            "args": tuple(args),
            "kwargs": dict(settings),
            "state": dict(arrays),
        }:
            return Package(network, args, settings, arrays)
        case (str(), tuple(args), dict(settings), dict(arrays)):
            return Package("Demucs1", args, settings, arrays)
        case {"encoder.0.0.weight": _} | {"compressed": _}:
            return Package("Demucs2", (), {}, held)
    raise WeightsError(f"{path} is no package of Demucs: it lacks a class or its state.")


class Bag(NamedTuple):
    """Networks whose stems are averaged."""

    files: tuple[Path, ...]
    weights: tuple[tuple[float, ...], ...] | None = None
    """How much each of a network's stems counts; None: all the same."""
    segment: float | None = None
    """The length of passages in seconds; None: as each network has it."""


class _BagFile(msgspec.Struct, frozen=True):
    """What the YAML file of a bag says, of networks by what their files' names begin with."""

    models: Annotated[tuple[_Name | int, ...], msgspec.Meta(max_length=32)] = ()
    weights: tuple[tuple[_Weight, ...], ...] | None = None
    segment: Annotated[float, msgspec.Meta(gt=0, le=3_600)] | None = None


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
        told = _read_bag(bags[0])
    except (MemoryError, OSError, RecursionError, SyntaxError, TypeError, ValueError) as error:
        raise WeightsError(f"{bags[0]} is no bag of Demucs: {error}.") from error
    files = tuple(_find_member(bags[0].parent, str(name)) for name in told.models)
    return Bag(files, told.weights, told.segment)


def _read_bag(path: Path) -> _BagFile:
    """Read a bag's file; one that names no models, or is too long, is of something else."""
    with path.open("rb") as stream:
        content = stream.read(_BAG_BYTES + 1)
    if len(content) > _BAG_BYTES:
        return _BagFile()
    _, *entries = _KEY.split(content.decode())
    told = dict(zip(entries[::2], entries[1::2], strict=True))
    if "models" not in told:
        return _BagFile()
    values = {
        key: literal_eval(told[key].strip()) for key in _BagFile.__struct_fields__ if key in told
    }
    return msgspec.convert(values, _BagFile)


def _find_member(folder: Path, name: str) -> Path:
    """Return the file of a name, which a dash and the first digits of its hash may follow."""
    file_name = re.compile(rf"{re.escape(name)}(-.*)?\.th")
    found = [file for file in folder.iterdir() if file_name.fullmatch(file.name)]
    if len(found) != 1:
        raise WeightsError(f"{folder} holds {len(found) or 'no'} files {name}.th, not one.")
    return found[0]
