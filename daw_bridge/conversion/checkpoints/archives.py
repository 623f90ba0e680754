"""Archives and compressed files, unpacked to no more than weights can take.

Weights hardly get smaller when they are compressed, so what unpacks to much more than it takes is
refused, and nothing beyond that is unpacked: a few megabytes may well hold gigabytes of zeros.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_FACTOR = 16
_ALWAYS_BYTES = 64 * 2**20
_NEVER_BYTES = 4 * 2**30
"""Twice of what an ONNX file, and so any network that is made of them, can have."""

_UNPACKERS: Mapping[bytes, Callable[[IO[bytes]], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_HEAD_BYTES = 2**16
_CHUNKS = {zipfile.ZIP_STORED: 2**24, zipfile.ZIP_DEFLATED: 2**24, zipfile.ZIP_LZMA: 2**12}
"""What is taken from a member at once, in bytes: of LZMA, from as many packed ones."""


def read_unpacked(path: Path, size: int | None = None) -> bytes:
    """Return a file's first bytes, or all; one of gzip, bzip2 or xz is unpacked.

    Raises:
        OSError: it cannot be read.
        WeightsError: it cannot be unpacked, or only to more than weights take.
    """
    with path.open("rb") as packed:
        head = packed.read(max(map(len, _UNPACKERS)))
        packed.seek(0)
        unpack = next((each for mark, each in _UNPACKERS.items() if head.startswith(mark)), None)
        if unpack is None:
            return packed.read(-1 if size is None else size)
        limit = _limit_bytes(path.stat().st_size)
        try:
            with unpack(packed) as stream:
                content = stream.read(limit + 1 if size is None else min(size, limit))
        except (EOFError, MemoryError, OSError, lzma.LZMAError, zlib.error) as error:
            raise WeightsError(f"{path} is damaged: {error}.") from error
    if len(content) > limit:
        raise WeightsError(_too_much(str(path), limit))
    return content


class ZipMembers:
    """The members of a zip archive, which take no more than weights can.

    Args:
        name: what to call the archive in errors.
        size_bytes: the whole archive.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str, size_bytes: int) -> None:
        self._archive = archive
        self._name = name
        members = archive.infolist()
        twice = [each for each, count in Counter(archive.namelist()).items() if count > 1]
        if twice:
            raise WeightsError(f"{name} holds {twice[0]!a} twice.")
        self.size_bytes = sum(member.file_size for member in members)
        if self.size_bytes > (limit := _limit_bytes(size_bytes)):
            raise WeightsError(_too_much(name, limit))

    @property
    def names(self) -> list[str]:
        """What they are called, in the archive's order."""
        return self._archive.namelist()

    def read(self, name: str) -> bytes:
        """Return a member.

        Raises:
            WeightsError: there is none of this name, or it is damaged or packed in a rare way.
        """
        try:
            return self._unpack(self._archive.getinfo(name))
        except MemoryError:
            raise
        except Exception as error:  # a damaged archive fails in many ways
            raise WeightsError(f"{self._name} has no whole member {name!a}: {error}.") from error

    def _unpack(self, member: zipfile.ZipInfo) -> bytes:
        """Return no more than the archive says of a member; zipfile would unpack all of it."""
        if member.compress_type not in _CHUNKS:
            raise ValueError("it is compressed by a method that nothing bounds")
        content = bytearray()
        with self._archive.open(member) as stream:
            while chunk := stream.read(_CHUNKS[member.compress_type]):
                content += chunk
        if len(content) != member.file_size:
            raise ValueError("it is cut short")
        return bytes(content)


@contextmanager
def open_zip(source: Path | bytes, name: str) -> Iterator[ZipMembers]:
    """Open a zip archive.

    Args:
        source: the archive, or where it is.
        name: what to call it in errors.

    Raises:
        WeightsError: it is damaged, has two members of a name, or unpacks to more than weights do.
    """
    content = io.BytesIO(source) if isinstance(source, bytes) else source
    size_bytes = len(source) if isinstance(source, bytes) else source.stat().st_size
    try:
        archive = zipfile.ZipFile(content)
    except MemoryError:
        raise
    except Exception as error:  # a damaged directory fails in many ways
        raise WeightsError(f"{name} is damaged: {error}.") from error
    with archive:
        yield ZipMembers(archive, name, size_bytes)


def is_tar(path: Path) -> bool:
    """Return whether a file begins as a tar archive does, which may be compressed.

    Raises:
        OSError: it cannot be read.
        WeightsError: it cannot be unpacked.
    """
    head = io.BytesIO(read_unpacked(path, _HEAD_BYTES))
    try:
        with tarfile.open(fileobj=head, mode="r:"):  # is_tarfile would unpack it once more
            return True
    except (KeyError, RecursionError, ValueError, tarfile.TarError):
        return False


def read_tar(path: Path) -> dict[str, bytes]:
    """Return the files of a tar archive, which may be compressed, by their paths in it.

    Links and sparse files, which take no room in it, are left out.

    Raises:
        OSError: it cannot be read.
        WeightsError: it is damaged, or unpacks to more than weights do.
    """
    content = read_unpacked(path)
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                is_whole = member.isfile() and not member.issparse()
                if is_whole and (stream := archive.extractfile(member)):
                    files[member.name] = stream.read()
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        raise WeightsError(f"{path} is damaged: {error}.") from error
    return files


def _limit_bytes(packed_bytes: int) -> int:
    """Return how much may come out of a file."""
    return max(packed_bytes, min(_NEVER_BYTES, max(_ALWAYS_BYTES, _FACTOR * packed_bytes)))


def _too_much(name: str, limit: int) -> str:
    return (
        f"{name} unpacks to more than {limit:,} bytes, which weights in a file of its size never"
        " do: it is no checkpoint."
    )
