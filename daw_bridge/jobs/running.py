"""What all jobs do alike when they run: begin, tell how far they are, write, and end."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daw_bridge.errors import AudioError, Cancelled
from daw_bridge.files.broadcast import Place, read_origin
from daw_bridge.files.reading import open_channels
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.job import Result, check_absent, check_outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from daw_bridge.files.reading import AudioFile
    from daw_bridge.files.speakers import Speakers
    from daw_bridge.files.writing import Written
    from daw_bridge.jobs.job import IsCancelled, Job, Progress
    from daw_bridge.jobs.sources import Selection
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.providers import Precision


@dataclass(frozen=True)
class Running:
    """A job that has begun.

    Attributes:
        job: what is asked for.
        outputs: the file of each result.
        source: the mixture's file, open.
        selection: what it is made of.
        total: how many frames that is; may be an estimate.
        began: by the clock of :func:`time.perf_counter`.
        progress: is told how far it is.
        is_cancelled: says whether to stop.
    """

    job: Job
    outputs: dict[str, Path]
    source: AudioFile
    selection: Selection
    total: int
    began: float
    progress: Progress | None
    is_cancelled: IsCancelled | None

    def report(self, done: int | None = None) -> None:
        """Say how far the job is, if that is known, and stop it if it was called off."""
        if self.progress and done is not None:
            self.progress(done, max(self.total, done))
        if self.is_cancelled and self.is_cancelled():
            raise Cancelled(f"{self.job.source} was cancelled.")

    def files(self, paths: Iterable[Path], channels: int, *, speakers: Speakers = ()) -> StemFiles:
        """Return files for results, of so many channels each, with the tags of the source."""
        paths = list(paths)
        files = StemFiles(
            paths,
            self.job.output_format,
            sample_rate_hz=self.source.sample_rate_hz,
            channels=channels,
            tags_from=self.job.source,
            speakers=speakers,
            reach=self.job.reach,
            room=self.job.room,
        )
        if places := self._places(paths):
            files.place(places)
        if self.source.is_exact:
            files.expect(self.total)
        return files

    def _places(self, paths: Sequence[Path]) -> list[Place]:
        """Return where results belong; nothing where that is where everything begins."""
        job = self.job
        if job.origin is None:
            origin = read_origin(job.source, reach=job.reach)
        else:
            origin = job.origin.at(self.source.sample_rate_hz)
        if origin is None and not job.start:
            return []
        names = {path: name for name, path in self.outputs.items()}
        sample = (origin or 0) + job.start
        return [Place(sample, job.source.stem, names.get(path, path.stem)) for path in paths]

    def commit(self, files: StemFiles) -> Written:
        """Write files, unless the source turned out to be one that the job refuses.

        Raises:
            AudioError: it is damaged or incomplete.
        """
        warnings = self.source.warnings
        if self.job.strict and warnings:
            raise AudioError(" ".join(warnings))
        return files.commit()

    def result(
        self,
        files: StemFiles,
        written: Written,
        *,
        channels: int,
        provider: str,
        precision: Precision | None,
        null_db: float | None,
    ) -> Result:
        """Return what came of it, now that its files are written."""
        return Result(
            source=self.job.source,
            outputs=self.outputs,
            sample_rate_hz=self.source.sample_rate_hz,
            channels=channels,
            frames=files.frames,
            provider=provider,
            precision=precision,
            elapsed_s=time.perf_counter() - self.began,
            gain_db=20 * math.log10(written.gain),
            null_db=null_db,
            warnings=self.source.warnings,
            read_frames=self.source.read_frames,
            claimed_frames=self.source.claimed_frames,
        )


@contextmanager
def begin(
    job: Job,
    manifest: ModelManifest,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
) -> Iterator[Running]:
    """Open a job's source, once it is sure that writing its results destroys nothing.

    Raises:
        OptionError: two results would be the same file, or what was chosen does not fit.
        OutputError: a file exists that may not be replaced, or is an input.
        AudioError: the source cannot be read.
    """
    began = time.perf_counter()
    check_outputs([job], manifest)
    outputs = job.outputs(manifest)
    check_absent(job, manifest)
    with open_channels(job.sources, track=job.audio_track, reach=job.reach) as mixture:
        selection = job.select(mixture)
        yield Running(
            job, outputs, mixture, selection, selection.frames, began, progress, is_cancelled
        )
