"""What is said before stems are made: by which model, and how long it will take."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from stemtool_cli.streams import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.jobs.choosing import Forecast
    from daw_bridge.jobs.job import Job, Progress
    from daw_bridge.jobs.render import RenderJob, StemMaker
    from daw_bridge.library.ladder import Choice
    from daw_bridge.separation.separator import Separator
    from stemtool_cli.options import Display, Engine

_FIRST_PASSAGES = 2
_LEAST_WATCHED_S = 2.0


class Outlook:
    """Chooses the model, and says what to expect of it; programs find that in their report.

    Args:
        engine: says how the model is chosen, and on what it runs.
        display: to whom it is said.
        stems: which are asked for; empty: those that the model makes.

    Attributes:
        engine: with the model that was chosen.

    Raises:
        OptionError: options do not go together.
        ModelError: no model makes the stems, or none that does is allowed.
    """

    def __init__(self, engine: Engine, display: Display, stems: tuple[str, ...]) -> None:
        self._is_silent = display.quiet or display.as_json
        self._stems = stems
        self._choice: Choice | None = engine.choose(stems)
        self._forecast: Forecast | None = None
        self._began = 0.0
        self._watched = 0.0
        self.engine = replace(engine, model=self._choice.model.name) if self._choice else engine
        if self._choice:
            self._say(self._choice)

    @classmethod
    def of(cls, engine: Engine, display: Display, job: RenderJob) -> Outlook:
        """Return that of a job which may find its stems made; no model makes them then."""
        if job.stems_place:
            engine = replace(engine, model="", quality=None, commercial=False, offline=False)
        return cls(engine, display, job.asked_stems)

    def expect(self, separator: Separator, jobs: Sequence[Job]) -> None:
        """Say how long jobs will take with the model that is loaded, where that is long."""
        from daw_bridge.jobs.choosing import forecast
        from daw_bridge.jobs.lengths import claimed_seconds
        from daw_bridge.jobs.timing import conditions_of, passage_seconds
        from daw_bridge.library.ladder import Wishes

        lengths = [claimed_seconds(job) * job.options.shifts for job in jobs]
        if not lengths:
            return
        manifest = separator.manifest
        engine = self.engine
        wishes = Wishes("fast", self._stems or manifest.stems, engine.commercial, engine.offline)
        self._forecast = forecast(manifest, conditions_of(separator), sum(lengths), wishes)
        self._watched = min(_FIRST_PASSAGES * passage_seconds(manifest) / max(lengths[0], 1e-9), 1)
        self._began = time.perf_counter()
        self._tell(self._forecast)

    def maker(self, job: RenderJob) -> StemMaker:
        """Return what makes the stems of a job, and then says what to expect."""

        def open_separator() -> Separator:
            separator = self.engine.open()
            self.expect(separator, [job])
            return separator

        return self.engine.maker(open_separator)

    def watch(self, progress: Progress | None) -> Progress:
        """Return what is told how far a job is, and says how long it takes after its beginning."""

        def report(done: int, total: int) -> None:
            if progress:
                progress(done, total)
            self._look(done / max(total, 1))

        return report

    def describe(self) -> dict[str, Any]:
        """Return what was said, for JSON."""
        choice = self._choice
        return {
            "forecast": asdict(self._forecast) if self._forecast else None,
            "choice": choice.describe() if choice else None,
        }

    def _look(self, fraction: float) -> None:
        """Say how long the first job takes, once, where the model was never timed here."""
        from daw_bridge.jobs.choosing import WORTH_SAYING_S

        elapsed = time.perf_counter() - self._began
        is_known = not self._forecast or self._forecast.seconds is not None
        if is_known or fraction < self._watched or elapsed < _LEAST_WATCHED_S:
            return
        self._watched = 2.0  # more than there is: once is enough
        seconds = elapsed / fraction
        if self._forecast and seconds > WORTH_SAYING_S:
            self._say(
                f"{self._forecast.model} will take about {describe_seconds(seconds)}, to go by the"
                " first passages: it was never timed on this machine."
            )

    def _tell(self, forecast: Forecast) -> None:
        from daw_bridge.jobs.choosing import WORTH_SAYING_S

        if forecast.seconds is None or forecast.seconds <= WORTH_SAYING_S:
            return
        said = f"{forecast.model} will take about {describe_seconds(forecast.seconds)}"
        if forecast.cheaper and forecast.cheaper_seconds:
            option = "--quality fast" if self._choice else f"-m {forecast.cheaper}"
            taken = describe_seconds(forecast.cheaper_seconds)
            said += f"; {forecast.cheaper} would take {taken}: {option}"
        self._say(f"{said}.")

    def _say(self, sentence: object) -> None:
        if not self._is_silent:
            complain(sentence)


def describe_seconds(seconds: float) -> str:
    """Return a time as people say it."""
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
