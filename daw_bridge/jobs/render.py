"""What jobs have in common that make something of stems."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import KW_ONLY, asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from daw_bridge.errors import AudioError
from daw_bridge.files.stem_files import MIXTURE_TRACK, read_labels
from daw_bridge.jobs.job import Job
from daw_bridge.jobs.sources import locate_stems, read_stems
from daw_bridge.jobs.timing import separate_and_note

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from daw_bridge.audio import Stems
    from daw_bridge.evaluation.nulls import NullMeter
    from daw_bridge.files.reading import AudioFile
    from daw_bridge.files.writing import StemFiles
    from daw_bridge.jobs.cache import StemCache
    from daw_bridge.jobs.sources import Selection
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.options import SeparationOptions
    from daw_bridge.separation.providers import Precision
    from daw_bridge.separation.separator import Separator

STEM_FILE = "stem file"
"""Where stems are from that came with their mixture."""

_log = logging.getLogger(__name__)

_MAX_FOLDER_NULL_DB = -60.0


@dataclass(frozen=True)
class RenderJob(Job):
    """Make something of a file's stems.

    Attributes:
        output: what is made.
        stems_folder: where the stems are, also a stem file; None: they are those of the source, if
            that is a stem file, or are found in the cache, or separated.
    """

    output: Path
    _: KW_ONLY
    stems_folder: Path | None = None

    @property
    def inputs(self) -> Iterator[Path]:
        """All that it reads, a folder before what is in it."""
        yield from self.sources
        if self.stems_folder:
            yield self.stems_folder
            stems = locate_stems(self.stems_folder, reach=self.reach)
            yield from (path for path, _ in stems.values())

    @cached_property
    def stems_place(self) -> Path | None:
        """Where the stems are: in their folder, or in the source; None: nowhere yet."""
        if self.stems_folder or self.other_channels or self.audio_track != MIXTURE_TRACK:
            return self.stems_folder
        labels = read_labels(self.source, reach=self.reach)
        if labels.warning:
            _log.warning("%s", labels.warning)
        return self.source if labels.stems else None

    def select(self, mixture: AudioFile) -> Selection:
        """Return the part of the mixture; without what a codec adds to the end of a stem file."""
        selection = super().select(mixture)
        is_in_source = self.stems_place == self.source
        if is_in_source and self.length is None and mixture.claimed_frames:
            return selection._replace(length=max(mixture.claimed_frames - self.start, 1))
        return selection

    def stems(self, manifest: ModelManifest) -> tuple[str, ...]:
        """Return the names of the stems: of parts of parts, only as many as names need.

        Raises:
            AudioError: there are none in their folder.
        """
        if not self.stems_place:
            return manifest.cut(self.asked_stems)
        return tuple(locate_stems(self.stems_place, reach=self.reach))


@dataclass(frozen=True)
class StemMaker:
    """Makes the stems of a job, or finds them where they were made before.

    Attributes:
        manifest: the model.
        open_separator: gives the model itself; only called where stems must be made.
        cache: where they may be found, and are kept.
        precision: of the model's networks.
    """

    manifest: ModelManifest
    open_separator: Callable[[], Separator]
    cache: StemCache | None = None
    precision: Precision = "float"

    def precision_of(self, job: RenderJob) -> Precision | None:
        """Return in which precision a job's stems are made; None, if they are there."""
        return None if job.stems_place else self.precision

    def stems(
        self, job: RenderJob, selection: Selection, channels: int
    ) -> tuple[str, Generator[Stems, None, None]]:
        """Return where a job's stems are from, and the stems, block by block."""
        origin, made = self._find(job, selection, channels)
        return origin, _ahead(made)

    def _find(
        self, job: RenderJob, selection: Selection, channels: int
    ) -> tuple[str, Generator[Stems, None, None]]:
        if place := job.stems_place:
            origin = "folder" if job.stems_folder else STEM_FILE
            return origin, read_stems(place, selection, channels, reach=job.reach)
        names = job.stems(self.manifest)
        # All stems are asked for by no names, so that what was kept of plain models stays of use.
        options = replace(job.options, stems=() if names == self.manifest.stems else names)
        key = self._key(job, options) if self.cache else ""
        if self.cache and (found := self.cache.read(key, names, selection)):
            return "cache", found
        separator = self.open_separator()
        made = separate_and_note(separator, selection, options)
        return separator.provider, self.cache.keep(key, made, selection) if self.cache else made

    def _key(self, job: RenderJob, options: SeparationOptions) -> str:
        from daw_bridge.jobs.cache import cache_key
        from daw_bridge.library.models import load_components

        return cache_key(
            job.sources,
            job.reach,
            model=[[each.name, each.version] for each in load_components(self.manifest)],
            selection=[job.audio_track, job.start, job.length],
            options=asdict(options),
            **self._integers(),
        )

    def _integers(self) -> dict[str, object]:
        """Return what stems also depend on where networks are in int8; nothing in float."""
        from daw_bridge.weights.quantised import measured_of

        if self.precision == "float":
            return {}
        return {"int8": [each and each.sha256 for each in measured_of(self.manifest)]}


def _ahead(blocks: Generator[Stems, None, None]) -> Generator[Stems, None, None]:
    """Yield blocks, each of which is made in another thread while the one before is used."""
    with closing(blocks), ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, blocks, None)
        while stems := coming.result():
            coming = pool.submit(next, blocks, None)
            yield stems


def watch(
    blocks: Iterable[Stems],
    meter: NullMeter | None,
    kept: StemFiles | None,
    report: Callable[[int], None],
) -> Iterator[Stems]:
    """Yield stems; measure them, keep them, and tell how many frames have come."""
    done = 0
    for stems in blocks:
        if meter:
            meter.add_stems(stems.mixture, stems.samples)
        if kept:
            kept.write(stems.samples)
        yield stems
        done += stems.mixture.shape[1]
        report(done)


def check_null(job: RenderJob, meter: NullMeter | None) -> None:
    """Raise :class:`AudioError` if the stems in a folder are not those of the mixture."""
    if meter and job.stems_folder and (null_db := meter.null_db()) > _MAX_FOLDER_NULL_DB:
        raise AudioError(
            f"The stems in {job.stems_folder} are not those of {job.source}: what they leave of it"
            f" is at {null_db:.0f} dB, and may be at {_MAX_FOLDER_NULL_DB:.0f}; stems that were"
            " turned down are whole with --bits 32f."
        )
