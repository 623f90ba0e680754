"""Stems on disk, found by what they were made from, so that turning a knob separates nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from contextlib import ExitStack, closing, contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING

import soundfile

from daw_bridge.audio import Stems
from daw_bridge.errors import AudioError
from daw_bridge.files.atomic import part_of
from daw_bridge.files.folders import check_below
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.reading import open_audio
from daw_bridge.library.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from daw_bridge.files.reach import Reach
    from daw_bridge.jobs.sources import Selection

DEFAULT_LIMIT_BYTES = 4_000_000_000
_SAMPLE_BYTES = 4
_ENTRY = re.compile(r"[0-9a-f]{64}\.wav")  # as cache_key names it
_PART = re.compile(r"\.[0-9a-f]{8}-[0-9a-f]{64}\.wav")

log = logging.getLogger(__name__)


class StemCache:
    """The stems that were separated last, up to a limit.

    Each entry is one float WAV file whose channels are those of one stem after the other.

    Args:
        folder: where it is; None: in the user's cache folder.
        limit_bytes: how much it may hold; of too much, what was not used for longest goes.

    Raises:
        OutputError: the user's cache folder leads elsewhere.
    """

    def __init__(
        self, folder: Path | None = None, *, limit_bytes: int = DEFAULT_LIMIT_BYTES
    ) -> None:
        self.folder = folder or cache_folder() / "stems"
        if not folder:
            check_below(self.folder, cache_folder())
        self._limit_bytes = limit_bytes

    def entries(self) -> list[Path]:
        """Return the files of all entries, the one that was used last first."""
        found = (path for path in self.folder.glob("*.wav") if _ENTRY.fullmatch(path.name))
        used = [(path.stat().st_mtime_ns, path) for path in found]
        return [path for _, path in sorted(used, reverse=True)]

    def clear(self) -> None:
        """Remove all entries, and what a process that was killed left half written.

        A file of another name is not the cache's own, and stays.
        """
        for path in self.folder.glob("*.wav"):
            if _ENTRY.fullmatch(path.name) or _PART.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def read(
        self, key: str, names: tuple[str, ...], selection: Selection
    ) -> Generator[Stems, None, None] | None:
        """Return an entry's stems, block by block; None where there is none."""
        path = self._path(key)
        try:
            os.utime(path)
        except OSError:
            return None
        return _read(path, names, selection)

    def keep(
        self, key: str, blocks: Generator[Stems, None, None], selection: Selection
    ) -> Generator[Stems, None, None]:
        """Yield stems, and make them an entry when all have come.

        What cannot be written is not kept, and does no harm.
        """
        part = part_of(self._path(key))
        with closing(blocks), ExitStack() as cleanup:
            file: soundfile.SoundFile | None = None
            is_kept, done = True, 0
            for stems in blocks:
                done += stems.mixture.shape[1]
                try:
                    is_kept = is_kept and self._has_room(stems, max(done, selection.frames))
                    if is_kept:
                        file = file or cleanup.enter_context(_create(part, stems))
                        file.write(stems.samples.reshape(-1, stems.mixture.shape[1]).T)
                except (OSError, soundfile.LibsndfileError) as error:
                    log.warning("The stems are not kept in %s: %s", self.folder, error)
                    is_kept = False
                yield stems
            if file and is_kept:
                file.close()
                part.replace(self._path(key))
                self._evict()

    def _has_room(self, stems: Stems, frames: int) -> bool:
        count, channels, _ = stems.samples.shape
        return count * channels * frames * _SAMPLE_BYTES <= self._limit_bytes

    def _evict(self) -> None:
        held = 0
        for path in self.entries():
            held += path.stat().st_size
            if held > self._limit_bytes:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.wav"


def cache_key(sources: Iterable[Path], reach: Reach = ANYWHERE, /, **choices: object) -> str:
    """Return a name for what becomes of files by some choices; equal content, equal name."""
    digests = [sha256_of(path, reach=reach) for path in sources]
    text = json.dumps([digests, choices], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path, names: tuple[str, ...], selection: Selection) -> Generator[Stems, None, None]:
    with open_audio(path) as reader:
        channels = reader.channels // len(names)
        for block, mixture in zip_longest(reader.blocks(), selection.blocks(channels)):
            if block is None or mixture is None or block.shape[1] != mixture.shape[1]:
                raise AudioError(f"{path} is damaged; stemtool cache clear removes it.")
            samples = block.reshape(len(names), channels, -1)
            yield Stems(names, samples, mixture, reader.sample_rate_hz)


@contextmanager
def _create(part: Path, stems: Stems) -> Iterator[soundfile.SoundFile]:
    """Make a file, which goes again unless it is renamed."""
    part.parent.mkdir(parents=True, exist_ok=True)
    count, channels, _ = stems.samples.shape
    try:
        with soundfile.SoundFile(
            part, "w", stems.sample_rate_hz, count * channels, format="RF64", subtype="FLOAT"
        ) as file:
            yield file
    finally:
        part.unlink(missing_ok=True)
