"""Files that ``torch.save`` wrote, read without torch: tensors become numpy arrays.

Since torch 1.6 a file is a zip archive of a pickle, ``data.pkl``, and one member a storage. Before,
it was a sequence of pickles (a magic number, a version, facts on the machine, the object, the
storages' keys), then the storages, each after its number of elements.

Source: torch/serialization.py and torch/_utils.py of torch 2.13.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from daw_bridge.conversion.checkpoints.archives import open_zip, read_unpacked
from daw_bridge.conversion.checkpoints.numpy_pickles import NUMPY, check_shape, is_count
from daw_bridge.conversion.checkpoints.pickles import Refusal, load_pickle, refuse
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from daw_bridge.conversion.checkpoints.archives import ZipMembers
    from daw_bridge.conversion.checkpoints.pickles import Known

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_COUNT_BYTES = 8
_HEAD_BYTES = 1 << 16
_STATES = ("best_state", "state", "state_dict", "model_state_dict")
"""What trainings call the arrays of a network where they save more than these."""
_TOLD_CHARACTERS = 200
_PICKLED = re.compile(r"([^/]*/)?data\.pkl")
_BFLOAT16 = "bfloat16"
_STORAGES = {
    "torch.DoubleStorage": "f8",
    "torch.FloatStorage": "f4",
    "torch.HalfStorage": "f2",
    "torch.BFloat16Storage": _BFLOAT16,
    "torch.LongStorage": "i8",
    "torch.IntStorage": "i4",
    "torch.ShortStorage": "i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
_VIEWS = 4
"""How often a file may have its bytes in tensors, which can share a storage …"""
_EXPANDED_BYTES = 64 * 2**20
"""… and more that tensors may take, which can have one number at many places."""


def read_torch_file(content: bytes, name: str, *, trust: bool = False) -> dict[str, Any]:
    """Return the dict that a file holds: of arrays, or of further containers of arrays.

    Arrays keep their type, but numpy knows no bfloat16, which becomes float32. Tensors that share a
    storage share memory.

    Args:
        content: the file, of either format.
        name: what to call it in errors.
        trust: import whatever else it names, and run that.

    Raises:
        WeightsError: it is no such file, is cut short, or holds anything but arrays in containers.
    """
    held = read_torch_object(content, name, {}, trust=trust)
    if not isinstance(held, dict):
        raise WeightsError(f"{name} holds no dict of arrays.")
    return held


def mentions(path: Path, *names: str) -> bool:
    """Return whether a file begins as one that holds arrays of such names."""
    head = read_unpacked(path, _HEAD_BYTES) if path.is_file() else b""
    return all(name.encode() in head for name in names)


def read_state(path: Path, *, trust: bool = False) -> dict[str, NDArray[Any]]:
    """Return the arrays of a network that a training saved, of any shape, by their names.

    They may lie beside other states of the training; of several the best counts.

    Raises:
        WeightsError: there are none, or other things among them.
    """
    held = read_torch_file(read_unpacked(path), str(path), trust=trust)
    inside = (held[name] for name in _STATES if isinstance(held.get(name), dict))
    state = next(inside, held)
    arrays = {str(name).removeprefix("module."): array for name, array in state.items()}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise WeightsError(f"{path} holds other things among the arrays of its network.")
    return arrays


def read_torch_object(content: bytes, name: str, known: Known, *, trust: bool = False) -> Any:
    """Return whatever a file holds, as :func:`read_torch_file` does.

    Args:
        content: the file, of either format.
        name: what to call it in errors.
        known: what the file may name beside arrays, by dotted names: a word that stands for it, or
            a function of one's own that checks its arguments. Nothing is imported.
        trust: import whatever has no word, and run that.

    Raises:
        WeightsError: it is no such file, is cut short, or names anything else.
    """
    try:
        if not zipfile.is_zipfile(io.BytesIO(content)):
            return _read_legacy(content, known, trust=trust)
        with open_zip(content, name) as members:
            return _read_zip(members, known, trust=trust)
    except Refusal as refusal:
        raise WeightsError(
            f"{name} holds {refusal}, where only arrays may be. Reading that runs code which may do"
            " anything: add --trust if you trust its author."
        ) from refusal
    except (WeightsError, MemoryError):
        raise
    except Exception as error:  # a pickle's opcodes fail in many ways
        told = str(error)[:_TOLD_CHARACTERS] or type(error).__name__
        raise WeightsError(f"{name} is no whole file of torch.save: {told}.") from error


def _read_zip(members: ZipMembers, known: Known, *, trust: bool) -> Any:
    found = [name for name in members.names if _PICKLED.fullmatch(name)]
    if len(found) != 1:
        raise ValueError(f"it holds {len(found)} files data.pkl, not one")
    folder = found[0].removesuffix("data.pkl")
    marked = f"{folder}byteorder"
    is_big = marked in members.names and members.read(marked) == b"big"
    storages = _Storages(members.size_bytes)
    held = _load(io.BytesIO(members.read(found[0])), known, storages, trust=trust)
    for key, storage in storages.found.items():
        storage.fill(members.read(f"{folder}data/{key}"), is_big=is_big)
    return held


def _read_legacy(content: bytes, known: Known, *, trust: bool) -> Any:
    stream = io.BytesIO(content)
    storages = _Storages(len(content))
    magic, _, machine = (_load(stream, {}, _Storages(0)) for _ in range(3))
    if magic != _LEGACY_MAGIC:
        raise ValueError("it begins with no magic number")
    is_big = not machine["little_endian"]
    held = _load(stream, known, storages, trust=trust)
    for key in _load(stream, {}, _Storages(0)):
        storage = storages.found.pop(key)
        count = int.from_bytes(stream.read(_COUNT_BYTES), "big" if is_big else "little")
        if count != len(storage.elements):
            raise ValueError(f"storage {key} has not its number of elements")
        storage.fill(stream.read(storage.size_bytes), is_big=is_big)
    if storages.found:
        raise ValueError("it lacks a storage")
    return held


def _load(stream: io.BytesIO, known: Known, storages: _Storages, *, trust: bool = False) -> Any:
    """Return what the next pickle of a stream holds."""
    if trust:
        return _TrustingUnpickler(stream, known, storages).load()
    limit_bytes = _VIEWS * (storages.limit_bytes + len(stream.getbuffer())) + _EXPANDED_BYTES
    return load_pickle(stream, {**_KNOWN, **known}, storages.find, limit_bytes)


@dataclass(frozen=True)
class _Storage:
    """The memory that tensors are views of; views are made before it is filled.

    Attributes:
        stored: the type of its elements in the file.
        elements: (elements,)
    """

    stored: str
    elements: NDArray[Any]

    @property
    def size_bytes(self) -> int:
        """How many bytes it takes in the file."""
        return len(self.elements) * _item_bytes(self.stored)

    def fill(self, raw: bytes, *, is_big: bool) -> None:
        """Take the elements from a file's bytes."""
        if len(raw) != self.size_bytes:
            raise ValueError("a storage is of another size than its tensors have it")
        mark = ">" if is_big else "<"
        if self.stored == _BFLOAT16:  # the upper half of a float32
            halves = np.frombuffer(raw, f"{mark}u2").astype(np.uint32)
            self.elements[...] = (halves << 16).view(np.float32)
        else:
            self.elements[...] = np.frombuffer(raw, f"{mark}{self.stored}")


def _item_bytes(stored: str) -> int:
    return 2 if stored == _BFLOAT16 else np.dtype(stored).itemsize


class _Storages:
    """Storages that a pickle has named, by their keys.

    Args:
        limit_bytes: they are not larger, as the whole file is not.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._left_bytes = limit_bytes
        self.found: dict[str, _Storage] = {}

    def find(self, pid: Any) -> Any:
        """Return the storage that a tensor names: ("storage", type, key, device, elements, …).

        The older format wraps classes of networks likewise: ("module", class, file, source).
        """
        match pid:
            case ("module", word, _, _):
                return word
            case ("storage", str(stored), str(key), str(), int(count), *view) if (
                stored in _STORAGES.values() and view in ([], [None])
            ):
                return self._find(stored, key, count)
        return refuse("a persistent object of another kind than storages")

    def _find(self, stored: str, key: str, count: int) -> _Storage:
        if key not in self.found:
            size_bytes = count * _item_bytes(stored)
            self._left_bytes -= size_bytes
            if size_bytes < 0 or self._left_bytes < 0:
                raise ValueError(f"storage {key!a} is larger than the file")
            held = np.empty(count, np.float32 if stored == _BFLOAT16 else stored)
            self.found[key] = _Storage(stored, held)
        return self.found[key]


class _TrustingUnpickler(pickle.Unpickler):
    """Imports and runs all that a pickle names, but arrays of torch, which need no torch here."""

    def __init__(self, stream: io.BytesIO, known: Known, storages: _Storages) -> None:
        super().__init__(stream)
        words = {name: word for name, word in known.items() if isinstance(word, str)}
        self._known = {**_TORCH, **words}
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name here, or what it is."""
        return self._known.get(f"{module}.{name}") or super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """Return a storage."""
        return self._storages.find(pid)


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Return a view of a storage, of any shape; offset and strides are in elements."""
    if not isinstance(storage, _Storage):
        raise TypeError
    check_shape(shape)
    if not all(map(is_count, (offset, *strides))):
        raise ValueError("a tensor has impossible strides")
    elements = storage.elements
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if offset > len(elements) or (0 not in shape and last >= len(elements)):
        raise ValueError("a tensor lies outside of its storage")
    if 0 in shape:
        return np.empty(shape, elements.dtype)
    return as_strided(
        elements[offset:], shape, [step * elements.itemsize for step in strides], writeable=False
    )


def _rebuild_parameter(tensor: NDArray[Any], *_: Any) -> NDArray[Any]:
    """Return a tensor (…) that was trained."""
    if not isinstance(tensor, np.ndarray):
        raise TypeError
    return tensor


def _make_ordered() -> OrderedDict[Any, Any]:
    """Return a dict that is yet to be filled."""
    return OrderedDict()


_TORCH: Known = {
    **_STORAGES,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
}
_KNOWN: Known = {**_TORCH, **NUMPY, "collections.OrderedDict": _make_ordered}
