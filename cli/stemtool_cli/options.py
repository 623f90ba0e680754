"""What several commands say and show alike."""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from daw_bridge.bounds import MAX_OVERLAP, MAX_SHIFTS, MAX_TRACK, MAX_WIENER_ITERATIONS
from daw_bridge.errors import OptionError
from daw_bridge.files.containers import BITS, CONTAINERS
from daw_bridge.library.ladder import RUNGS
from daw_bridge.library.places import DEFAULT_MODEL
from daw_bridge.printing import printable
from daw_bridge.separation.providers import PRECISIONS, PROVIDER_NAMES, Precision, Provider
from stemtool_cli.streams import complain, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from daw_bridge.files.containers import Container
    from daw_bridge.jobs.job import Progress, Result
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.jobs.requests import Excerpt
    from daw_bridge.library.ladder import Choice, Rung
    from daw_bridge.separation.separator import Separator

    Command: TypeAlias = Callable[..., None]
    Decorator: TypeAlias = Callable[[Command], Command]

_QUALITY = f"--quality {'|'.join(RUNGS)}"

# --- objects, filled from options


def gathered(**kinds: Callable[..., object] | str) -> Decorator:
    """Have a command take options as objects, each made of those that its arguments are named as.

    What was not said is left to the object, and what two could take goes to the first. A class that
    is slow to load is named, module:class, and loaded when the command runs, so that --help is
    quick.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**options: object) -> None:
            for name, kind in kinds.items():
                make = resolve_name(kind) if isinstance(kind, str) else kind
                taken = {each: options.pop(each, None) for each in signature(make).parameters}
                said = {each: value for each, value in taken.items() if value not in (None, ())}
                options[name] = make(**said)
            command(**options)

        return run

    return decorate


@dataclass(frozen=True)
class Engine:
    """What makes stems: a model, what it runs on, how exactly, and how much is kept of them.

    In place of a model, a rung of the ladder may be said; ``commercial`` and ``offline`` go with
    it.
    """

    model: str = ""
    quality: Rung | None = None
    commercial: bool = False
    offline: bool = False
    provider: Provider = "auto"
    require_gpu: bool = False
    threads: int | None = None
    precision: Precision = "float"
    cache_limit: float = 0

    @property
    def device(self) -> Provider:
        """What it is to run on."""
        return "gpu" if self.require_gpu else self.provider

    def choose(self, stems: tuple[str, ...]) -> Choice | None:
        """Return the model that a rung stands for, for some stems; None where none was said.

        Raises:
            OptionError: options do not go together.
            ModelError: no model makes the stems, or none that does is allowed.
        """
        if not self.quality:
            if self.commercial or self.offline:
                raise OptionError(f"--commercial and --offline go with {_QUALITY}.")
            return None
        if self.model:
            raise OptionError(f"-m {self.model} is a model; {_QUALITY} is in place of one.")
        from daw_bridge.jobs.choosing import choose_model
        from daw_bridge.library.costs import Conditions
        from daw_bridge.library.ladder import Wishes

        wishes = Wishes(self.quality, stems, self.commercial, self.offline)
        return choose_model(wishes, Conditions(self.device, self.threads, self.precision))

    def open(self) -> Separator:
        """Load the model."""
        from daw_bridge.separation.separator import Separator

        return Separator(
            self.model or DEFAULT_MODEL,
            provider=self.device,
            threads=self.threads,
            precision=self.precision,
        )

    def maker(self, open_separator: Callable[[], Separator]) -> StemMaker:
        """Return what makes stems, or finds them in the cache."""
        from daw_bridge.jobs.cache import StemCache
        from daw_bridge.jobs.render import StemMaker
        from daw_bridge.weights.obtaining import ensure_model

        limit_bytes = round(self.cache_limit * 1e9)
        cache = StemCache(limit_bytes=limit_bytes) if limit_bytes else None
        manifest = ensure_model(self.model or DEFAULT_MODEL)
        return StemMaker(manifest, open_separator, cache, self._settled_precision())

    def _settled_precision(self) -> Precision:
        if self.precision == "float":
            return "float"
        from daw_bridge.separation.loading import settle_precision  # slow to load

        return settle_precision(self.precision, self.device)


@dataclass(frozen=True)
class Span:
    """A part of a file, in seconds; a length of None is to the end."""

    start: float = 0
    length: float | None = None

    def of(self, file: Path, *, track: int = 1) -> Excerpt:
        """Return this part of a file, in frames of one of its audio tracks.

        Raises:
            AudioError: the file cannot be read, or has no such track.
        """
        from daw_bridge.files.reading import open_audio
        from daw_bridge.jobs.requests import Excerpt

        with open_audio(file, track=track) as reader:
            rate = reader.sample_rate_hz
        length = None if self.length is None else round(self.length * rate)
        return Excerpt((file,), round(self.start * rate), length)


@dataclass(frozen=True)
class Display:
    """How a command shows what it does: to people, as JSON, or not at all."""

    as_json: bool = False
    quiet: bool = False

    def progress(self, label: str) -> AbstractContextManager[Progress | None]:
        """Show a bar, as :func:`show_progress` does."""
        return show_progress(label, quiet=self.quiet)

    def say(self, *lines: object) -> None:
        """Print what is for people."""
        if not (self.quiet or self.as_json):
            show(*lines)

    def report(self, report: object) -> None:
        """Print what is for programs."""
        if self.as_json:
            click.echo(to_json(report))


# --- options


class AudioPath(click.Path):
    """A file; or a pipe or -, standard input, which the command keeps in a file while it runs."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the file."""
        path = Path(value)
        try:
            if value == "-":
                if sys.stdin.isatty():
                    self.fail("standard input is a terminal; pipe a file into it.", param, ctx)
                return _keep(sys.stdin.buffer, "stdin", ctx)
            if path.is_fifo():
                with path.open("rb") as pipe:
                    return _keep(pipe, path.name, ctx)
        except OSError as error:
            if value == "-":
                self.fail(f"standard input cannot be kept: {error.strerror}.", param, ctx)
        return path  # who reads it says what is wrong with it


def _keep(pipe: BinaryIO, name: str, ctx: click.Context | None) -> Path:
    """Write what comes out of a pipe into a file, which goes when the command ends."""
    folder = TemporaryDirectory(prefix="stemtool-")
    path = Path(ctx.with_resource(folder) if ctx else folder.name) / name
    with path.open("wb") as file:
        shutil.copyfileobj(pipe, file)
    return path


@contextmanager
def to_file(output: Path, ending: str | None) -> Iterator[Path]:
    """Yield the file to write; what is written is printed where - was named as the output."""
    if str(output) != "-":
        yield output
        return
    with TemporaryDirectory(prefix="stemtool-") as folder:
        path = Path(folder) / f"stdout.{ending}"
        yield path
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def read_seconds(text: str) -> float:
    """Read a time: seconds, or [hours:]minutes:seconds."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise click.BadParameter(f"'{text}' is no time; write seconds or 1:23.5.")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def read_names(text: str) -> tuple[str, ...]:
    """Read names that are separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def container_of(file: Path) -> Container | None:
    """Return the format that a file's ending says, None where it says none."""
    return next((each for each in CONTAINERS if file.suffix.lower() == f".{each}"), None)


def _together(*options: Decorator) -> Decorator:
    """Return options as one decorator."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


quality_options = _together(
    click.option(
        "--quality", type=click.Choice(RUNGS),
        help="In place of -m: the best model for the stems, the best that keeps up with real time"
        " on this machine, or the fastest. docs/models.md has the rules.",
    ),
    click.option(
        "--commercial", is_flag=True,
        help="With --quality: only weights known to be free for commercial use.",
    ),
    click.option(
        "--offline", is_flag=True, help="With --quality: only models that are on this machine."
    ),
)  # fmt: skip
model_options = _together(
    click.option(
        "-m", "--model", show_default=DEFAULT_MODEL, help="See: stemtool models list."
    ),
    quality_options,
)  # fmt: skip
bits_option = click.option("--bits", type=click.Choice(BITS), help="For wav and flac. Default: 24.")
cache_limit_option = click.option(
    "--cache-limit", type=click.FloatRange(0), default=4.0, show_default=True, metavar="GB",
    help="How much the stems may take that are kept for the next time; 0: none are.",
)  # fmt: skip

span_options = _together(
    click.option(
        "--start", type=read_seconds, default="0", metavar="TIME",
        help="Where to start: 83.5 or 1:23.5.",
    ),
    click.option(
        "--length", type=read_seconds, metavar="TIME", help="How much. Default: to the end."
    ),
)  # fmt: skip

provider_options = _together(
    click.option(
        "--provider", type=click.Choice(PROVIDER_NAMES), default="auto", show_default=True,
        help="What to run networks on.",
    ),
    click.option(
        "--precision", type=click.Choice(PRECISIONS), default="float", show_default=True,
        help="int8 is faster on CPUs, once stemtool models quantise was run.",
    ),
    click.option(
        "--threads", type=click.IntRange(1), metavar="N", help="CPU threads. Default: all."
    ),
)  # fmt: skip

json_option = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
strict_option = click.option(
    "--strict", is_flag=True, help="Refuse files that are damaged or incomplete."
)
track_option = click.option(
    "--track", type=click.IntRange(1, MAX_TRACK), default=1, show_default=True, metavar="N",
    help="Which audio track, of a video for instance; stemtool info lists them.",
)  # fmt: skip
bwf_start_option = click.option(
    "--bwf-start", default="", metavar="TIME",
    help="Where the input begins, 1:00:00 or 158760000 samples after midnight: WAV files say where"
    " they belong (Broadcast WAV). Default: as the input says; parts of it always do.",
)  # fmt: skip
quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but errors.")

running_options = _together(
    provider_options,
    click.option("--overwrite", is_flag=True, help="Replace files that exist."),
    json_option,
    quiet_option,
)

method_options = _together(
    click.option(
        "--extension", type=click.Choice(["ratio", "zeros"]),
        help="Above the network's band: share it, so that stems sum to the mixture, or drop it."
        " Default: ratio.",
    ),
    click.option(
        "--bandwidth", metavar="NAME", help="The network's band, 11k or 16k. Default: 11k."
    ),
    click.option(
        "--overlap", type=click.FloatRange(0, MAX_OVERLAP),
        help="Share of a segment that the next one sees again, up to 0.5, or"
        f" {MAX_OVERLAP} where all are averaged. Default: as the model has it.",
    ),
    click.option(
        "--wiener", "wiener_iterations", type=click.IntRange(0, MAX_WIENER_ITERATIONS), default=0,
        metavar="N",
        help=f"Rounds of multichannel Wiener refinement, at most {MAX_WIENER_ITERATIONS}. Default:"
        " 0.",
    ),
    click.option(
        "--shifts", type=click.IntRange(1, MAX_SHIFTS), default=1, metavar="N",
        help=f"Average N separations, up to {MAX_SHIFTS}, each with segments cut elsewhere; takes"
        " N times as long. Default: 1.",
    ),
    click.option(
        "--compat", type=click.Choice(["spleeter"]),
        help="Take Spleeter's choices for all that is not said: zeros above 11 kHz, no overlap.",
    ),
)  # fmt: skip


# --- what they do and show


def set_up(display: Display) -> None:
    """Make the process fit for audio, and let it log as little as it is to print."""
    from daw_bridge.system import share_one_heap  # here, to keep --help quick

    share_one_heap()
    if display.quiet:
        logging.getLogger().setLevel(logging.ERROR)


@contextmanager
def show_progress(label: str, *, quiet: bool) -> Iterator[Progress | None]:
    """Show a bar with the time left on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TextColumn

    columns = [TextColumn("{task.description}", markup=False), *Bars.get_default_columns()[1:]]
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(printable(label), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def describe_result(result: Result) -> dict[str, Any]:
    """Return what a job came to, for JSON."""
    return asdict(result) | {"times_real_time": result.times_real_time}


def describe_files(result: Result, origin: str) -> list[str]:
    """Say which files came of what, and how fast; ``origin`` is said of where stems are from."""
    seconds = result.frames / result.sample_rate_hz
    return [
        f"{result.source}",
        *(f"  {name:<14} {path}" for name, path in (result.outputs | result.projects).items()),
        f"  {seconds:.1f} s of audio, {result.frames} frames, in {result.elapsed_s:.1f} s:"
        f" {result.times_real_time:.0f} x real time{origin} {result.provider}"
        f"{' in int8' if result.precision == 'int8' else ''}",
        *_describe_length(result),
    ]


def describe_own_stems(result: Result) -> list[str]:
    """Say that stems came with their mixture, where they did."""
    from daw_bridge.jobs.render import STEM_FILE

    if result.provider != STEM_FILE:
        return []
    return ["  the stems are those of the file itself; nothing was separated"]


def _describe_length(result: Result) -> list[str]:
    """Say by how much a source is longer or shorter than it says."""
    claimed, read = result.claimed_frames, result.read_frames
    if not claimed or not read or claimed == read:
        return []
    more = f"{abs(read - claimed)} {'more' if read > claimed else 'fewer'}"
    return [f"  the file says that it has {claimed} frames; {read} were read, {more}"]


def warn_of(warnings: Sequence[str]) -> bool:
    """Print what is wrong with a source; return whether anything is."""
    for warning in warnings:
        complain(warning)
    return bool(warnings)


def describe_null(null_db: float, what: str) -> str:
    """Say at which level is what is left."""
    return "exactly" if math.isinf(null_db) else f"{what} is at {null_db:.1f} dB"


def to_json(report: object) -> str:
    """Return a report as JSON: paths as text, and nothing for what is infinite or no number."""
    return json.dumps(_plain(report), indent=2)


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
