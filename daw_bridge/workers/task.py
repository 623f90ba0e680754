"""Jobs as data: what is queued, stored and sent to a worker, and what each kind of job becomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from daw_bridge.jobs.remix import run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.jobs.requests import Excerpt, RemixChoices, SeparateChoices, UpmixChoices
from daw_bridge.jobs.separate import run_separate
from daw_bridge.jobs.upmix import run_upmix
from daw_bridge.library.models import load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daw_bridge.jobs.job import Job, Result
    from daw_bridge.library.ladder import Wishes
    from daw_bridge.separation.separator import Separator


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


AnyChoices: TypeAlias = SeparateChoices | RemixChoices | UpmixChoices


class Kind(NamedTuple):
    """A kind of job.

    Attributes:
        summary: what it does, in a sentence.
        phase: what it is doing while it runs, in a word.
        choices: what can be said about it.
        run: runs the job.
    """

    summary: str
    phase: str
    choices: type[AnyChoices]
    run: Callable[..., Result]

    def make(self, task: Task) -> Job:
        """Turn a task of this kind into a job.

        Raises:
            OptionError: an option is unknown, or has no such value.
        """
        return self.job_of(self.choices.parse(task.options), task)

    def wishes(self, task: Task) -> Wishes | None:
        """Return what the model of a task is chosen by; None where no quality was said.

        Raises:
            OptionError: an option is unknown, or has no such value.
        """
        choices = self.choices.parse(task.options)
        return choices.wishes(self.job_of(choices, task).asked_stems) if choices.quality else None

    def job_of(self, choices: AnyChoices, task: Task) -> Job:
        """Return the job of a task, of which all is said."""
        excerpt = Excerpt(task.paths, task.start, task.length)
        return choices.job(excerpt, Path(task.folder))


def _with_maker(run: Callable[..., Result]) -> Callable[..., Result]:
    """Have a job find its stems, and keep them, in the user's cache."""

    def run_with_maker(job: Job, separator: Separator, **hooks: Any) -> Result:
        from daw_bridge.jobs.cache import StemCache

        maker = StemMaker(separator.manifest, lambda: separator, StemCache(), separator.precision)
        return run(job, maker, **hooks)

    return run_with_maker


KINDS: Mapping[str, Kind] = {
    "separate": Kind("Separate audio into stems.", "separating", SeparateChoices, run_separate),
    "remix": Kind(
        "Mix the stems of audio anew, through effects.",
        "remixing",
        RemixChoices,
        _with_maker(run_remix),
    ),
    "upmix": Kind("Mix stereo up to surround.", "upmixing", UpmixChoices, _with_maker(run_upmix)),
}


def find_outputs(task: Task) -> dict[str, Path]:
    """Return the file of each stem that a task makes.

    Raises:
        OptionError: an option cannot be used.
        ModelError: there is no such model.
    """
    return KINDS[task.kind].make(task).outputs(load_manifest(task.model))
