"""Jobs as data: what is queued, stored and sent to a worker, and what each kind of job becomes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from daw_bridge.errors import OptionError, suggestion
from daw_bridge.files.containers import Bits, Container, OutputFormat
from daw_bridge.jobs.remix import REMIX, RemixJob, run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.jobs.upmix import UpmixJob, UpmixOutput, run_upmix
from daw_bridge.library.manifest import load_manifest
from daw_bridge.rendering.layout import DEFAULT_LAYOUT, change_layout, load_layout
from daw_bridge.separation.masks import Extension
from daw_bridge.separation.options import SeparationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daw_bridge.jobs.job import Job, Result
    from daw_bridge.separation.separator import Separator

OUTCOME_NAME = "outcome.json"
"""In a job's folder once its results are whole; says how they came about."""

Choices = TypeVar("Choices", bound=msgspec.Struct)

_MAX_LABEL_LENGTH = 100
_UNFIT_FOR_FILES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


class Task(msgspec.Struct, frozen=True):
    """A job in words and numbers.

    Attributes:
        job: its name, which the client chose.
        kind: a key of :data:`KINDS`.
        model: the model's name.
        sources: the path of the mixture, or of the mono files that are its channels.
        folder: where the results go.
        start: the first frame.
        length: how many frames; None: to the end.
        options: what else was said, as text.
    """

    job: str
    kind: str
    model: str
    sources: tuple[str, ...]
    folder: str
    start: int = 0
    length: int | None = None
    options: dict[str, str] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The sources' paths."""
        return tuple(map(Path, self.sources))


class SeparateChoices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be said about a separation, as ``stemtool separate`` says it."""

    format: Container = "wav"
    bits: Bits | None = None
    stems: str = ""
    """Names separated by commas; empty: all."""
    extension: Extension | None = None
    bandwidth: str | None = None
    overlap: float | None = None
    wiener: int = 0
    shifts: int = 1
    compat: str | None = None
    downmix: bool = False
    residual: bool = False
    overwrite: bool = False
    label: str = ""
    """Goes before a stem's name in the name of its file."""


class RemixChoices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be said about a remix, as ``stemtool remix`` says it; lists are comma-separated."""

    format: Container = "wav"
    bits: Bits | None = None
    preset: str = ""
    """Names of the library."""
    gain: str = ""
    """``vocals=-6,other=3``, and so for ``pan`` and ``width``."""
    pan: str = ""
    width: str = ""
    mute: str = ""
    solo: str = ""
    pitch: float | None = None
    tempo: float | None = None
    lufs: float | None = None
    true_peak: float | None = None
    stems: str = ""
    """A folder of stems."""
    keep_stems: bool = False
    downmix: bool = False
    overwrite: bool = False
    label: str = ""
    """Goes before ``remix`` in the name of the file."""


class UpmixChoices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be said about an upmix, as ``stemtool upmix`` says it."""

    format: Container = "wav"
    bits: Bits | None = None
    layout: str = DEFAULT_LAYOUT
    output: UpmixOutput = "mix"
    center_width: float | None = None
    surround_level: float = 0
    lfe: str | None = None
    stems: str = ""
    """A folder of stems."""
    overwrite: bool = False
    label: str = ""
    """Names the file of a mix, or the folder of stems or channels."""


class Kind(NamedTuple):
    """A kind of job.

    Attributes:
        summary: what it does, in a sentence.
        phase: what it is doing while it runs, in a word.
        make: turns a task into a job, or raises :class:`OptionError`.
        run: runs the job.
    """

    summary: str
    phase: str
    make: Callable[[Task], Job]
    run: Callable[..., Result]


def make_separate_job(task: Task) -> SeparateJob:
    """Turn a task's words into a job.

    Raises:
        OptionError: an option is unknown, or has no such value.
    """
    said = _convert(task.options, SeparateChoices)
    stems = _split(said.stems)
    if said.compat not in (None, "spleeter"):
        raise OptionError(f"compat is 'spleeter' or is left out, not '{said.compat}'.")
    options = SeparationOptions.spleeter() if said.compat else SeparationOptions()
    chosen = {
        name: value
        for name in ("extension", "bandwidth", "overlap")
        if (value := getattr(said, name)) is not None
    }
    return SeparateJob(
        task.paths[0],
        Path(task.folder),
        name="{track} – {stem}.{ext}" if said.label else "{stem}.{ext}",  # noqa: RUF001
        track=_file_name(said.label),
        options=replace(
            options,
            stems=stems,
            wiener_iterations=said.wiener,
            shifts=said.shifts,
            downmix=said.downmix,
            **chosen,
        ),
        residual=said.residual,
        **_common(task, said),
    )


def make_remix_job(task: Task) -> RemixJob:
    """Turn a task's words into a remix; presets are those of the library.

    Raises:
        OptionError: an option is unknown, or has no such value.
    """
    from daw_bridge.library.places import find_preset
    from daw_bridge.rendering.preset import combine, read_preset, say_in_words

    said = _convert(task.options, RemixChoices)
    presets = [read_preset(find_preset(name)) for name in _split(said.preset)]
    own = say_in_words(
        gain=said.gain,
        pan=said.pan,
        width=said.width,
        mute=_split(said.mute),
        solo=_split(said.solo),
        pitch_semitones=said.pitch,
        tempo=said.tempo,
        lufs=said.lufs,
        true_peak_db=said.true_peak,
    )
    folder = Path(task.folder)
    label = f"{_file_name(said.label)} – " if said.label else ""  # noqa: RUF001
    return RemixJob(
        task.paths[0],
        folder / f"{label}{REMIX}.{said.format}",
        combine([*presets, own]),
        stems_folder=Path(said.stems) if said.stems else None,
        kept_folder=folder if said.keep_stems else None,
        options=SeparationOptions(downmix=said.downmix),
        **_common(task, said),
    )


def make_upmix_job(task: Task) -> UpmixJob:
    """Turn a task's words into a job.

    Raises:
        OptionError: an option is unknown, or has no such value.
    """
    said = _convert(task.options, UpmixChoices)
    layout = change_layout(
        load_layout(said.layout),
        center_width=said.center_width,
        surround_change_db=said.surround_level,
        lfe=said.lfe,
    )
    label, folder = _file_name(said.label), Path(task.folder)
    return UpmixJob(
        task.paths[0],
        folder / (f"{label or layout.name}.{said.format}" if said.output == "mix" else label),
        parts=said.output,
        layout=layout,
        stems_folder=Path(said.stems) if said.stems else None,
        **_common(task, said),
    )


def _with_maker(run: Callable[..., Result]) -> Callable[..., Result]:
    """Have a job find its stems, and keep them, in the user's cache."""

    def run_with_maker(job: Job, separator: Separator, **hooks: Any) -> Result:
        from daw_bridge.jobs.cache import StemCache

        maker = StemMaker(separator.manifest, lambda: separator, StemCache())
        return run(job, maker, **hooks)

    return run_with_maker


KINDS: Mapping[str, Kind] = {
    "separate": Kind("Separate audio into stems.", "separating", make_separate_job, run_separate),
    "remix": Kind(
        "Mix the stems of audio anew, through effects.",
        "remixing",
        make_remix_job,
        _with_maker(run_remix),
    ),
    "upmix": Kind("Mix stereo up to surround.", "upmixing", make_upmix_job, _with_maker(run_upmix)),
}


def find_outputs(task: Task) -> dict[str, Path]:
    """Return the file of each stem that a task makes.

    Raises:
        OptionError: an option cannot be used.
        ModelError: there is no such model.
    """
    return KINDS[task.kind].make(task).outputs(load_manifest(task.model))


def _convert(options: Mapping[str, str], kind: type[Choices]) -> Choices:
    """Turn text into choices, or say in one sentence which of them cannot be used."""
    known = kind.__struct_fields__
    for name in options:
        if name not in known:
            raise OptionError(
                f"There is no option '{name}'{suggestion(name, known)};"
                f" there are {', '.join(known)}."
            )
    try:
        return msgspec.convert(options, kind, strict=False)
    except msgspec.ValidationError as error:
        reason, _, name = str(error).partition(" - at `$.")
        raise OptionError(f"Option {name.rstrip('`')}: {reason}.") from error


def _common(task: Task, said: SeparateChoices | RemixChoices | UpmixChoices) -> dict[str, Any]:
    """Return what is said of every kind of job."""
    return {
        "other_channels": task.paths[1:],
        "output_format": OutputFormat(said.format, said.bits),
        "start": task.start,
        "length": task.length,
        "overwrite": said.overwrite,
    }


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _file_name(label: str) -> str:
    return _UNFIT_FOR_FILES.sub("_", label)[:_MAX_LABEL_LENGTH]
