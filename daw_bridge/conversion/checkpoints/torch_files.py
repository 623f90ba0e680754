"""Files that ``torch.save`` wrote, read without torch: tensors become numpy arrays.

Since torch 1.6 a file is a zip archive of a pickle, ``data.pkl``, and one member a storage. Before,
it was a sequence of pickles (a magic number, a version, facts on the machine, the object, the
storages' keys), then the storages, each after its number of elements.

A pickle may call anything, so only functions that rebuild arrays are let through, and what the
caller knows by name.

Source: torch/serialization.py and torch/_utils.py of torch 2.13.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.lib.stride_tricks import as_strided

from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_COUNT_BYTES = 8
_BFLOAT16 = "bfloat16"
_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


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


def read_torch_object(
    content: bytes, name: str, known: Mapping[str, Any], *, trust: bool = False
) -> Any:
    """Return whatever a file holds, as :func:`read_torch_file` does.

    Args:
        content: the file, of either format.
        name: what to call it in errors.
        known: what the file may name beside arrays, by dotted names, and what it becomes: a class
            of one's own, or a word that stands for it. Nothing is imported.
        trust: import whatever else it names, and run that.

    Raises:
        WeightsError: it is no such file, is cut short, or names anything else.
    """
    try:
        read = _read_zip if zipfile.is_zipfile(io.BytesIO(content)) else _read_legacy
        return read(content, known, trust=trust)
    except _Refusal as refusal:
        raise WeightsError(
            f"{name} holds {refusal}, where only arrays may be. Reading that runs code which may do"
            " anything: add --trust if you trust its author."
        ) from refusal
    except Exception as error:  # a pickle's opcodes fail in many ways
        raise WeightsError(f"{name} is no whole file of torch.save: {error}.") from error


def _read_zip(content: bytes, known: Mapping[str, Any], *, trust: bool) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        marked = f"{folder}byteorder"
        is_big = marked in archive.namelist() and archive.read(marked) == b"big"
        stream = io.BytesIO(archive.read(pickled))
        unpickler = _ArrayUnpickler(stream, len(content), known, trust=trust)
        held = unpickler.load()
        for key, storage in unpickler.storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"), is_big=is_big)
    return held


def _read_legacy(content: bytes, known: Mapping[str, Any], *, trust: bool) -> Any:
    stream = io.BytesIO(content)
    magic, _, machine = (_ArrayUnpickler(stream, len(content), {}).load() for _ in range(3))
    if magic != _LEGACY_MAGIC:
        raise ValueError("it begins with no magic number")
    is_big = not machine["little_endian"]
    unpickler = _ArrayUnpickler(stream, len(content), known, trust=trust)
    held = unpickler.load()
    for key in _ArrayUnpickler(stream, len(content), {}).load():
        storage = unpickler.storages[key]
        if int.from_bytes(stream.read(_COUNT_BYTES), "big" if is_big else "little") != len(
            storage.elements
        ):
            raise ValueError(f"storage {key} has not its number of elements")
        storage.fill(stream.read(storage.size_bytes), is_big=is_big)
    return held


class _Refusal(Exception):  # noqa: N818 - says what was refused
    """A pickle names something that rebuilds no array."""


class _Storage(NamedTuple):
    """The memory (elements,) that tensors are views of; views are made before it is filled."""

    stored: str
    elements: NDArray[Any]

    @property
    def size_bytes(self) -> int:
        """How many bytes it takes in the file."""
        return len(self.elements) * _item_bytes(self.stored)

    def fill(self, raw: bytes, *, is_big: bool) -> None:
        """Take the elements from a file's bytes."""
        mark = ">" if is_big else "<"
        if self.stored == _BFLOAT16:  # the upper half of a float32
            halves = np.frombuffer(raw, f"{mark}u2").astype(np.uint32)
            self.elements[...] = (halves << 16).view(np.float32)
        else:
            self.elements[...] = np.frombuffer(raw, f"{mark}{self.stored}")


def _item_bytes(stored: str) -> int:
    return 2 if stored == _BFLOAT16 else np.dtype(stored).itemsize


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays of torch and of numpy in containers, and refuses everything else.

    Args:
        stream: the pickle.
        limit_bytes: no storage can be larger, as the whole file is not.
        known: what else may be named.
        trust: import and return anything else.
    """

    def __init__(
        self,
        stream: io.BytesIO,
        limit_bytes: int,
        known: Mapping[str, Any],
        *,
        trust: bool = False,
    ) -> None:
        super().__init__(stream)
        self._limit_bytes = limit_bytes
        self._known = known
        self._trust = trust
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few callables that rebuild an array, or the type of a storage."""
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        dotted = f"{module}.{name}"
        if found := _ALLOWED.get((module, name)) or self._known.get(dotted):
            return found
        return super().find_class(module, name) if self._trust else _refuse(dotted)

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage that a tensor names: ("storage", type, key, device, elements, …).

        The older format wraps classes of networks likewise: ("module", class, file, source).
        """
        if pid[0] == "module":
            return pid[1]
        kind, stored, key, _, count, *view = pid
        if kind != "storage" or stored not in _STORAGES.values() or view not in ([], [None]):
            _refuse(f"the persistent object {pid}")
        if not 0 <= count * _item_bytes(stored) <= self._limit_bytes:
            raise ValueError(f"storage {key} is larger than the file")
        if key not in self.storages:
            held = np.empty(count, np.float32 if stored == _BFLOAT16 else stored)
            self.storages[key] = _Storage(stored, held)
        return self.storages[key]


def _refuse(what: str) -> NoReturn:
    raise _Refusal(what)


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Return a view of a storage, of any shape; offset and strides are in elements."""
    elements = storage.elements
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= len(elements)):
        raise ValueError("a tensor lies outside of its storage")
    return as_strided(
        elements[offset:], shape, [step * elements.itemsize for step in strides], writeable=False
    )


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
}
