"""Files of parameters that nnabla wrote, HDF5 with a group for each scope.

They are read by h5py, which comes with the extra ``convert``. A place is a file, a folder of files
or a zip archive of files, which end in ``.h5``.

Source: utils/get_file_handle.py of nnabla 1.39.
"""

from __future__ import annotations

import io
import zipfile
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.errors import OptionError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

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
            yield from _files(file)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".h5") and (content := archive.read(name)).startswith(_SIGNATURE):
                    yield f"{name} in {path}", content
    else:
        with path.open("rb") as stream:
            if stream.read(len(_SIGNATURE)) == _SIGNATURE:
                stream.seek(0)
                yield str(path), stream.read()


def _read(content: bytes, name: str) -> dict[str, NDArray[np.float32]]:
    """Return the parameters of one file, of any shape, by their names."""
    h5py = import_extra("h5py")
    held: dict[str, NDArray[np.float32]] = {}

    def keep(path: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            if entry.nbytes > len(content):
                raise ValueError(f"{path} is larger than the file")
            held[path] = _check(np.asarray(entry[...], np.float32), path)

    try:
        with h5py.File(io.BytesIO(content)) as file:
            file.visititems(keep)
    except Exception as error:  # what is damaged fails in many ways
        raise WeightsError(f"{name} is damaged: {error}.") from error
    return held


def _check(values: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Refuse values, of any shape, that no training gives: infinite, NaN, variances below 0."""
    if not np.isfinite(values).all() or (name.endswith("/var") and (values < 0).any()):
        raise ValueError(f"{name} holds impossible numbers")
    return values
