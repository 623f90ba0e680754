"""``stemtool evaluate``."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from daw_bridge.errors import OptionError, OutputError, suggestion
from daw_bridge.library.places import DEFAULT_MODEL
from stemtool_cli.options import (
    Display,
    Engine,
    gathered,
    method_options,
    running_options,
    set_up,
)
from stemtool_cli.streams import complain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge.evaluation.results import Evaluation
    from daw_bridge.evaluation.targets import Target
    from daw_bridge.jobs.evaluate import EvaluateJob
    from daw_bridge.jobs.requests import SeparateChoices

_PATH = click.Path(path_type=Path)
_REPORT_NAME = "report.html"


class Minimum(NamedTuple):
    """The SDR that a stem must have."""

    stem: str
    sdr_db: float


def _read_minimum(text: str) -> Minimum:
    found = re.fullmatch(r"([^=]+)=([+-]?\d+(?:\.\d*)?) ?(?:dB)?", text)
    if not found:
        raise click.BadParameter(f"'{text}' is no stem with a figure, as in vocals=6.")
    return Minimum(found[1], float(found[2]))


@click.command()
@click.option(
    "-m", "--model", "models", multiple=True, default=[DEFAULT_MODEL], show_default=True,
    help="See: stemtool models list. Several are evaluated one after the other.",
)  # fmt: skip
@click.option(
    "--data", required=True, metavar="DIR|CSV", type=_PATH,
    help="Songs: a folder a song with a file a stem, such as drums.wav; *.stem.mp4; or Spleeter's"
    " table for training.",
)  # fmt: skip
@click.option(
    "--report", metavar="DIR", type=_PATH,
    help="Folder for report.html, tables and plots in one file (needs matplotlib).",
)  # fmt: skip
@click.option(
    "--min-sdr", "minima", multiple=True, type=_read_minimum, metavar="STEM=DB",
    help="Fail if the median SDR of a stem is lower.",
)  # fmt: skip
@method_options
@running_options
@gathered(choices="daw_bridge.jobs.requests:SeparateChoices", engine=Engine, display=Display)
def evaluate(
    *,
    models: tuple[str, ...],
    data: Path,
    report: Path | None,
    minima: tuple[Minimum, ...],
    choices: SeparateChoices,
    engine: Engine,
    display: Display,
) -> None:
    """Say how good a model is, on songs whose stems are known.

    Figures are those of BSS Eval version 4, as museval gives them, in dB: SDR, ISR, SIR and SAR of
    each second, of which a song has the median, and of songs the table; and the SDR of whole songs.
    Beside the model stand the mixture, which is what doing nothing gives, and ideal ratio masks,
    which know the stems.

    Stems of the same name are compared. All others, and "other" and "accompaniment" always, are
    the rest, of which sums are compared: accompaniment is all but the vocals. A song is scored on
    the stems that it has, and counts in the table if it has more than one. The mixture is the file
    of that name, else the sum of the stems.

    The exit status is 1 if a stem falls short of --min-sdr.

    \b
    Examples:
      stemtool evaluate --data musdb18hq/test
      stemtool evaluate -m spleeter-2stems --data songs --report report
          report/report.html: also every song, and SDR over time
      stemtool evaluate --data songs --wiener 1 --json > figures.json
      stemtool evaluate --data songs --min-sdr vocals=6 --min-sdr accompaniment=12 --quiet
          for continuous integration
    """
    from daw_bridge.files.songs import find_songs  # here, to keep --help quick
    from daw_bridge.jobs.evaluate import EvaluateJob

    page = _claim_page(report, overwrite=choices.overwrite) if report else None
    job = EvaluateJob(tuple(find_songs(data)), choices.options())
    set_up(display)
    evaluations = [_run(replace(engine, model=model), job, minima, display) for model in models]
    if page:
        from daw_bridge.evaluation.report import write_report

        write_report(evaluations, page)
    lines = [line for each in evaluations for line in ("", *_describe(each))]
    display.say(*lines[1:])
    display.report({"evaluations": list(map(_describe_all, evaluations))})
    _check_minima(evaluations, minima)


def _claim_page(folder: Path, *, overwrite: bool) -> Path:
    """Return the file of the report, once it is sure that it can be drawn and destroys nothing."""
    from daw_bridge.evaluation.plots import check_drawable

    check_drawable()
    path = folder / _REPORT_NAME
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; --overwrite replaces it.")
    return path


def _run(
    engine: Engine, job: EvaluateJob, minima: Sequence[Minimum], display: Display
) -> Evaluation:
    from daw_bridge.jobs.evaluate import run_evaluate

    with engine.open() as separator, display.progress(engine.model) as progress:
        _check_stems(minima, job.targets(separator.manifest))
        return run_evaluate(job, separator, progress=progress)


def _check_stems(minima: Sequence[Minimum], targets: Sequence[Target]) -> None:
    """Raise :class:`OptionError` if a minimum is for a stem that is not compared."""
    names = [target.name for target in targets]
    for stem, _ in minima:
        if stem not in names:
            raise OptionError(
                f"No stem '{stem}' is compared{suggestion(stem, names)};"
                f" there are {', '.join(names)}."
            )


def _check_minima(evaluations: Sequence[Evaluation], minima: Sequence[Minimum]) -> None:
    """Say which stems fall short, and exit with an error if any does."""
    shortfalls = list(_find_shortfalls(evaluations, minima))
    for sentence in shortfalls:
        complain(sentence)
    if shortfalls:
        raise click.exceptions.Exit(1)


def _find_shortfalls(evaluations: Sequence[Evaluation], minima: Sequence[Minimum]) -> Iterator[str]:
    for evaluation in evaluations:
        for stem, least_db in minima:
            sdr_db = evaluation.figures[stem][evaluation.model].sdr_db
            if math.isnan(sdr_db):
                yield f"{evaluation.model} has no SDR for {stem}: there is only silence to compare."
            elif sdr_db < least_db:
                yield (
                    f"{evaluation.model} gives {stem} an SDR of {sdr_db:.2f} dB,"
                    f" less than {least_db:g} dB."
                )


def _describe_all(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation for JSON: medians over songs, then each song."""
    figures = {
        stem: {method: asdict(figures) for method, figures in methods.items()}
        for stem, methods in evaluation.figures.items()
    }
    return {"figures": figures} | asdict(evaluation)


def _describe(evaluation: Evaluation) -> list[str]:
    """Return the lines of a table of an evaluation."""
    from daw_bridge.evaluation.report import COLUMNS, describe_scope, format_db

    width = max(map(len, evaluation.methods))
    lines = [
        f"{evaluation.model}, {describe_scope(evaluation)}",
        f"{'dB':<{width + 4}}" + "".join(f"{column:>10}" for column in COLUMNS),
    ]
    for stem, methods in evaluation.figures.items():
        lines.append(f"  {stem}")
        for method, figures in methods.items():
            cells = "".join(f"{format_db(figure):>10}" for figure in astuple(figures))
            lines.append(f"    {method:<{width}}{cells}")
    return lines
