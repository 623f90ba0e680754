"""What all jobs have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from daw_bridge.bounds import MAX_FRAMES, MAX_SOURCES, MAX_TRACK
from daw_bridge.errors import OptionError, OutputError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.reach import ANYWHERE
from daw_bridge.jobs.sources import Selection
from daw_bridge.separation.options import SeparationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from daw_bridge.files.broadcast import Origin
    from daw_bridge.files.reach import Reach
    from daw_bridge.files.reading import AudioFile
    from daw_bridge.files.room import Room
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.providers import Precision

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
        strict: refuse a source that is damaged or incomplete.
        audio_track: which of the source's audio tracks, counted from 1.
        origin: where a WAV source begins, in the time since midnight; None: as it says itself.
        reach: where all that it reads and writes may be.
        room: how much it may write; None: as much as there is room for.
    """

    source: Path
    _: KW_ONLY
    other_channels: tuple[Path, ...] = ()
    options: SeparationOptions = field(default_factory=SeparationOptions)
    output_format: OutputFormat = field(default_factory=OutputFormat)
    start: int = 0
    length: int | None = None
    overwrite: bool = False
    strict: bool = False
    audio_track: int = 1
    origin: Origin | None = None
    reach: Reach = ANYWHERE
    room: Room | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.start < 0 or (self.length is not None and self.length < 1):
            raise OptionError("A start is at frame 0 or later, and a length at least one frame.")
        if max(self.start, self.length or 0) > MAX_FRAMES:
            raise OptionError(f"A start and a length are at most {MAX_FRAMES} frames.")
        if not 1 <= self.audio_track <= MAX_TRACK:
            raise OptionError(f"Audio tracks are counted from 1, up to {MAX_TRACK}.")
        if len(self.sources) > MAX_SOURCES:
            raise OptionError(
                f"A source is at most {MAX_SOURCES} files, one a channel, not {len(self.sources)}."
            )

    @property
    def sources(self) -> tuple[Path, ...]:
        """The file of the mixture, or those of its channels."""
        return (self.source, *self.other_channels)

    @property
    def inputs(self) -> Iterable[Path]:
        """All that it reads, a folder before what is in it."""
        return self.sources

    @property
    def asked_stems(self) -> tuple[str, ...]:
        """The stems that a model must make for it; empty: whichever it makes."""
        return self.options.stems

    def select(self, mixture: AudioFile) -> Selection:
        """Return the part of the mixture that it is about."""
        return Selection(mixture, self.start, self.length)

    @abstractmethod
    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the file of each result.

        Raises:
            DawBridgeError: the model, or what was chosen, does not allow it.
        """

    def claims(self, manifest: ModelManifest) -> list[Path]:
        """Return all files and folders that it makes.

        Raises:
            DawBridgeError: the model, or what was chosen, does not allow it.
        """
        return list(self.outputs(manifest).values())

    def place(self, folder: Path, name: str) -> Path:
        """Return the path of a result in a folder, below which it is, whatever its name is made of.

        Raises:
            OutputError: it is not.
        """
        if leads_out(name):
            raise OutputError(
                f"{self.source} would become '{name}', which leads out of {folder};"
                " choose another --name, or another model."
            )
        return folder / name


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes:
        source: the mixture.
        outputs: the file of each result.
        sample_rate_hz: of source and results.
        channels: of each result.
        frames: length of the results.
        provider: where the stems are from: a provider such as ``cpu``, ``cache`` or ``folder``.
        precision: of the networks that made them; None where they lay in a folder.
        elapsed_s: seconds from opening the source to the end.
        gain_db: what all results were turned down by to keep integers from clipping, 0 or less.
        null_db: how far below the mixture lies what is lost of it; None where that means nothing.
        warnings: what is wrong with the source, a sentence each.
        read_frames: the length of the source, where it was read to its end.
        claimed_frames: what the source says of its length; None: nothing.
        projects: the file that DAWs open of each project, by its format.
    """

    source: Path
    outputs: dict[str, Path]
    sample_rate_hz: int
    channels: int
    frames: int
    provider: str
    precision: Precision | None
    elapsed_s: float
    gain_db: float
    null_db: float | None
    warnings: tuple[str, ...]
    read_frames: int | None
    claimed_frames: int | None
    projects: dict[str, Path] = field(default_factory=dict, kw_only=True)

    @property
    def times_real_time(self) -> float:
        """Seconds of audio made a second."""
        return self.frames / self.sample_rate_hz / self.elapsed_s


def leads_out(name: str) -> bool:
    """Return whether a path is not that of a file below the folder that it is in."""
    path = Path(name)
    return bool(path.anchor) or ".." in path.parts or not path.name or "\0" in name


def check_outputs(jobs: Sequence[Job], manifest: ModelManifest) -> None:
    """Find what would destroy something before any work is done.

    Raises:
        OptionError: two jobs, or two stems of one, would write the same file.
        OutputError: a job would write over an input.
    """
    sources = {_resolve(path) for job in jobs for path in job.inputs}
    claims = Counter(_resolve(path) for job in jobs for path in job.claims(manifest))
    for job in jobs:
        for path in job.claims(manifest):
            if _resolve(path) in sources:
                raise OutputError(f"{path} is an input; choose another output.")
            if claims[_resolve(path)] > 1:
                raise OptionError(
                    f"{job.source} is not the only input whose stems would be written to {path};"
                    " tell them apart with --name, for instance '{folder}/{track}/{stem}.{ext}'."
                )


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except (RuntimeError, OSError) as error:  # until Python 3.12, of links
        raise OutputError(f"{path} leads nowhere: a link in it leads to itself.") from error


def check_absent(job: Job, manifest: ModelManifest) -> None:
    """Raise :class:`OutputError` if something exists that the job may not replace."""
    for path in job.claims(manifest):
        try:
            exists = path.exists()
        except OSError as error:  # a name that is too long, a folder that may not be seen
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
        if exists and not job.overwrite:
            raise OutputError(f"{path} exists; --overwrite replaces it.")
