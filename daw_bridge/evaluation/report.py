"""Evaluations as one HTML file that needs no other; its pictures need matplotlib."""

from __future__ import annotations

import base64
import math
from dataclasses import astuple
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from daw_bridge.errors import OutputError
from daw_bridge.evaluation.plots import plot_song, plot_songs
from daw_bridge.files.atomic import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from daw_bridge.evaluation.results import Evaluation, SongScores

COLUMNS = ("SDR", "ISR", "SIR", "SAR", "song SDR")


def write_report(evaluations: Sequence[Evaluation], path: Path) -> None:
    """Write a report of one model or several; folders are made if need be.

    Raises:
        OptionError: matplotlib is not installed.
        OutputError: the file cannot be written.
    """
    template = Template(files("daw_bridge.evaluation").joinpath("report.html").read_text("utf-8"))
    page = template.substitute(
        title="Evaluation of " + escape(" and ".join(each.model for each in evaluations)),
        sections="\n".join(map(_section, evaluations)),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error


def format_db(figure: float) -> str:
    """Return a figure as text: a dash for none."""
    return "-" if math.isnan(figure) else f"{figure:.2f}".replace("inf", "∞")


def describe_scope(evaluation: Evaluation) -> str:
    """Say in one sentence how much was evaluated, and how."""
    count = len(evaluation.songs)
    minutes, seconds = divmod(round(evaluation.duration_s), 60)
    sums = [
        f"{target.name} is {' + '.join(target.song_stems)}"
        for target in evaluation.targets
        if target.song_stems != (target.name,)
    ]
    options = [f"{name} {value}" for name, value in evaluation.options.items()]
    facts = [f"{count} song{'s' * (count != 1)}, {minutes}:{seconds:02} of music", *sums, *options]
    return "; ".join(facts)


def _section(evaluation: Evaluation) -> str:
    return "\n".join(
        [
            f"<h2>{escape(evaluation.model)}</h2>",
            f"<p>{escape(describe_scope(evaluation))}.</p>",
            _table(("", *COLUMNS), _median_rows(evaluation)),
            "<h3>Spread over songs</h3>",
            _image(plot_songs(evaluation), f"SDR of {evaluation.model} over songs"),
            "<h3>Songs</h3>",
            _table(("SDR", *evaluation.methods), _song_rows(evaluation)),
            *(_song(evaluation, song) for song in evaluation.songs if song.scores),
        ]
    )


def _song(evaluation: Evaluation, song: SongScores) -> str:
    return "\n".join(
        [
            f"<h3>{escape(song.name)}</h3>",
            _image(plot_song(evaluation, song), f"SDR over time in {song.name}"),
        ]
    )


def _median_rows(evaluation: Evaluation) -> Iterator[str]:
    """Yield the rows of a table of medians over songs, under a heading a stem."""
    for stem, methods in evaluation.figures.items():
        songs = len(evaluation.of_songs(stem, evaluation.model))
        note = "" if songs == len(evaluation.songs) else f" (in {songs})"
        yield f'<tr><th colspan="{1 + len(COLUMNS)}">{escape(stem)}{note}</th></tr>'
        for method, figures in methods.items():
            is_model = method == evaluation.model
            yield _row(method, astuple(figures), kind="model" if is_model else "")


def _song_rows(evaluation: Evaluation) -> Iterator[str]:
    """Yield the rows of a table of songs, under a heading each."""
    for song in evaluation.songs:
        yield f'<tr><th colspan="{1 + len(evaluation.methods)}">{escape(song.name)}</th></tr>'
        for stem, methods in song.scores.items():
            yield _row(stem, [methods[each].figures.sdr_db for each in evaluation.methods])


def _table(columns: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(name: str, figures: Iterable[float], *, kind: str = "") -> str:
    cells = "".join(f"<td>{format_db(figure)}</td>" for figure in figures)
    return f'<tr class="{kind}"><td>{escape(name)}</td>{cells}</tr>'


def _image(svg: bytes, description: str) -> str:
    # As an image, not inline: names within one picture do not meet those of another.
    content = base64.b64encode(svg).decode()
    return f'<img alt="{escape(description)}" src="data:image/svg+xml;base64,{content}">'
