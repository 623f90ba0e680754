"""``stemtool separate``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from daw_bridge.errors import DawBridgeError, OutputError
from daw_bridge.files.containers import CONTAINERS
from daw_bridge.library.stems import is_without
from daw_bridge.projects.formats import FORMATS
from stemtool_cli.options import (
    AudioPath,
    Display,
    Engine,
    Span,
    bits_option,
    bwf_start_option,
    describe_files,
    describe_null,
    describe_result,
    gathered,
    method_options,
    model_options,
    read_names,
    running_options,
    set_up,
    span_options,
    strict_option,
    track_option,
    warn_of,
)
from stemtool_cli.outlook import Outlook
from stemtool_cli.streams import complain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.jobs.job import Result
    from daw_bridge.jobs.requests import Excerpt, SeparateChoices
    from daw_bridge.jobs.separate import SeparateJob
    from daw_bridge.library.manifest import ModelManifest


class Failure(NamedTuple):
    """A file that could not be separated, and why."""

    source: Path
    error: DawBridgeError


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILES...",
    type=AudioPath(),
)
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(path_type=Path),
    help="Folder for the stems; it is made if need be.",
)  # fmt: skip
@model_options
@click.option(
    "--stems", metavar="NAMES", type=read_names,
    help="Which stems to write, separated by commas. Default: all.",
)  # fmt: skip
@click.option(
    "--minus", metavar="NAMES", type=read_names,
    help="Write one stem: all but these, which are separated by commas.",
)  # fmt: skip
@span_options
@click.option(
    "--format", type=click.Choice(CONTAINERS), default="wav", show_default=True,
    help="WAV grows to RF64 beyond 4 GB.",
)  # fmt: skip
@bits_option
@click.option(
    "--name", default="{track}/{stem}.{ext}", show_default=True,
    help="A stem's path in DIR; fields: track, stem, ext, folder, model.",
)  # fmt: skip
@method_options
@click.option("--downmix", is_flag=True, help="Fold surround inputs down to stereo.")
@click.option("--require-gpu", is_flag=True, help="Fail where there is no usable GPU.")
@click.option("--residual", is_flag=True, help="Also write what the stems leave of the mixture.")
@click.option(
    "--project", metavar="FORMATS", type=read_names,
    help=f"Also write projects for DAWs, beside the stems: {', '.join(FORMATS)}; see stemtool"
    " project.",
)  # fmt: skip
@running_options
@strict_option
@track_option
@bwf_start_option
@gathered(
    engine=Engine, choices="daw_bridge.jobs.requests:SeparateChoices", span=Span, display=Display
)
def separate(
    files: tuple[Path, ...],
    *,
    output: Path,
    name: str,
    choices: SeparateChoices,
    engine: Engine,
    span: Span,
    display: Display,
) -> None:
    """Separate FILES into stems.

    Stems have their file's sample rate, channels and exact length, and sum to it: what they miss
    by is measured and printed. Reads WAV, FLAC, Ogg, Opus, MP3, AIFF, M4A, MP4, MKV and more.
    A file that fails does not stop the others; the exit status says whether one did, or was
    damaged.

    \b
    Examples:
      stemtool separate song.flac -o stems
          stems/song/vocals.wav and stems/song/accompaniment.wav
      stemtool separate *.mp3 -o stems --stems vocals --format flac
      stemtool separate song.flac -o stems -m htdemucs --minus drums
          'stems/song/no drums.wav', to play the drums to
      stemtool separate set.wav -o stems --start 1:02:30 --length 90 --bits 32f
      stemtool separate song.wav -o stems --compat spleeter
          what Spleeter gives, to -80 dB and better
      stemtool separate song.flac -o stems --project dawproject
          also stems/song/song.dawproject, for Bitwig Studio, Studio One, Cubase
      stemtool separate */mix.wav -o stems --name '{folder}/{stem}.{ext}'
          tell files of the same name apart by their folders
    """
    from daw_bridge.jobs.job import check_outputs  # here, to keep --help quick
    from daw_bridge.jobs.separate import run_separate

    set_up(display)
    results: list[Result] = []
    sources = _distinct(files)
    outlook = Outlook(engine, display, choices.made_stems)
    with outlook.engine.open() as separator:
        excerpts, failures = _open(sources, span, choices.track)
        jobs = [replace(choices.job(each, output), name=name) for each in excerpts]
        jobs = _keep_writable(jobs, separator.manifest, failures)
        check_outputs(jobs, separator.manifest)
        outlook.expect(separator, jobs)
        for job in jobs:
            try:
                with display.progress(job.source.name) as progress:
                    done = run_separate(job, separator, progress=outlook.watch(progress))
            except DawBridgeError as error:
                failures.append(Failure(job.source, error))
                continue
            results.append(done)
            display.say(*_describe(done))
    damaged = [result for result in results if warn_of(result.warnings)]
    failed = [{"source": each.source, "error": str(each.error)} for each in failures]
    separated = list(map(describe_result, results))
    display.report({"separated": separated, "failed": failed, **outlook.describe()})
    _report(failures, len(sources))
    if failures or damaged:
        raise click.exceptions.Exit(1)


def _distinct(files: Sequence[Path]) -> list[Path]:
    """Return the files, each once, by the name under which it is given first."""
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def _open(files: Sequence[Path], span: Span, track: int) -> tuple[list[Excerpt], list[Failure]]:
    """Return the span of each file that can be opened, and the failures of the others."""
    excerpts, failures = [], []
    for source in files:
        try:
            excerpts.append(span.of(source, track=track))
        except DawBridgeError as error:
            failures.append(Failure(source, error))
    return excerpts, failures


def _keep_writable(
    jobs: Sequence[SeparateJob], manifest: ModelManifest, failures: list[Failure]
) -> list[SeparateJob]:
    """Return the jobs whose stems are named as files in the folder, and note the failures."""
    kept = []
    for job in jobs:
        try:
            job.outputs(manifest)
        except OutputError as error:
            failures.append(Failure(job.source, error))
            continue
        kept.append(job)
    return kept


def _describe(result: Result) -> list[str]:
    """Say where the stems are, how fast they came, and what they sum to."""
    lines = describe_files(result, " on")
    if result.null_db is not None:
        null = describe_null(result.null_db, "what they leave")
        lines.append(f"  {_summed(result)} to the mixture: {null}")
    if result.gain_db < 0:
        lines.append(
            f"  all stems are turned down by {-result.gain_db:.2f} dB, or some would clip;"
            " --bits 32f keeps them as they are"
        )
    return lines


def _summed(result: Result) -> str:
    """Say what sums to the mixture: the stems, or the one that is left and what it lacks."""
    (left, *others) = result.outputs
    return "stems sum" if others or not is_without(left) else "it and what it lacks sum"


def _report(failures: Sequence[Failure], total: int) -> None:
    """Say which files failed."""
    for failure in failures:
        complain(failure.error)
    if failures and total > 1:
        complain(f"{len(failures)} of {total} files failed.")
