"""A selection of a mixture, and its stems where they lie in a folder."""

from __future__ import annotations

import re
from contextlib import ExitStack
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.audio import Stems, fold_down
from daw_bridge.bounds import MAX_NAMES
from daw_bridge.errors import AudioError
from daw_bridge.files.containers import CONTAINERS
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.files.reading import log_warnings, open_audio
from daw_bridge.files.stem_files import read_labels
from daw_bridge.library.stems import RESULTS, usual_name

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reach import Reach
    from daw_bridge.files.reading import Reader
    from daw_bridge.files.stem_files import StemLabel

_UNFIT = re.compile(r"[^\w -]")


class Selection(NamedTuple):
    """``length`` frames (None: to the end) of a mixture, from ``start`` on."""

    mixture: Reader
    start: int = 0
    length: int | None = None

    @property
    def frames(self) -> int:
        """How many frames there are; an estimate where the mixture has one."""
        after_start = max(self.mixture.frames - self.start, 0)
        return after_start if self.length is None else min(self.length, after_start)

    def blocks(self, channels: int) -> Iterator[Block]:
        """Yield blocks of BLOCK_FRAMES frames, folded down to so many channels if need be."""
        blocks = self.mixture.blocks(self.start, self.length)
        if self.mixture.channels > channels:
            blocks = fold_down(blocks, self.mixture.channels)
        return blocks


def find_stems(folder: Path, *, reach: Reach = ANYWHERE) -> dict[str, Path]:
    """Return the file of each stem in a folder, as ``stemtool separate`` writes them.

    Raises:
        AudioError: there is no such folder, no stem in it, too many, or two files of one.
    """
    try:
        with reach.folder(folder) as opened:
            names = opened.names()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudioError(f"There is no folder {folder}.") from error
    except OSError as error:
        raise AudioError(f"{folder} cannot be read: {error.strerror}.") from error
    stems: dict[str, Path] = {}
    for path in map(folder.joinpath, names):
        if path.name.startswith(".") or path.suffix[1:].lower() not in CONTAINERS:
            continue
        if path.stem in stems:
            raise AudioError(f"{stems[path.stem]} and {path} are the same stem; remove one.")
        stems[path.stem] = path
    if len(stems) > MAX_NAMES:
        raise AudioError(
            f"{folder} has {len(stems)} audio files; a song has {MAX_NAMES} stems at most."
        )
    if not stems:
        raise AudioError(f"There are no stems in {folder}; stemtool separate makes some.")
    return stems


class StemTrack(NamedTuple):
    """Where a stem is: a file, or one of its audio tracks, counted from 1."""

    path: Path
    number: int = 1

    def __str__(self) -> str:
        return f"{self.path}, track {self.number}" if self.number > 1 else f"{self.path}"


def locate_stems(place: Path, *, reach: Reach = ANYWHERE) -> dict[str, StemTrack]:
    """Return where each stem is in a folder, as :func:`find_stems`, or in a stem file.

    Raises:
        AudioError: it is no such folder, and no stem file.
    """
    labels = read_labels(place, reach=reach)
    if labels.warning:
        raise AudioError(labels.warning)
    if labels.stems:
        names = _names_of(labels.stems)
        return {name: StemTrack(place, number) for number, name in enumerate(names, 2)}
    return {name: StemTrack(path) for name, path in find_stems(place, reach=reach).items()}


def read_stems(
    place: Path, selection: Selection, channels: int, *, reach: Reach = ANYWHERE
) -> Generator[Stems, None, None]:
    """Yield the stems in a folder, or in a stem file, block by block.

    Raises:
        AudioError: they have another sample rate or length than the mixture, or are not of so many
            channels.
    """
    tracks = locate_stems(place, reach=reach)
    mixture = selection.mixture
    with ExitStack() as stack:
        readers = [
            stack.enter_context(open_audio(path, track=number, reach=reach))
            for path, number in tracks.values()
        ]
        for track, each in zip(tracks.values(), readers, strict=True):
            if (each.sample_rate_hz, each.channels) != (mixture.sample_rate_hz, channels):
                raise AudioError(
                    f"{track} does not fit {mixture.name}: it has {each.channels} channels at"
                    f" {each.sample_rate_hz} Hz, and {channels} at {mixture.sample_rate_hz} Hz are"
                    " needed."
                )
        streams = [each.blocks(selection.start, selection.length) for each in readers]
        for block, *stems in zip_longest(selection.blocks(channels), *streams):
            for track, stem in zip(tracks.values(), stems, strict=True):
                if block is None or stem is None or stem.shape != block.shape:
                    raise AudioError(f"{track} is not as long as {mixture.name}.")
            yield Stems(tuple(tracks), np.stack(stems), block, mixture.sample_rate_hz)
        log_warnings(*readers)


def _names_of(labels: Sequence[StemLabel]) -> list[str]:
    """Return names of stems by their labels, fit for files, and each only once."""
    names: list[str] = []
    for number, label in enumerate(labels, 1):
        name = usual_name(_UNFIT.sub("_", label.name).strip()) or "stem"
        while name in (*names, *RESULTS):
            name = f"{name} {number}"
        names.append(name)
    return names
