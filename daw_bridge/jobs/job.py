"""What all jobs have in common."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from daw_bridge.errors import Cancelled, OptionError, OutputError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.reading import open_channels
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.sources import Selection
from daw_bridge.separation.options import SeparationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from daw_bridge.files.speakers import Speakers
    from daw_bridge.files.writing import Written
    from daw_bridge.library.manifest import ModelManifest

    Progress: TypeAlias = Callable[[int, int], None]
    """Is told how many frames are done, of how many."""
    IsCancelled: TypeAlias = Callable[[], bool]


@dataclass(frozen=True)
class Job(ABC):
    """Something that is to be made of a file.

    Attributes:
        source: the mixture.
        other_channels: mono files that are the other channels of a mono source.
        options: how to separate.
        output_format: how to write.
        start: the first frame.
        length: how many frames; None: to the end.
        overwrite: replace files that exist.
    """

    source: Path
    _: KW_ONLY
    other_channels: tuple[Path, ...] = ()
    options: SeparationOptions = field(default_factory=SeparationOptions)
    output_format: OutputFormat = field(default_factory=OutputFormat)
    start: int = 0
    length: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.start < 0 or (self.length is not None and self.length < 1):
            raise OptionError("A start is at frame 0 or later, and a length at least one frame.")

    @property
    def sources(self) -> tuple[Path, ...]:
        """The file of the mixture, or those of its channels."""
        return (self.source, *self.other_channels)

    @property
    def inputs(self) -> Iterable[Path]:
        """All that it reads, a folder before what is in it."""
        return self.sources

    @abstractmethod
    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the file of each result.

        Raises:
            DawBridgeError: the model, or what was chosen, does not allow it.
        """


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes:
        source: the mixture.
        outputs: the file of each result.
        sample_rate_hz: of source and results.
        channels: of each result.
        frames: length of the results.
        provider: where the stems are from: ``cpu`` or ``cuda``, ``cache`` or ``folder``.
        elapsed_s: seconds from opening the source to the end.
        gain_db: what all results were turned down by to keep integers from clipping, 0 or less.
        null_db: how far below the mixture lies what is lost of it; None where that means nothing.
    """

    source: Path
    outputs: dict[str, Path]
    sample_rate_hz: int
    channels: int
    frames: int
    provider: str
    elapsed_s: float
    gain_db: float
    null_db: float | None

    @property
    def times_real_time(self) -> float:
        """Seconds of audio made a second."""
        return self.frames / self.sample_rate_hz / self.elapsed_s


def check_outputs(jobs: Sequence[Job], manifest: ModelManifest) -> None:
    """Find what would destroy something before any work is done.

    Raises:
        OptionError: two jobs, or two stems of one, would write the same file.
        OutputError: a job would write over an input.
    """
    sources = {path.resolve() for job in jobs for path in job.inputs}
    claims = Counter(path.resolve() for job in jobs for path in job.outputs(manifest).values())
    for job in jobs:
        for path in job.outputs(manifest).values():
            if path.resolve() in sources:
                raise OutputError(f"{path} is an input; choose another output.")
            if claims[path.resolve()] > 1:
                raise OptionError(
                    f"{job.source} is not the only input whose stems would be written to {path};"
                    " tell them apart with --name, for instance '{folder}/{track}/{stem}.{ext}'."
                )


def check_absent(job: Job, outputs: Iterable[Path]) -> None:
    """Raise :class:`OutputError` if an output exists that the job may not replace."""
    for path in outputs:
        if path.exists() and not job.overwrite:
            raise OutputError(f"{path} exists; --overwrite replaces it.")


@dataclass(frozen=True)
class Running:
    """A job that has begun.

    Attributes:
        job: what is asked for.
        outputs: the file of each result.
        selection: what it is made of, open.
        total: how many frames that is; may be an estimate.
        began: by the clock of :func:`time.perf_counter`.
        progress: is told how far it is.
        is_cancelled: says whether to stop.
    """

    job: Job
    outputs: dict[str, Path]
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
        return StemFiles(
            list(paths),
            self.job.output_format,
            sample_rate_hz=self.selection.mixture.sample_rate_hz,
            channels=channels,
            tags_from=self.job.source,
            speakers=speakers,
        )

    def result(
        self,
        files: StemFiles,
        written: Written,
        *,
        channels: int,
        provider: str,
        null_db: float | None,
    ) -> Result:
        """Return what came of it, now that its files are written."""
        return Result(
            source=self.job.source,
            outputs=self.outputs,
            sample_rate_hz=self.selection.mixture.sample_rate_hz,
            channels=channels,
            frames=files.frames,
            provider=provider,
            elapsed_s=time.perf_counter() - self.began,
            gain_db=20 * math.log10(written.gain),
            null_db=null_db,
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
    check_absent(job, outputs.values())
    with open_channels(job.sources) as mixture:
        selection = Selection(mixture, job.start, job.length)
        yield Running(job, outputs, selection, selection.frames, began, progress, is_cancelled)
