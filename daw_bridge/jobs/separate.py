"""A mixture becomes its stems."""

from __future__ import annotations

import os
import string
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import OptionError, suggestion
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.jobs.job import Job, leads_out
from daw_bridge.jobs.project import write_job_projects
from daw_bridge.jobs.running import begin
from daw_bridge.jobs.timing import separate_and_note
from daw_bridge.library.stems import RESIDUAL, without
from daw_bridge.projects.writing import claimed_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from daw_bridge.audio import StemBlock
    from daw_bridge.jobs.job import IsCancelled, Progress, Result
    from daw_bridge.jobs.sources import Selection
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.projects.formats import Format
    from daw_bridge.separation.separator import Separator

DEFAULT_NAME = "{track}/{stem}.{ext}"
_NAME_FIELDS = ("track", "stem", "ext", "folder", "model")


@dataclass(frozen=True)
class SeparateJob(Job):
    """Separate a file into files.

    Attributes:
        output_folder: where the stems go.
        name: a stem's path in that folder, with the fields ``{track}``, ``{stem}``, ``{ext}``,
            ``{folder}`` (the name of the source's folder) and ``{model}``.
        track: what ``{track}`` stands for; None: the source's name without its extension.
        residual: also write what the stems that are asked for leave of the mixture.
        complement: write that alone, in place of the stems, under a name that says so.
        formats: those of projects that are written beside the stems.
    """

    output_folder: Path
    _: KW_ONLY
    name: str = DEFAULT_NAME
    track: str | None = None
    residual: bool = False
    complement: bool = False
    formats: tuple[Format, ...] = ()

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of each stem's file.

        Raises:
            OptionError: a stem is unknown, or the name is not one file a stem in the folder; or
                what stems leave is asked for, and some of them are parts of others, or nothing is.
            OutputError: with what its fields stand for, it leads out of the folder.
        """
        _check_name(self.name)
        return {
            stem: self.place(self.output_folder, self._name(stem, manifest))
            for stem in self._written(manifest)
        }

    def _written(self, manifest: ModelManifest) -> list[str]:
        """Return the names of what is written."""
        manifest.check_stems(self.options.stems)
        stems = list(manifest.choose(self.options.stems))
        if self.residual or self.complement:
            _check_apart(stems, manifest)
        if not self.complement:
            return [*stems, RESIDUAL] if self.residual else stems
        if all(manifest.times_given(stems)):
            raise OptionError(
                f"Without {', '.join(stems)} nothing is left: these are all stems of"
                f" {manifest.name}."
            )
        return [without(stems)]

    def projects(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the file that DAWs open of each project, by its format.

        Raises:
            DawBridgeError: as :meth:`outputs`.
        """
        folders = {path.parent for path in self.outputs(manifest).values()}
        folder = Path(os.path.commonpath(folders))
        return {
            each.name: self.place(folder, str(each.place(Path(), self.title)))
            for each in self.formats
        }

    def claims(self, manifest: ModelManifest) -> list[Path]:
        """Return all files and folders that it makes.

        Raises:
            DawBridgeError: as :meth:`outputs`.
        """
        paths = self.projects(manifest).values()
        taken = map(claimed_path, self.formats, paths)
        return [*super().claims(manifest), *taken]

    @property
    def title(self) -> str:
        """What the song is called."""
        return self.source.stem if self.track is None else self.track

    def _name(self, stem: str, manifest: ModelManifest) -> str:
        return self.name.format(
            track=self.title,
            stem=stem,
            ext=self.output_format.container,
            folder=self.source.resolve().parent.name,
            model=manifest.name,
        )


def run_separate(
    job: SeparateJob,
    separator: Separator,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Result:
    """Run a job to its end; whatever stops it, no partial file stays.

    Raises:
        DawBridgeError: the source cannot be read, the stems cannot be written, …
        Cancelled: ``is_cancelled`` said so.
    """
    meter = NullMeter()
    with begin(job, separator.manifest, progress, is_cancelled) as running:
        mixture = running.selection.mixture
        channels = min(mixture.channels, separator.manifest.channels)
        with running.files(running.outputs.values(), channels) as files:
            for samples in _measured_blocks(job, separator, running.selection, meter):
                files.write(samples)
                running.report(files.frames)
            written = running.commit(files)
    times_given = separator.manifest.times_given(running.outputs)
    leaves_nothing = job.residual or job.complement
    is_complete = leaves_nothing or all(times == 1 for times in times_given)
    null_db = meter.null_db(gain=written.gain, rounding_energy=written.rounding_energy)
    result = running.result(
        files,
        written,
        channels=channels,
        provider=separator.provider,
        precision=separator.precision,
        null_db=null_db if is_complete else None,
    )
    if not job.formats:
        return result
    projects = job.projects(separator.manifest)
    write_job_projects(job, result, projects, title=job.title, heartbeat=running.report)
    return replace(result, projects=projects)


def _measured_blocks(
    job: SeparateJob, separator: Separator, selection: Selection, meter: NullMeter
) -> Iterator[StemBlock]:
    """Yield blocks of what the job writes, and show the meter what is lost of the mixture."""
    for stems in separate_and_note(separator, selection, job.options):
        samples = stems.samples
        if job.residual or job.complement:
            samples = np.concatenate([samples, stems.residual()[np.newaxis]])
        meter.add_stems(stems.mixture, samples)
        yield samples[-1:] if job.complement else samples


def _check_apart(stems: Collection[str], manifest: ModelManifest) -> None:
    """Raise :class:`OptionError` if a stem is a part of another."""
    if max(manifest.times_given(stems)) > 1:
        raise OptionError(
            f"What {', '.join(stems)} leave of the mixture means nothing, as some are parts of"
            " others; leave these out."
        )


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
    if leads_out(name):
        raise OptionError(f"The name '{name}' leads out of the output folder.")
