"""Files of parameters that nnabla wrote, HDF5 with a group for each scope.

They are read by h5py, which comes with the extra ``convert``. A place is a file, a folder of files
or a zip archive of files, which end in ``.h5``.

Source: utils/get_file_handle.py of nnabla 1.39.
"""

from __future__ import annotations

import io
import math
import zipfile
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.conversion.checkpoints.archives import open_zip
from daw_bridge.errors import OptionError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_NAME_CHARACTERS = 1_000
_KINDS = "fiu"
_FILTERS = {1, 2, 3}
"""Those of the HDF5 library: deflate, shuffle, Fletcher's checksum."""
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def has_names(path: Path, *names: bytes) -> bool:
    """Return whether a file of a place holds all these names; h5py is not needed for that."""
    return any(all(name in content for name in names) for _, content in _files(path))


def read_parameters(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return all parameters of a place, of any shape, by their names, as ``fc1/affine/W``.

    Raises:
        WeightsError: there is no file, one is damaged, or two have a parameter of the same name.
        OptionError: h5py is not installed.
    """
    parameters: dict[str, NDArray[np.float32]] = {}
    for name, content in _files(path):
        held = _read(content, name)
        if twice := held.keys() & parameters:
            raise WeightsError(f"{path} holds {min(twice)} twice, once in {name}.")
        parameters |= held
    if not parameters:
        raise WeightsError(f"{path} holds no whole file of nnabla's parameters.")
    return parameters


def import_extra(module: str) -> Any:
    """Import a module that the extra ``convert`` brings.

    Raises:
        OptionError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise OptionError(
            f"This checkpoint needs {error.name}: pip install 'daw-bridge[convert]' brings it."
        ) from error


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Read the files of a place, in the order of their names."""
    if path.is_dir():
        for file in sorted(path.glob("*.h5")):
            if file.is_file():
                yield from _files(file)
    elif zipfile.is_zipfile(path):
        with open_zip(path, str(path)) as archive:
            for name in sorted(archive.names):
                if name.endswith(".h5") and (content := archive.read(name)).startswith(_SIGNATURE):
                    yield f"{name!a} in {path}", content
    else:
        with path.open("rb") as stream:
            if stream.read(len(_SIGNATURE)) == _SIGNATURE:
                stream.seek(0)
                yield str(path), stream.read()


def _read(content: bytes, name: str) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of one file, of any shape, by their names."""
    h5py = import_extra("h5py")
    held: dict[str, NDArray[np.float32]] = {}
    left_bytes = len(content)

    def keep(path: str, entry: Any) -> None:
        nonlocal left_bytes
        if isinstance(entry, h5py.Dataset):
            left_bytes -= _count_bytes(entry, path)
            if left_bytes < 0:
                raise ValueError(f"{path} is larger than the file")
            held[path] = _check(np.asarray(entry[...], np.float32), path)

    try:
        with h5py.File(io.BytesIO(content)) as file:
            file.visititems(keep)
    except MemoryError:
        raise
    except Exception as error:  # what is damaged fails in many ways
        raise WeightsError(f"{name} is damaged: {error}.") from error
    return held


def _count_bytes(entry: Any, name: str) -> int:
    """Return how much a data set takes that lies in the file itself, as nnabla writes it.

    Raises:
        ValueError: it lies in other files, of which those of the user are none of its business, or
            takes a filter, which may be a library that HDF5 loads.
    """
    created = entry.id.get_create_plist()
    filters = {created.get_filter(number)[0] for number in range(created.get_nfilters())}
    if not name.isprintable() or len(name) > _NAME_CHARACTERS:
        raise ValueError("a parameter has a name that no parameter has")
    if entry.external or entry.is_virtual:
        raise ValueError(f"{name} lies in another file")
    if filters - _FILTERS or entry.dtype.kind not in _KINDS or entry.shape is None:
        raise ValueError(f"{name} is stored in another way than parameters are")
    return math.prod(entry.shape) * max(entry.dtype.itemsize, np.dtype(np.float32).itemsize)


def _check(values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Refuse values, of any shape, that no training gives: infinite, NaN, variances below 0."""
    if not np.isfinite(values).all() or (name.endswith("/var") and (values < 0).any()):
        raise ValueError(f"{name} holds impossible numbers")
    return values
