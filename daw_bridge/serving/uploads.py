"""Audio that clients on other machines send, piece by piece.

Each upload has a folder of its own, with what was announced and what has come so far, so it can go
on after a broken connection and after a restart.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from typing import TYPE_CHECKING

import msgspec

from daw_bridge.errors import AudioError, BusyError, DiskFullError, OptionError, OutputError
from daw_bridge.files.atomic import write_whole
from daw_bridge.files.hashing import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_UPLOADS = 1_000
_ANNOUNCED = "announced.json"
_PART = "part"


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


class Uploads:
    """The uploads in a folder.

    Args:
        folder: where they are kept.
        max_bytes: their size together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, upload: Upload) -> int:
        """Take an announcement and return how many bytes have come before.

        Raises:
            OptionError: it is not one file's, or the transfer was announced otherwise.
            BusyError: there is no room for it.
        """
        _check(upload)
        folder = self._folder_of(upload.transfer)
        if folder.exists():
            if self._announced(upload.transfer) != upload:
                raise OptionError(f"Transfer {upload.transfer} was announced as something else.")
            return self._received(upload)
        sizes = [each.size for each in self._uploads()]
        if sum(sizes) + upload.size > self._max_bytes or len(sizes) >= _MAX_UPLOADS:
            raise BusyError(
                f"There is no room for {upload.size:,} bytes more: all uploads together take at"
                f" most {self._max_bytes:,}."
            )
        folder.mkdir()
        (folder / _PART).touch()
        write_whole(folder / _ANNOUNCED, msgspec.json.encode(upload))
        return 0

    def add(self, transfer: str, offset: int, data: bytes) -> Upload | None:
        """Append a piece; return the upload if it was the last one.

        Raises:
            OptionError: the transfer is unknown, or the piece does not follow the last.
            DiskFullError: there is no room left.
        """
        upload = self._announced(transfer)
        received = self._received(upload)
        if offset != received or received + len(data) > upload.size:
            raise OptionError(
                f"Transfer {transfer} goes on at byte {received} of {upload.size}; this piece has"
                f" {len(data)} bytes at {offset}."
            )
        part = self._folder_of(transfer) / _PART
        try:
            with part.open("ab") as file:
                file.write(data)
        except OSError as error:
            os.truncate(part, received)
            kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else OutputError
            raise kind(f"Transfer {transfer} cannot be stored: {error.strerror}.") from error
        return upload if received + len(data) == upload.size else None

    def finish(self, upload: Upload) -> None:
        """Give a complete upload its name; slow for large ones.

        Raises:
            AudioError: the hash is not the announced one; the upload is forgotten.
        """
        folder = self._folder_of(upload.transfer)
        if sha256_of(folder / _PART) != upload.sha256:
            shutil.rmtree(folder)
            raise AudioError(f"Transfer {upload.transfer} has not the announced hash; send again.")
        (folder / _PART).replace(folder / upload.name)

    def find(self, transfer: str) -> Path:
        """Return the file of a complete upload.

        Raises:
            OptionError: the transfer is unknown.
            AudioError: it is not complete.
        """
        path = self._folder_of(transfer) / self._announced(transfer).name
        if not path.exists():
            raise AudioError(f"Transfer {transfer} is not complete.")
        return path

    def prune(self, seconds: float) -> None:
        """Forget uploads that are older."""
        for folder in self._folder.iterdir():
            if folder.stat().st_mtime < time.time() - seconds:
                shutil.rmtree(folder, ignore_errors=True)

    def _folder_of(self, transfer: str) -> Path:
        return self._folder / hashlib.sha256(transfer.encode()).hexdigest()

    def _announced(self, transfer: str) -> Upload:
        try:
            return _read_announcement(self._folder_of(transfer))
        except (OSError, msgspec.DecodeError) as error:
            raise OptionError(f"Transfer {transfer} was not announced.") from error

    def _received(self, upload: Upload) -> int:
        folder = self._folder_of(upload.transfer)
        part = folder / _PART
        return (part if part.exists() else folder / upload.name).stat().st_size

    def _uploads(self) -> Iterator[Upload]:
        for folder in self._folder.iterdir():
            if (folder / _ANNOUNCED).exists():
                yield _read_announcement(folder)


def _read_announcement(folder: Path) -> Upload:
    return msgspec.json.decode((folder / _ANNOUNCED).read_bytes(), type=Upload)


def _check(upload: Upload) -> None:
    if not re.fullmatch(r"[^/\\\x00-\x1f\x7f]{1,200}", upload.name) or upload.name in (
        ".", "..", _PART, _ANNOUNCED,
    ):  # fmt: skip
        raise OptionError("The name of a transfer's file is a plain file name.")
    if not re.fullmatch("[0-9a-f]{64}", upload.sha256):
        raise OptionError("A transfer's sha256 is 64 hexadecimal digits.")
    if upload.size < 1:
        raise OptionError("A transfer has at least one byte.")
