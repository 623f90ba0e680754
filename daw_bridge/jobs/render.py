"""What jobs have in common that make something of stems."""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import AudioError
from daw_bridge.jobs.job import Job
from daw_bridge.jobs.sources import find_stems, read_stems
from daw_bridge.jobs.timing import separate_and_note

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from daw_bridge.audio import Stems
    from daw_bridge.evaluation.nulls import NullMeter
    from daw_bridge.files.writing import StemFiles
    from daw_bridge.jobs.cache import StemCache
    from daw_bridge.jobs.sources import Selection
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.providers import Precision
    from daw_bridge.separation.separator import Separator

_MAX_FOLDER_NULL_DB = -60.0


@dataclass(frozen=True)
class RenderJob(Job):
    """Make something of a file's stems.

    Attributes:
        output: what is made.
        stems_folder: where the stems are; None: they are separated, or found in the cache.
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
            yield from find_stems(self.stems_folder, reach=self.reach).values()

    def stems(self, manifest: ModelManifest) -> tuple[str, ...]:
        """Return the names of the stems.

        Raises:
            AudioError: there are none in their folder.
        """
        if not self.stems_folder:
            return manifest.stems
        return tuple(find_stems(self.stems_folder, reach=self.reach))


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
        """Return in which precision a job's stems are made; None, if they lie in a folder."""
        return None if job.stems_folder else self.precision

    def stems(
        self, job: RenderJob, selection: Selection, channels: int
    ) -> tuple[str, Generator[Stems, None, None]]:
        """Return where a job's stems are from, and the stems, block by block."""
        if job.stems_folder:
            return "folder", read_stems(job.stems_folder, selection, channels, reach=job.reach)
        key = self._key(job) if self.cache else ""
        if self.cache and (found := self.cache.read(key, self.manifest.stems, selection)):
            return "cache", found
        separator = self.open_separator()
        made = separate_and_note(separator, selection, job.options)
        return separator.provider, self.cache.keep(key, made, selection) if self.cache else made

    def _key(self, job: RenderJob) -> str:
        from daw_bridge.jobs.cache import cache_key
        from daw_bridge.library.models import load_components

        return cache_key(
            job.sources,
            job.reach,
            model=[[each.name, each.version] for each in load_components(self.manifest)],
            selection=[job.audio_track, job.start, job.length],
            options=asdict(job.options),
            **self._integers(),
        )

    def _integers(self) -> dict[str, object]:
        """Return what stems also depend on where networks are in int8; nothing in float."""
        from daw_bridge.weights.quantised import measured_of

        if self.precision == "float":
            return {}
        return {"int8": [each and each.sha256 for each in measured_of(self.manifest)]}


def watch(
    blocks: Iterable[Stems], meter: NullMeter, kept: StemFiles | None, report: Callable[[int], None]
) -> Iterator[Stems]:
    """Yield stems; measure them, keep them, and tell how many frames have come."""
    done = 0
    for stems in blocks:
        meter.add(stems.mixture, stems.mixture - stems.samples.sum(axis=0, dtype=np.float64))
        if kept:
            kept.write(stems.samples)
        yield stems
        done += stems.mixture.shape[1]
        report(done)


def check_null(job: RenderJob, meter: NullMeter) -> None:
    """Raise :class:`AudioError` if the stems in a folder are not those of the mixture."""
    if job.stems_folder and (null_db := meter.null_db()) > _MAX_FOLDER_NULL_DB:
        raise AudioError(
            f"The stems in {job.stems_folder} are not those of {job.source}: what they leave of it"
            f" is at {null_db:.0f} dB, and may be at {_MAX_FOLDER_NULL_DB:.0f}; stems that were"
            " turned down are whole with --bits 32f."
        )
