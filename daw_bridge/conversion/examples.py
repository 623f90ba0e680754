"""The song that a package of weights may carry, to show what its model does."""

from __future__ import annotations

import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_BYTES = 64 << 20


def extract_example(archive: Path, member: str, folder: Path) -> None:
    """Write a song of a zip archive into a folder, as ``example`` with the song's own suffix.

    Raises:
        WeightsError: the archive has no such member, or the song is too large for an example.
    """
    try:
        with zipfile.ZipFile(archive) as zipped, zipped.open(member) as song:
            content = song.read(_LIMIT_BYTES + 1)
    except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{archive} gives no song {member}: {error}.") from error
    if len(content) > _LIMIT_BYTES:
        raise WeightsError(
            f"{member} in {archive} is larger than {_LIMIT_BYTES >> 20} MiB: no song that shows"
            " what a model does."
        )
    (folder / f"example{PurePosixPath(member).suffix}").write_bytes(content)
