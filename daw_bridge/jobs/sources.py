"""A selection of a mixture, and its stems where they lie in a folder."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reach import Reach
    from daw_bridge.files.reading import Reader


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


def read_stems(
    folder: Path, selection: Selection, channels: int, *, reach: Reach = ANYWHERE
) -> Generator[Stems, None, None]:
    """Yield the stems in a folder, block by block.

    Raises:
        AudioError: they have another sample rate or length than the mixture, or are not of so many
            channels.
    """
    paths = find_stems(folder, reach=reach)
    mixture = selection.mixture
    with ExitStack() as stack:
        readers = [stack.enter_context(open_audio(path, reach=reach)) for path in paths.values()]
        for each in readers:
            if (each.sample_rate_hz, each.channels) != (mixture.sample_rate_hz, channels):
                raise AudioError(
                    f"{each.name} does not fit {mixture.name}: it has {each.channels} channels at"
                    f" {each.sample_rate_hz} Hz, and {channels} at {mixture.sample_rate_hz} Hz are"
                    " needed."
                )
        streams = [each.blocks(selection.start, selection.length) for each in readers]
        for block, *stems in zip_longest(selection.blocks(channels), *streams):
            for each, stem in zip(readers, stems, strict=True):
                if block is None or stem is None or stem.shape != block.shape:
                    raise AudioError(f"{each.name} is not as long as {mixture.name}.")
            yield Stems(tuple(paths), np.stack(stems), block, mixture.sample_rate_hz)
        log_warnings(*readers)
