"""What can be asked of the engine, whoever asks."""

from __future__ import annotations

import math
import string
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from daw_bridge.errors import Cancelled, OptionError, OutputError, suggestion
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.reading import open_channels
from daw_bridge.files.writing import StemFiles
from daw_bridge.separation.options import SeparationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from daw_bridge.audio import StemBlock
    from daw_bridge.files.reading import Reader
    from daw_bridge.separation.manifest import ModelManifest
    from daw_bridge.separation.separator import Separator

    Progress: TypeAlias = Callable[[int, int], None]
    """Is told how many frames are done, of how many."""
    IsCancelled: TypeAlias = Callable[[], bool]

DEFAULT_NAME = "{track}/{stem}.{ext}"
RESIDUAL = "residual"
_NAME_FIELDS = ("track", "stem", "ext", "folder", "model")


@dataclass(frozen=True)
class SeparateJob:
    """Separate a file into files.

    Attributes:
        source: the mixture.
        output_folder: where the stems go.
        name: a stem's path in that folder, with the fields ``{track}``, ``{stem}``, ``{ext}``,
            ``{folder}`` (the name of the source's folder) and ``{model}``.
        track: what ``{track}`` stands for; None: the source's name without its extension.
        other_channels: mono files that are the other channels of a mono source.
        options: how to separate.
        output_format: how to write.
        start: the first frame to separate.
        length: how many frames; None: to the end.
        residual: also write what the stems that are asked for leave of the mixture.
        overwrite: replace files that exist.
    """

    source: Path
    output_folder: Path
    name: str = DEFAULT_NAME
    track: str | None = None
    other_channels: tuple[Path, ...] = ()
    options: SeparationOptions = field(default_factory=SeparationOptions)
    output_format: OutputFormat = field(default_factory=OutputFormat)
    start: int = 0
    length: int | None = None
    residual: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.start < 0 or (self.length is not None and self.length < 1):
            raise OptionError("A start is at frame 0 or later, and a length at least one frame.")

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of each stem's file.

        Raises:
            OptionError: a stem is unknown, or the name is not one file a stem in the folder.
        """
        manifest.check_stems(self.options.stems)
        wanted = self.options.stems or manifest.stems
        stems = [stem for stem in manifest.stems if stem in wanted]
        if self.residual:
            stems.append(RESIDUAL)
        _check_name(self.name)
        names = [
            self.name.format(
                track=self.source.stem if self.track is None else self.track,
                stem=stem,
                ext=self.output_format.container,
                folder=self.source.resolve().parent.name,
                model=manifest.name,
            )
            for stem in stems
        ]
        return {stem: self.output_folder / name for stem, name in zip(stems, names, strict=True)}


@dataclass(frozen=True)
class SeparateResult:
    """What came of a job.

    Attributes:
        source: the mixture.
        outputs: the stems' files.
        sample_rate_hz: of source and stems.
        channels: of source and stems.
        frames: length of source and stems.
        provider: where the network ran.
        elapsed_s: seconds from opening the source to naming the last file.
        gain_db: what all stems were turned down by to keep integers from clipping, 0 or less.
        null_db: how far below the mixture lies what the files do not add up to, before lossy
            coding; None where only some of the stems were asked for.
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
        """Seconds of audio separated a second."""
        return self.frames / self.sample_rate_hz / self.elapsed_s


def check_outputs(jobs: Sequence[SeparateJob], manifest: ModelManifest) -> None:
    """Find what would destroy something before any work is done.

    Raises:
        OptionError: two jobs, or two stems of one, would write the same file.
        OutputError: a job would write over an input.
    """
    sources = {path.resolve() for job in jobs for path in (job.source, *job.other_channels)}
    claims = Counter(path.resolve() for job in jobs for path in job.outputs(manifest).values())
    for job in jobs:
        for path in job.outputs(manifest).values():
            if path.resolve() in sources:
                raise OutputError(f"{path} is an input; choose another folder for the stems.")
            if claims[path.resolve()] > 1:
                raise OptionError(
                    f"{job.source} is not the only input whose stems would be written to {path};"
                    " tell them apart with --name, for instance '{folder}/{track}/{stem}.{ext}'."
                )


def check_absent(job: SeparateJob, outputs: Iterable[Path]) -> None:
    """Raise :class:`OutputError` if an output exists that the job may not replace."""
    for path in outputs:
        if path.exists() and not job.overwrite:
            raise OutputError(f"{path} exists; --overwrite replaces it.")


def run(
    job: SeparateJob,
    separator: Separator,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> SeparateResult:
    """Run a job to its end; whatever stops it, no partial file stays.

    Raises:
        DawBridgeError: the source cannot be read, the stems cannot be written, …
        Cancelled: ``is_cancelled`` said so.
    """
    began = time.perf_counter()
    check_outputs([job], separator.manifest)
    outputs = job.outputs(separator.manifest)
    check_absent(job, outputs.values())
    meter = NullMeter()
    with open_channels([job.source, *job.other_channels]) as reader:
        channels = min(reader.channels, separator.manifest.channels)
        with StemFiles(
            list(outputs.values()),
            job.output_format,
            sample_rate_hz=reader.sample_rate_hz,
            channels=channels,
            tags_from=job.source,
        ) as files:
            total = _count_frames(job, reader)
            for samples in _measured_blocks(job, separator, reader, meter):
                files.write(samples)
                if progress:
                    progress(files.frames, max(total, files.frames))
                if is_cancelled and is_cancelled():
                    raise Cancelled(f"{job.source} was cancelled.")
            written = files.commit()
    is_complete = job.residual or len(outputs) == len(separator.manifest.stems)
    null_db = meter.null_db(gain=written.gain, rounding_energy=written.rounding_energy)
    return SeparateResult(
        source=job.source,
        outputs=outputs,
        sample_rate_hz=reader.sample_rate_hz,
        channels=channels,
        frames=files.frames,
        provider=separator.provider,
        elapsed_s=time.perf_counter() - began,
        gain_db=20 * math.log10(written.gain),
        null_db=null_db if is_complete else None,
    )


def _measured_blocks(
    job: SeparateJob, separator: Separator, reader: Reader, meter: NullMeter
) -> Iterator[StemBlock]:
    """Yield blocks of what the job writes, and show the meter what they leave of the mixture."""
    for stems in separator.stream(reader, job.options, start=job.start, length=job.length):
        samples = stems.samples
        if job.residual:
            samples = np.concatenate([samples, stems.residual()[np.newaxis]])
        # In double precision: single would round the error away with the sum.
        meter.add(stems.mixture, stems.mixture - samples.sum(axis=0, dtype=np.float64))
        yield samples


def _count_frames(job: SeparateJob, reader: Reader) -> int:
    """Return how many frames the job separates; an estimate where the reader has one."""
    after_start = max(reader.frames - job.start, 0)
    return after_start if job.length is None else min(job.length, after_start)


def _check_name(name: str) -> None:
    """Raise :class:`OptionError` unless a name gives one file a stem below the folder."""
    try:
        parts = [part[1:] for part in string.Formatter().parse(name) if part[1] is not None]
    except ValueError as error:
        raise OptionError(f"The name '{name}' cannot be understood: {error}.") from error
    fields = ["".join(filter(None, part)) for part in parts]
    for each in fields:
        if each not in _NAME_FIELDS:
            raise OptionError(
                f"The name '{name}' has an unknown field '{{{each}}}'"
                f"{suggestion(each, _NAME_FIELDS)}; there are"
                f" {', '.join(f'{{{known}}}' for known in _NAME_FIELDS)}."
            )
    if "stem" not in fields:
        raise OptionError(f"The name '{name}' lacks {{stem}}, so all stems would be one file.")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise OptionError(f"The name '{name}' leads out of the output folder.")
