"""What can be asked for in words, and the job that it means.

Each kind of job has a struct of words, named as ``stemtool`` and the protocol name them: who has
text reads it with :meth:`Choices.parse`, who has objects fills the struct. Its ``job`` puts files
into a folder, under names that the label begins; who names them otherwise replaces that.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec.structs import astuple

from daw_bridge.bounds import MAX_NAME_LENGTH, MAX_NAMES, MAX_PRESETS, MAX_TEXT_LENGTH
from daw_bridge.errors import OptionError, suggestion
from daw_bridge.files.broadcast import Origin
from daw_bridge.files.containers import Bits, Container, OutputFormat
from daw_bridge.jobs.job import Job
from daw_bridge.jobs.remix import RemixJob
from daw_bridge.jobs.separate import SeparateJob
from daw_bridge.jobs.upmix import UpmixJob, UpmixOutput
from daw_bridge.library.ladder import RUNGS, Rung, Wishes
from daw_bridge.library.names import fit_for_file
from daw_bridge.library.places import find_preset
from daw_bridge.library.stems import DASH, REMIX
from daw_bridge.projects.formats import find_formats
from daw_bridge.rendering.layout import DEFAULT_LAYOUT, Layout, change_layout, load_layout
from daw_bridge.separation.masks import Extension
from daw_bridge.separation.options import SeparationOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daw_bridge.rendering.preset import Preset

Names: TypeAlias = tuple[str, ...]
"""Separated by commas where they are text."""

_Choices = TypeVar("_Choices", bound="Choices")
_Job = TypeVar("_Job", bound=Job)

_WANTED = re.compile(r"Expected `(bool|int|float)( \| null)?`, got `str`")
_MEANT = {"bool": "1 or 0", "int": "a whole number", "float": "a number"}


class Excerpt(NamedTuple):
    """What a job is about.

    Attributes:
        paths: the file of the mixture, or the mono files that are its channels.
        start: the first frame.
        length: how many frames; None: to the end.
    """

    paths: tuple[Path, ...]
    start: int = 0
    length: int | None = None


class Choices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be said about every job.

    ``label`` begins the names of files; ``track`` is an audio track of the source; ``bwf_start`` is
    where it begins, as :meth:`Origin.parse` reads it. ``quality`` is a
    rung of the ladder, in place of a model; ``commercial`` and ``offline`` go with it.
    """

    format: Container = "wav"
    bits: Bits | None = None
    overwrite: bool = False
    strict: bool = False
    track: int = 1
    bwf_start: str = ""
    label: str = ""
    quality: Rung | None = None
    commercial: bool = False
    offline: bool = False

    @classmethod
    def parse(cls: type[_Choices], words: Mapping[str, str]) -> _Choices:
        """Read choices that are text.

        Raises:
            OptionError: one is unknown, or has no such value.
        """
        known = {field.encode_name: field.type for field in msgspec.structs.fields(cls)}
        for name in words:
            if name not in known:
                raise OptionError(
                    f"There is no option '{name:.40}'{suggestion(name, known)};"
                    f" there are {', '.join(known)}."
                )
        taken = {
            name: _split(text) if known[name] == Names else text for name, text in words.items()
        }
        try:
            return msgspec.convert(taken, cls, strict=False)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).rpartition(" - at `$.")
            name = place.rstrip("`")
            wanted = _WANTED.fullmatch(reason)
            said = f" is {_MEANT[wanted[1]]}, not '{words[name]:.40}'" if wanted else f": {reason}"
            raise OptionError(f"Option {name}{said}.") from error

    def __post_init__(self) -> None:
        """Raise :class:`OptionError` where more is said than any job needs."""
        for name, said in zip(self.__struct_encode_fields__, astuple(self), strict=True):
            if isinstance(said, tuple):
                _check_names(name, said)
            elif isinstance(said, str):
                _check_length(name, said, MAX_TEXT_LENGTH)
        if not self.quality and (self.commercial or self.offline):
            raise OptionError(f"commercial and offline go with a quality: {', '.join(RUNGS)}.")

    def wishes(self, stems: Names) -> Wishes | None:
        """Return what a model for some stems is chosen by; None where no quality was said."""
        if not self.quality:
            return None
        return Wishes(self.quality, stems, self.commercial, self.offline)

    @property
    def file_label(self) -> str:
        """The label, fit to begin or to be a file's name on every system; empty without one."""
        return fit_for_file(self.label)

    def _complete(self, job: _Job, excerpt: Excerpt) -> _Job:
        """Return a job with what is said about every kind of job.

        Raises:
            OptionError: the format, start, length or track cannot be.
        """
        return replace(
            job,
            other_channels=excerpt.paths[1:],
            output_format=OutputFormat(self.format, self.bits),
            start=excerpt.start,
            length=excerpt.length,
            overwrite=self.overwrite,
            strict=self.strict,
            audio_track=self.track,
            origin=Origin.parse(self.bwf_start) if self.bwf_start else None,
        )


class SeparateChoices(Choices, frozen=True, kw_only=True):
    """What can be said about a separation.

    A field that is named as one of :class:`SeparationOptions` is that option; None leaves it to
    ``compat``. ``minus`` names what to take away from the mixture, in place of ``stems``;
    ``project`` names formats of projects.
    """

    stems: Names = ()
    minus: Names = ()
    extension: Extension | None = None
    bandwidth: str | None = None
    overlap: float | None = None
    wiener_iterations: int = msgspec.field(default=0, name="wiener")
    shifts: int = 1
    compat: str | None = None
    downmix: bool = False
    residual: bool = False
    project: Names = ()

    def __post_init__(self) -> None:
        """Raise :class:`OptionError` where options do not go together."""
        super().__post_init__()
        if self.minus and (self.stems or self.residual):
            raise OptionError(
                "minus writes one stem, all but those that it names; leave out stems and residual."
            )

    @property
    def made_stems(self) -> Names:
        """The stems that a model must make; empty: all that it makes."""
        return self.minus or self.stems

    def options(self) -> SeparationOptions:
        """Return how to separate.

        Raises:
            OptionError: an option has no such value.
        """
        if self.compat not in (None, "spleeter"):
            raise OptionError(f"compat is 'spleeter' or is left out, not '{self.compat}'.")
        usual = SeparationOptions.spleeter() if self.compat else SeparationOptions()
        said = {each.name: getattr(self, each.name, None) for each in fields(usual)}
        said["stems"] = self.made_stems
        return replace(usual, **{name: value for name, value in said.items() if value is not None})

    def job(self, excerpt: Excerpt, folder: Path) -> SeparateJob:
        """Return the job that writes stems into a folder, each named after the label and itself.

        Raises:
            OptionError: an option has no such value.
        """
        job = SeparateJob(
            excerpt.paths[0],
            folder,
            name=f"{{track}}{DASH}{{stem}}.{{ext}}" if self.label else "{stem}.{ext}",
            track=self.file_label or None,
            options=self.options(),
            residual=self.residual,
            complement=bool(self.minus),
            formats=find_formats(self.project),
        )
        return self._complete(job, excerpt)


class RemixChoices(Choices, frozen=True, kw_only=True):
    """What can be said about a remix; presets are those of the library.

    ``gain``, ``pan`` and ``width`` are amounts, such as ``vocals=-6``; ``stems`` is a folder.
    """

    preset: Names = ()
    gain: Names = ()
    pan: Names = ()
    width: Names = ()
    mute: Names = ()
    solo: Names = ()
    pitch: float | None = None
    tempo: float | None = None
    lufs: float | None = None
    true_peak: float | None = None
    stems: str = ""
    keep_stems: bool = False
    downmix: bool = False

    def job(self, excerpt: Excerpt, folder: Path, presets: Iterable[Preset] = ()) -> RemixJob:
        """Return the job that writes a remix into a folder, named after the label and ``remix``.

        Args:
            excerpt: what to remix.
            folder: also of the stems that are kept.
            presets: come before all that is said.

        Raises:
            OptionError: there is no such preset, or an option has no such value.
        """
        from daw_bridge.rendering.preset import combine, read_preset, say_in_words  # slow to load

        own = say_in_words(
            gain=",".join(self.gain),
            pan=",".join(self.pan),
            width=",".join(self.width),
            mute=self.mute,
            solo=self.solo,
            pitch_semitones=self.pitch,
            tempo=self.tempo,
            lufs=self.lufs,
            true_peak_db=self.true_peak,
        )
        named = {name: read_preset(find_preset(name)) for name in dict.fromkeys(self.preset)}
        label = self.file_label + DASH if self.label else ""
        job = RemixJob(
            excerpt.paths[0],
            folder / f"{label}{REMIX}.{self.format}",
            combine([*presets, *map(named.__getitem__, self.preset), own]),
            stems_folder=Path(self.stems) if self.stems else None,
            kept_folder=folder if self.keep_stems else None,
            options=SeparationOptions(downmix=self.downmix),
        )
        return self._complete(job, excerpt)


class UpmixChoices(Choices, frozen=True, kw_only=True):
    """What can be said about an upmix; the layout is one of the library, ``stems`` a folder."""

    layout: str = DEFAULT_LAYOUT
    output: UpmixOutput = "mix"
    center_width: float | None = None
    surround_level: float = 0
    lfe: str | None = None
    stems: str = ""

    def job(self, excerpt: Excerpt, folder: Path, layout: Layout | None = None) -> UpmixJob:
        """Return the job that writes a mix into a folder, named after the label or the layout.

        Stems and channels go into a folder in it that has the label's name.

        Args:
            excerpt: what to mix up.
            folder: of the files.
            layout: is in place of that of the library.

        Raises:
            OptionError: there is no such layout, or an option has no such value.
        """
        layout = change_layout(
            layout or load_layout(self.layout),
            center_width=self.center_width,
            surround_change_db=self.surround_level,
            lfe=self.lfe,
        )
        mix = f"{self.file_label or layout.name}.{self.format}"
        job = UpmixJob(
            excerpt.paths[0],
            folder / (mix if self.output == "mix" else self.file_label),
            parts=self.output,
            layout=layout,
            stems_folder=Path(self.stems) if self.stems else None,
        )
        return self._complete(job, excerpt)


def _check_names(option: str, names: Names) -> None:
    limit = MAX_PRESETS if option == "preset" else MAX_NAMES
    if len(names) > limit:
        raise OptionError(f"Option {option} takes at most {limit} names, not {len(names)}.")
    for name in names:
        _check_length(option, name, MAX_NAME_LENGTH)


def _check_length(option: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise OptionError(
            f"Option {option} has at most {limit} characters, not {len(text)}: '{text:.40}…'."
        )


def _split(text: str) -> Names:
    return tuple(name.strip() for name in text.split(",") if name.strip())
