"""Audio that clients on other machines send, piece by piece.

Each upload has a folder of its own, with what was announced and what has come so far, so it can go
on after a broken connection and after a restart.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
import unicodedata
from contextlib import contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING

import msgspec
import structlog

from daw_bridge.errors import AudioError, BusyError, DiskFullError, OptionError, OutputError
from daw_bridge.files.atomic import write_whole
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.room import FULL_DISK, check_reserve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from daw_bridge.serving.limits import Limits

_ANNOUNCED = "announced.json"
_PART = "part"
_ASIDE = ".damaged"
_MAX_NAME_BYTES = 255
_PRINTABLE = r"[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
_OF_WRITING_DIRECTIONS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_OF_WINDOWS = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\..*)?|.*[. ]", re.DOTALL)
_NOT_ON_THIS_SYSTEM = '<>:"|?*' if sys.platform == "win32" else ""

log = structlog.get_logger()


class Upload(msgspec.Struct, frozen=True):
    """What a client announced.

    Attributes:
        transfer: the client's name for it.
        name: the file's name.
        size: how many bytes it has.
        sha256: its hash.
    """

    transfer: str
    name: str
    size: int
    sha256: str


class _Announced(Upload, frozen=True):
    """What a client announced, and the address of its machine."""

    host: str = ""

    @property
    def upload(self) -> Upload:
        return Upload(self.transfer, self.name, self.size, self.sha256)


class Uploads:
    """The uploads in a folder; its methods may be called from any thread.

    An upload that cannot be read is set aside, and its name can be used again.

    Args:
        folder: where they are kept.
        limits: what clients can use up.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._lock = RLock()
        folder.mkdir(parents=True, exist_ok=True)
        self._known = dict(self._recall())

    def put(self, upload: Upload, host: str = "") -> int:
        """Take an announcement and return how many bytes have come before.

        Slow where all have come and nobody has compared their hash yet.

        Args:
            upload: what is announced.
            host: the address of who announces it: each has a share of the room.

        Raises:
            OptionError: it is not one file's, or the transfer was announced otherwise.
            BusyError: there is no room for it.
            DiskFullError: there is none on the disk.
            AudioError: all of it has come, with another hash.
        """
        _check(upload)
        with self._lock:
            known = self._known.get(upload.transfer)
            if known is None:
                self._check_room(upload, host)
                self._announce(_Announced(**msgspec.structs.asdict(upload), host=host))
                return 0
            if known.upload != upload:
                raise OptionError(f"Transfer {upload.transfer} was announced as something else.")
            received = self._received(known)
        if received == upload.size:
            self.finish(upload)
        return received

    def add(self, transfer: str, offset: int, data: bytes) -> Upload | None:
        """Append a piece; return the upload if it was the last one.

        Raises:
            OptionError: the transfer is unknown, or the piece is empty or does not follow the last.
            DiskFullError: there is no room left.
        """
        with self._lock:
            upload = self._announced(transfer)
            received = self._received(upload)
            if offset != received or not 0 < len(data) <= upload.size - received:
                raise OptionError(
                    f"Transfer {transfer} goes on at byte {received} of {upload.size}; this piece"
                    f" has {len(data)} bytes at {offset}."
                )
            self._append(upload, received, data)
        return upload.upload if received + len(data) == upload.size else None

    def finish(self, upload: Upload) -> None:
        """Give a complete upload its name; slow for large ones. Nothing is to do the second time.

        Raises:
            AudioError: the hash is not the announced one; the upload is forgotten.
            OptionError: the transfer is not known any more.
            OutputError: it cannot be written.
        """
        part = self._folder_of(upload.transfer) / _PART
        with _storing(upload), suppress(FileNotFoundError):
            digest = sha256_of(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            with self._lock:
                if digest != upload.sha256:
                    self._forget(upload.transfer)
                    raise AudioError(
                        f"Transfer {upload.transfer} has not the announced hash; send again."
                    )
                part.replace(part.with_name(upload.name))
        self.find(upload.transfer)

    def find(self, transfer: str) -> Path:
        """Return the file of a complete upload, which is not old from now on.

        Raises:
            OptionError: the transfer is unknown.
            AudioError: it is not complete.
        """
        with self._lock:
            path = self._folder_of(transfer) / self._announced(transfer).name
            if not path.exists():
                raise AudioError(f"Transfer {transfer} is not complete.")
            with suppress(OSError):
                os.utime(path.parent)
            return path

    def drop(self, transfer: str, host: str, *, needed: Collection[Path]) -> None:
        """Forget an upload, as whoever sent it wishes.

        Args:
            transfer: its name.
            host: the address of who wishes it.
            needed: the files that jobs are yet to read.

        Raises:
            OptionError: the transfer is unknown, or another's.
            BusyError: a job is yet to read it.
        """
        with self._lock:
            if self._announced(transfer).host not in ("", host):
                raise OptionError(f"Transfer {transfer} is not yours.")
            if _is_needed(self._folder_of(transfer), needed):
                raise BusyError(f"A job is yet to read transfer {transfer}; cancel it, or wait.")
            self._forget(transfer)

    def prune(self, seconds: float, *, needed: Collection[Path] = ()) -> None:
        """Forget uploads that are older, but for files that jobs are yet to read."""
        with self._lock:
            for folder in list(self._folder.iterdir()):
                with suppress(OSError):
                    is_old = folder.lstat().st_mtime < time.time() - seconds
                    if is_old and not _is_needed(folder, needed):
                        shutil.rmtree(folder)
            self._known = {
                transfer: each
                for transfer, each in self._known.items()
                if self._folder_of(transfer).exists()
            }

    def _check_room(self, upload: Upload, host: str) -> None:
        """Raise :class:`BusyError` if a host has too much here already, or all have."""
        limits = self._limits
        own = [each.size for each in self._known.values() if each.host == host]
        every = [each.size for each in self._known.values()]
        for whose, sizes, most_bytes, most in (
            (
                f"those of {host or 'one machine'}",
                own,
                limits.host_upload_bytes,
                limits.host_uploads,
            ),
            ("all uploads", every, limits.upload_bytes, limits.uploads),
        ):
            if sum(sizes) + upload.size > most_bytes or len(sizes) >= most:
                raise BusyError(
                    f"There is no room for {upload.size:,} bytes more: {whose} together are at most"
                    f" {most:,}, of {most_bytes:,} bytes; drop some, or wait until they are old."
                )

    def _announce(self, upload: _Announced) -> None:
        """Make an upload's folder, whole or not at all."""
        folder = self._folder_of(upload.transfer)
        with _storing(upload):
            check_reserve(self._folder, upload.size, self._limits.reserve_bytes)
            folder.mkdir()
            try:
                (folder / _PART).touch()
                write_whole(folder / _ANNOUNCED, msgspec.json.encode(upload), durable=True)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self._known[upload.transfer] = upload

    def _append(self, upload: _Announced, received: int, data: bytes) -> None:
        """Write a piece, all of it or nothing."""
        part = self._folder_of(upload.transfer) / _PART
        with _storing(upload):
            check_reserve(self._folder, len(data), self._limits.reserve_bytes)
            try:
                with part.open("ab") as file:
                    file.write(data)
            except OSError:
                os.truncate(part, received)
                raise

    def _forget(self, transfer: str) -> None:
        del self._known[transfer]
        shutil.rmtree(self._folder_of(transfer), ignore_errors=True)

    def _folder_of(self, transfer: str) -> Path:
        return self._folder / _name_of_folder(transfer)

    def _announced(self, transfer: str) -> _Announced:
        if transfer not in self._known:
            raise OptionError(f"Transfer {transfer} was not announced.")
        return self._known[transfer]

    def _received(self, upload: Upload) -> int:
        with _storing(upload):
            return _file_of(upload, self._folder_of(upload.transfer)).stat().st_size

    def _recall(self) -> Iterator[tuple[str, _Announced]]:
        """Yield the uploads that an earlier server took in; set aside what is none."""
        for folder in list(self._folder.iterdir()):
            if _ASIDE in folder.name:
                continue
            try:
                upload = _read(folder)
            except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
                aside = folder.with_name(f"{folder.name}{_ASIDE}-{time.time_ns()}")
                log.warning("upload set aside", kept_as=str(aside), reason=str(error))
                with suppress(OSError):
                    folder.rename(aside)
            else:
                yield upload.transfer, upload


def _name_of_folder(transfer: str) -> str:
    return hashlib.sha256(transfer.encode("utf-8", "surrogatepass")).hexdigest()


def _read(folder: Path) -> _Announced:
    """Return the upload in a folder.

    Raises:
        OSError, ValueError, MsgspecError: there is none, or it is damaged.
    """
    upload = msgspec.json.decode((folder / _ANNOUNCED).read_bytes(), type=_Announced)
    file = _file_of(upload, folder)
    size = file.stat().st_size
    if _name_of_folder(upload.transfer) != folder.name:
        raise ValueError("it lies where another belongs")
    if size > upload.size or (file.name != _PART and size < upload.size):
        raise ValueError(f"{size} bytes are there, and {upload.size} were announced")
    return upload


def _file_of(upload: Upload, folder: Path) -> Path:
    """Return the file of what has come of an upload."""
    part = folder / _PART
    return part if part.exists() else folder / upload.name


def _is_needed(folder: Path, files: Collection[Path]) -> bool:
    return any(path.parent == folder for path in files)


@contextmanager
def _storing(upload: Upload) -> Iterator[None]:
    """Turn what the system raises into one sentence about an upload."""
    try:
        yield
    except OSError as error:
        kind = DiskFullError if error.errno in FULL_DISK else OutputError
        raise kind(f"Transfer {upload.transfer} cannot be stored: {error.strerror}.") from error


def _check(upload: Upload) -> None:
    if not is_plain_name(upload.name):
        raise OptionError(
            f"The name of a transfer's file is a plain file name of up to {_MAX_NAME_BYTES} bytes,"
            " which every system can have."
        )
    if not re.fullmatch("[0-9a-f]{64}", upload.sha256):
        raise OptionError("A transfer's sha256 is 64 hexadecimal digits.")
    if upload.size < 1:
        raise OptionError("A transfer has at least one byte.")


def is_plain_name(name: str) -> bool:
    """Tell whether a name is that of one file, whatever the system, and reads as what it is."""
    folded = unicodedata.normalize("NFKC", name).casefold()  # as file systems fold names
    return bool(
        re.fullmatch(_PRINTABLE, name)
        and len(name.encode()) <= _MAX_NAME_BYTES
        and folded not in (_PART, _ANNOUNCED)
        and not _OF_WINDOWS.fullmatch(folded)
        and not _OF_WRITING_DIRECTIONS.search(name)
        and not set(name) & set(_NOT_ON_THIS_SYSTEM)
    )
