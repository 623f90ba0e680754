"""What can be asked of the engine, whoever asks."""

from __future__ import annotations

import math
import string
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

import numpy as np

from daw_bridge.errors import AudioError, Cancelled, OptionError, OutputError, suggestion
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.evaluation.surround import ChannelMeter
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.reading import open_audio, open_channels, open_sum
from daw_bridge.files.speakers import find_speakers, fold_matrix, loudness_weights
from daw_bridge.files.writing import StemFiles
from daw_bridge.rendering.layout import DEFAULT_LAYOUT, Layout, load_layout
from daw_bridge.rendering.sources import Passage, find_stems, read_stems
from daw_bridge.separation.options import SeparationOptions, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.reading import Reader
    from daw_bridge.files.speakers import Speakers
    from daw_bridge.rendering.cache import StemCache
    from daw_bridge.rendering.preset import Preset
    from daw_bridge.separation.manifest import ModelManifest
    from daw_bridge.separation.separator import Separator

    Progress: TypeAlias = Callable[[int, int], None]
    """Is told how many frames are done, of how many."""
    IsCancelled: TypeAlias = Callable[[], bool]

UpmixOutput: TypeAlias = Literal["mix", "stems", "channels"]

UPMIX_OUTPUTS: tuple[UpmixOutput, ...] = get_args(UpmixOutput)
DEFAULT_NAME = "{track}/{stem}.{ext}"
RESIDUAL = "residual"
REMIX = "remix"
_KEPT_FORMAT = OutputFormat("wav", "32f")
_MAX_FOLDER_NULL_DB = -60.0
_NAME_FIELDS = ("track", "stem", "ext", "folder", "model")


class Job(Protocol):
    """What every job has."""

    @property
    def source(self) -> Path:
        """What it is made from."""
        ...

    @property
    def inputs(self) -> Iterable[Path]:
        """All that it reads, a folder before what is in it."""
        ...

    @property
    def overwrite(self) -> bool:
        """Whether files that exist are replaced."""
        ...

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the file of each result."""
        ...


class Result(Protocol):
    """What every job comes to."""

    @property
    def outputs(self) -> dict[str, Path]:
        """The file of each result."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Frames a second."""
        ...

    @property
    def channels(self) -> int:
        """Channels of the results."""
        ...

    @property
    def frames(self) -> int:
        """Length of the results."""
        ...

    @property
    def provider(self) -> str:
        """Where the stems were made."""
        ...

    @property
    def elapsed_s(self) -> float:
        """How long it took."""
        ...

    @property
    def gain_db(self) -> float:
        """What the results were turned down by to keep integers from clipping."""
        ...

    @property
    def null_db(self) -> float | None:
        """How far below the mixture lies what the stems do not add up to."""
        ...


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
        _check_part(self.start, self.length)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """All files that it reads."""
        return (self.source, *self.other_channels)

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


@dataclass(frozen=True)
class RemixJob:
    """Remix a file.

    Attributes:
        source: the mixture.
        output: the remix.
        preset: what becomes of the stems.
        stems_folder: where the stems are; None: they are separated, or found in the cache.
        kept_folder: where the stems go, as float WAV files; None: they are not kept.
        other_channels: mono files that are the other channels of a mono source.
        options: how to separate.
        output_format: how to write the remix.
        start: the first frame to remix.
        length: how many frames; None: to the end.
        overwrite: replace files that exist.
    """

    source: Path
    output: Path
    preset: Preset
    stems_folder: Path | None = None
    kept_folder: Path | None = None
    other_channels: tuple[Path, ...] = ()
    options: SeparationOptions = field(default_factory=SeparationOptions)
    output_format: OutputFormat = field(default_factory=OutputFormat)
    start: int = 0
    length: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        _check_part(self.start, self.length)

    @property
    def inputs(self) -> Iterator[Path]:
        """All that it reads, a folder before what is in it."""
        return _inputs(self)

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of the remix, and of each stem that is kept.

        Raises:
            AudioError: there are no stems in their folder.
            PresetError: the preset does not fit the stems.
        """
        stems = tuple(_stem_files(self)) or manifest.stems
        self.preset.check(stems)
        folder = self.kept_folder
        kept = {stem: folder / f"{stem}.wav" for stem in stems} if folder else {}
        return {REMIX: self.output, **kept}


@dataclass(frozen=True)
class RemixResult:
    """What came of a remix.

    Attributes:
        source: the mixture.
        outputs: the remix, and the stems that are kept.
        sample_rate_hz: of source and remix.
        channels: of source and remix.
        frames: length of the remix; tempo and what rings on make it another than the source's.
        provider: where the stems are from: ``cpu`` or ``cuda``, ``cache`` or ``folder``.
        elapsed_s: seconds from opening the source to naming the last file.
        gain_db: what the remix was turned down by to keep integers from clipping, 0 or less.
        null_db: how far below the mixture lies what the stems do not add up to.
        lufs: integrated loudness before that; -inf for silence.
        true_peak_db: the highest true peak before that.
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
    lufs: float
    true_peak_db: float

    @property
    def times_real_time(self) -> float:
        """Seconds of audio remixed a second."""
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
                _report(job, total, progress, is_cancelled, files.frames)
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


@dataclass(frozen=True)
class StemMaker:
    """Makes the stems of a job, or finds them where they were made before.

    Attributes:
        manifest: the model.
        open_separator: gives the model itself; only called where stems must be made.
        cache: where they may be found, and are kept.
    """

    manifest: ModelManifest
    open_separator: Callable[[], Separator]
    cache: StemCache | None = None

    def stems(
        self, job: RemixJob | UpmixJob, passage: Passage, channels: int
    ) -> tuple[str, Generator[Stems, None, None]]:
        """Return where a job's stems are from, and the stems, block by block."""
        if job.stems_folder:
            return "folder", read_stems(job.stems_folder, passage, channels)
        key = self._key(job) if self.cache else ""
        if self.cache and (found := self.cache.read(key, self.manifest.stems, passage)):
            return "cache", found
        separator = self.open_separator()
        made = separator.stream(passage.mixture, job.options, start=job.start, length=job.length)
        return separator.provider, self.cache.keep(key, made, passage) if self.cache else made

    def _key(self, job: RemixJob | UpmixJob) -> str:
        from daw_bridge.rendering.cache import cache_key

        return cache_key(
            [job.source, *job.other_channels],
            model=[self.manifest.name, self.manifest.version],
            passage=[job.start, job.length],
            options=asdict(job.options),
        )


def run_remix(
    job: RemixJob,
    maker: StemMaker,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> RemixResult:
    """Run a remix to its end; whatever stops it, no partial file stays.

    Raises:
        DawBridgeError: the source cannot be read, the preset does not fit, …
        Cancelled: ``is_cancelled`` said so.
    """
    from daw_bridge.rendering.remix import Master, mix  # slow to load

    began = time.perf_counter()
    check_outputs([job], maker.manifest)
    outputs = job.outputs(maker.manifest)
    check_absent(job, outputs.values())
    meter = NullMeter()
    with open_channels([job.source, *job.other_channels]) as reader:
        passage = Passage(reader, job.start, job.length)
        channels = make_plan(maker.manifest, job.options, reader).channels
        sound: dict[str, Any] = {"sample_rate_hz": reader.sample_rate_hz, "channels": channels}
        provider, stems = maker.stems(job, passage, channels)
        report = partial(_report, job, passage.frames, progress, is_cancelled)
        with (
            closing(stems),
            StemFiles([job.output], job.output_format, tags_from=job.source, **sound) as remix,
            StemFiles(list(outputs.values())[1:], _KEPT_FORMAT, **sound) as kept,
            Master(job.preset, report, output=job.output.resolve(), **sound) as master,
        ):
            watched = _watch(stems, meter, kept if job.kept_folder else None, report)
            for block in chain(map(master.push, mix(watched, job.preset)), master.finish()):
                remix.write(block[np.newaxis])
            _check_null(job, meter)
            kept.commit()
            written = remix.commit()
    return RemixResult(
        source=job.source,
        outputs=outputs,
        frames=remix.frames,
        provider=provider,
        elapsed_s=time.perf_counter() - began,
        gain_db=20 * math.log10(written.gain),
        null_db=meter.null_db(),
        **sound,
        **master.levels._asdict(),
    )


def _inputs(job: RemixJob | UpmixJob) -> Iterator[Path]:
    yield from (job.source, *job.other_channels)
    if job.stems_folder:
        yield job.stems_folder
        yield from _stem_files(job).values()


def _stem_files(job: RemixJob | UpmixJob) -> dict[str, Path]:
    return find_stems(job.stems_folder) if job.stems_folder else {}


def _watch(
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


def _report(
    job: Job,
    total: int,
    progress: Progress | None,
    is_cancelled: IsCancelled | None,
    done: int | None = None,
) -> None:
    """Say how far a job is, if that is known, and stop it if it was called off."""
    if progress and done is not None:
        progress(done, max(total, done))
    if is_cancelled and is_cancelled():
        raise Cancelled(f"{job.source} was cancelled.")


def _check_null(job: RemixJob | UpmixJob, meter: NullMeter) -> None:
    if job.stems_folder and (null_db := meter.null_db()) > _MAX_FOLDER_NULL_DB:
        raise AudioError(
            f"The stems in {job.stems_folder} are not those of {job.source}: what they leave of it"
            f" is at {null_db:.0f} dB, and may be at {_MAX_FOLDER_NULL_DB:.0f}; stems that were"
            " turned down are whole with --bits 32f."
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


def _check_part(start: int, length: int | None) -> None:
    if start < 0 or (length is not None and length < 1):
        raise OptionError("A start is at frame 0 or later, and a length at least one frame.")


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


# --- stereo to surround


@dataclass(frozen=True)
class UpmixJob:
    """Mix a stereo file up to a loudspeaker layout.

    Attributes:
        source: the stereo mixture.
        output: the file of a mix; the folder of stems or channels.
        parts: ``mix``: one file; ``stems``: one in the layout for each stem, which sum to the mix;
            ``channels``: a mono file for each channel.
        layout: the loudspeakers, and where stems go.
        stems_folder: where the stems are; None: they are separated, or found in the cache.
        other_channels: a mono file that is the other channel of a mono source.
        options: how to separate.
        output_format: how to write.
        start: the first frame.
        length: how many frames; None: to the end.
        overwrite: replace files that exist.
    """

    source: Path
    output: Path
    parts: UpmixOutput = "mix"
    layout: Layout = field(default_factory=lambda: load_layout(DEFAULT_LAYOUT))
    stems_folder: Path | None = None
    other_channels: tuple[Path, ...] = ()
    options: SeparationOptions = field(default_factory=SeparationOptions)
    output_format: OutputFormat = field(default_factory=OutputFormat)
    start: int = 0
    length: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        _check_part(self.start, self.length)
        if self.output_format.integer_bits is None and not self.output_format.is_float:
            raise OptionError(
                f"Surround is written as wav or flac, not {self.output_format.container}."
            )

    @property
    def inputs(self) -> Iterator[Path]:
        """All that it reads, a folder before what is in it."""
        return _inputs(self)

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of each file by what it holds: a layout, stems or channels.

        Raises:
            AudioError: there are no stems in their folder.
        """
        if self.parts == "mix":
            return {self.layout.name: self.output}
        stems = tuple(_stem_files(self)) or manifest.stems
        names = stems if self.parts == "stems" else self.layout.channels
        return {name: self.output / f"{name}.{self.output_format.container}" for name in names}


@dataclass(frozen=True)
class SurroundReport:
    """What was measured of a surround mix, beside the stereo that it is for.

    Attributes:
        null_db: how far below the stereo lies what its fold-down does not add up to.
        stereo_lufs: integrated loudness of the stereo.
        surround_lufs: integrated loudness of the surround mix.
        levels_db: the level of each channel.
        peaks_db: the highest sample of each channel.
        correlations: of left and right, by pair.
        lfe_excess_db: what the LFE has above 120 Hz, relative to all of it.
    """

    null_db: float
    stereo_lufs: float
    surround_lufs: float
    levels_db: dict[str, float]
    peaks_db: dict[str, float]
    correlations: dict[str, float]
    lfe_excess_db: float | None


@dataclass(frozen=True)
class UpmixResult:
    """What came of an upmix; ``null_db`` and ``report`` were measured on its files.

    Attributes:
        source: the stereo mixture.
        outputs: the files, by what they hold.
        sample_rate_hz: of source and files.
        channels: of the layout.
        frames: length of source and files.
        provider: where the stems are from: ``cpu`` or ``cuda``, ``cache`` or ``folder``.
        elapsed_s: seconds from opening the source to the last measurement.
        gain_db: what all was turned down by to keep integers from clipping, 0 or less.
        null_db: how far below the mixture lies what the fold-down does not add up to.
        report: what is in the channels.
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
    report: SurroundReport

    @property
    def times_real_time(self) -> float:
        """Seconds of audio mixed up a second."""
        return self.frames / self.sample_rate_hz / self.elapsed_s


def run_upmix(
    job: UpmixJob,
    maker: StemMaker,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> UpmixResult:
    """Run an upmix to its end, as :func:`run_remix` does; whatever stops it, no partial file stays.

    Raises:
        DawBridgeError: the source cannot be read, is not stereo, or the files cannot be written.
        Cancelled: ``is_cancelled`` said so.
    """
    from daw_bridge.rendering.upmix import upmix  # slow to load

    began = time.perf_counter()
    check_outputs([job], maker.manifest)
    outputs = job.outputs(maker.manifest)
    check_absent(job, outputs.values())
    speakers = job.layout.speakers
    meter = NullMeter()
    with open_channels([job.source, *job.other_channels]) as reader:
        _check_stereo(reader)
        passage = Passage(reader, job.start, job.length)
        provider, stems = maker.stems(job, passage, 2)
        report = partial(_report, job, passage.frames, progress, is_cancelled)
        with (
            closing(stems),
            StemFiles(
                list(outputs.values()),
                job.output_format,
                sample_rate_hz=reader.sample_rate_hz,
                channels=1 if job.parts == "channels" else len(speakers),
                tags_from=job.source,
                speakers=() if job.parts == "channels" else speakers,
            ) as files,
        ):
            for placed in upmix(_watch(stems, meter, None, report), job.layout):
                files.write(_arrange(placed, job.parts))
            _check_null(job, meter)
            written = files.commit()
    open_files = open_channels if job.parts == "channels" else open_sum
    with (
        open_channels([job.source, *job.other_channels]) as stereo,  # again: some read once only
        open_files(list(outputs.values())) as surround,
    ):
        channels = ChannelMeter(speakers, reader.sample_rate_hz)
        passage = Passage(stereo, job.start, job.length)
        measured = _measure(surround, passage, speakers, channels, gain=written.gain)
    return UpmixResult(
        source=job.source,
        outputs=outputs,
        sample_rate_hz=reader.sample_rate_hz,
        channels=len(speakers),
        frames=files.frames,
        provider=provider,
        elapsed_s=time.perf_counter() - began,
        gain_db=20 * math.log10(written.gain),
        null_db=measured.null_db,
        report=measured,
    )


def check_surround(surround: Path, stereo: Path) -> tuple[SurroundReport, ChannelMeter]:
    """Measure a surround file, whoever made it, beside the stereo that it is for.

    Raises:
        AudioError: a file cannot be read, which loudspeakers its channels are for is not known, or
            the two are not equally long.
    """
    with open_audio(surround) as mix, open_audio(stereo) as original:
        _check_stereo(original)
        if mix.sample_rate_hz != original.sample_rate_hz:
            raise AudioError(f"{mix.name} has not the sample rate of {original.name}.")
        speakers = find_speakers(surround, mix.channels)
        meter = ChannelMeter(speakers, mix.sample_rate_hz)
        return _measure(mix, Passage(original), speakers, meter), meter


def _measure(
    surround: Reader, stereo: Passage, speakers: Speakers, meter: ChannelMeter, *, gain: float = 1.0
) -> SurroundReport:
    """Show a surround mix and its stereo, turned down by a gain, to all meters."""
    from daw_bridge.rendering.loudness import LoudnessMeter  # slow to load

    rate = surround.sample_rate_hz
    null, fold = NullMeter(), fold_matrix(speakers).astype(np.float64)
    stereo_loudness = LoudnessMeter(rate, [1, 1])
    surround_loudness = LoudnessMeter(rate, loudness_weights(speakers))
    for block, original in zip_longest(surround.blocks(), stereo.blocks(2)):
        if block is None or original is None or block.shape[1] != original.shape[1]:
            raise AudioError(f"{surround.name} is not as long as {stereo.mixture.name}.")
        null.add(original * gain, original * gain - np.einsum("fc,cn->fn", fold, block))
        stereo_loudness.add(original)
        surround_loudness.add(block)
        meter.add(block)
    return SurroundReport(
        null_db=null.null_db(),
        stereo_lufs=stereo_loudness.integrated_lufs,
        surround_lufs=surround_loudness.integrated_lufs,
        levels_db=meter.levels_db,
        peaks_db=meter.peaks_db,
        correlations=meter.correlations,
        lfe_excess_db=meter.lfe_excess_db,
    )


def _check_stereo(reader: Reader) -> None:
    if reader.channels != 2:
        raise AudioError(
            f"{reader.name} has {reader.channels} channel{'s' * (reader.channels != 1)};"
            " only stereo can be mixed up."
        )


def _arrange(placed: StemBlock, parts: UpmixOutput) -> StemBlock:
    """Return what is written of stems and rest: (files, channels of each, frames)."""
    if parts == "stems":  # what stems leave is next to nothing, and goes with the last
        return np.concatenate([placed[:-2], placed[-2:].sum(axis=0, keepdims=True)])
    mix = placed.sum(axis=0)
    return mix[:, np.newaxis] if parts == "channels" else mix[np.newaxis]
