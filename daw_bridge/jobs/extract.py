"""A stem file becomes a file of its mixture and a file of each stem."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import AudioError, OutputError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.reading import log_warnings, open_audio
from daw_bridge.files.stem_files import CHANNELS
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.project import Song
from daw_bridge.jobs.sources import StemTrack, locate_stems
from daw_bridge.projects.composition import Original

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daw_bridge.files.reading import AudioFile

_FORMAT = OutputFormat("wav", "32f")  # which holds what any codec decodes to


def title_of(stem_file: Path) -> str:
    """Return what a stem file is called."""
    return stem_file.stem.removesuffix(".stem")


def extract_song(stem_file: Path, folder: Path, *, overwrite: bool = False) -> Song:
    """Write the mixture of a stem file into a folder named after it, and its stems into one below.

    Raises:
        AudioError: it is no stem file, or cannot be read.
        OutputError: a file exists that may not be replaced, or cannot be written.
    """
    title = title_of(stem_file)
    tracks = locate_stems(stem_file)
    mixture = folder / f"{title} audio" / f"{title}.wav"  # beside projects that are folders
    stems = {name: mixture.parent / "stems" / f"{name}.wav" for name in tracks}
    for path in (mixture, *stems.values()):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists; --overwrite replaces it.")
    with ExitStack() as stack:
        readers = [
            stack.enter_context(open_audio(path, track=number))
            for path, number in (StemTrack(stem_file), *tracks.values())
        ]
        _write(readers, [mixture, *stems.values()], stem_file)
        log_warnings(*readers)
    return Song(title, stems, Original(mixture))


def _write(readers: Sequence[AudioFile], paths: Sequence[Path], source: Path) -> None:
    """Write a file for each reader, of one length: that of the first, as it says it is."""
    first = readers[0]
    files = StemFiles(
        paths, _FORMAT, sample_rate_hz=first.sample_rate_hz, channels=CHANNELS, tags_from=source
    )
    with files:
        streams = [each.blocks(0, first.claimed_frames) for each in readers]
        try:
            for blocks in zip(*streams, strict=True):
                files.write(np.stack(blocks))
        except ValueError as error:
            raise AudioError(f"The tracks of {source} are not of one length.") from error
        files.commit()
