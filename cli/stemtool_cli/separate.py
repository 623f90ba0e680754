"""``stemtool separate``."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from daw_bridge.errors import DawBridgeError
from daw_bridge.files.containers import BITS, CONTAINERS
from daw_bridge.library.places import DEFAULT_MODEL
from stemtool_cli.options import (
    describe_result,
    method_options,
    read_seconds,
    separation_options,
    show_progress,
    to_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.jobs.job import Result
    from daw_bridge.jobs.separate import SeparateJob
    from daw_bridge.separation.providers import Provider
    from daw_bridge.separation.separator import Separator


class Failure(NamedTuple):
    """A file that could not be separated, and why."""

    source: Path
    error: DawBridgeError


def _split_names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip()) if value else ()


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILES...",
    type=click.Path(path_type=Path, readable=False),
)
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(path_type=Path),
    help="Folder for the stems; it is made if need be.",
)  # fmt: skip
@click.option(
    "-m", "--model", default=DEFAULT_MODEL, show_default=True, help="See: stemtool models list."
)
@click.option(
    "--stems", metavar="NAMES", callback=_split_names,
    help="Which stems to write, separated by commas. Default: all.",
)  # fmt: skip
@click.option(
    "--start",
    type=read_seconds,
    default="0",
    metavar="TIME",
    help="Where to start: 83.5 or 1:23.5.",
)
@click.option(
    "--length", type=read_seconds, metavar="TIME", help="How much to separate. Default: to the end."
)
@click.option(
    "--format", "container", type=click.Choice(CONTAINERS),
    default="wav", show_default=True, help="WAV grows to RF64 beyond 4 GB.",
)  # fmt: skip
@click.option("--bits", type=click.Choice(BITS), help="For wav and flac. Default: 24.")
@click.option(
    "--name", default="{track}/{stem}.{ext}", show_default=True,
    help="A stem's path in DIR; fields: track, stem, ext, folder, model.",
)  # fmt: skip
@method_options
@click.option("--downmix", is_flag=True, help="Fold surround inputs down to stereo.")
@click.option(
    "--provider", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="What to run the network on.",
)  # fmt: skip
@click.option("--require-gpu", is_flag=True, help="Fail where there is no usable GPU.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads. Default: all.")
@click.option("--residual", is_flag=True, help="Also write what the stems leave of the mixture.")
@click.option("--overwrite", is_flag=True, help="Replace stems that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def separate(files: tuple[Path, ...], **choices: Any) -> None:
    """Separate FILES into stems.

    Stems have their file's sample rate, channels and exact length, and sum to it: what they miss
    by is measured and printed. Reads WAV, FLAC, Ogg, Opus, MP3, AIFF, M4A, MP4, MKV and more.
    A file that fails does not stop the others; the exit status says whether one did.

    \b
    Examples:
      stemtool separate song.flac -o stems
          stems/song/vocals.wav and stems/song/accompaniment.wav
      stemtool separate *.mp3 -o stems --stems vocals --format flac
      stemtool separate set.wav -o stems --start 1:02:30 --length 90 --bits 32f
      stemtool separate song.wav -o stems --compat spleeter
          what Spleeter gives, to -80 dB and better
      stemtool separate */mix.wav -o stems --name '{folder}/{stem}.{ext}'
          tell files of the same name apart by their folders
    """
    from daw_bridge.heap import share_one_heap  # here, to keep --help quick
    from daw_bridge.jobs.job import check_outputs
    from daw_bridge.separation.separator import Separator

    share_one_heap()
    if choices["quiet"]:
        logging.getLogger().setLevel(logging.ERROR)
    provider: Provider = "gpu" if choices["require_gpu"] else choices["provider"]
    with Separator(choices["model"], provider=provider, threads=choices["threads"]) as separator:
        prepared, failures = _prepare(files, choices)
        check_outputs(prepared, separator.manifest)
        results: list[Result] = []
        for job in prepared:
            try:
                results.append(_run(job, separator, quiet=choices["quiet"]))
            except DawBridgeError as error:
                failures.append(Failure(job.source, error))
                continue
            if not (choices["quiet"] or choices["as_json"]):
                click.echo(_describe(results[-1]))
    if choices["as_json"]:
        click.echo(_to_json(results, failures))
    _report(failures, len(files))


def _prepare(
    files: Sequence[Path], choices: dict[str, Any]
) -> tuple[list[SeparateJob], list[Failure]]:
    """Return a job for each file that can be opened, and the failures of the others."""
    from daw_bridge.files.containers import OutputFormat
    from daw_bridge.files.reading import open_audio
    from daw_bridge.jobs.separate import SeparateJob

    options = separation_options(choices)
    output_format = OutputFormat(choices["container"], choices["bits"])
    prepared, failures = [], []
    for source in files:
        try:
            with open_audio(source) as reader:
                rate = reader.sample_rate_hz
        except DawBridgeError as error:
            failures.append(Failure(source, error))
            continue
        length = choices["length"]
        prepared.append(
            SeparateJob(
                source,
                choices["output"],
                name=choices["name"],
                options=options,
                output_format=output_format,
                start=round(choices["start"] * rate),
                length=None if length is None else round(length * rate),
                residual=choices["residual"],
                overwrite=choices["overwrite"],
            )
        )
    return prepared, failures


def _run(job: SeparateJob, separator: Separator, *, quiet: bool) -> Result:
    from daw_bridge.jobs.separate import run_separate

    with show_progress(job.source.name, quiet=quiet) as progress:
        return run_separate(job, separator, progress=progress)


def _describe(result: Result) -> str:
    """Say where the stems are, how fast they came, and what they sum to."""
    seconds = result.frames / result.sample_rate_hz
    lines = [f"{result.source}"]
    lines += [f"  {stem:<14} {path}" for stem, path in result.outputs.items()]
    lines.append(
        f"  {seconds:.1f} s of audio in {result.elapsed_s:.1f} s:"
        f" {result.times_real_time:.0f} x real time on {result.provider}"
    )
    if result.null_db is not None:
        lines.append(f"  stems sum to the mixture: {_describe_null(result.null_db)}")
    if result.gain_db < 0:
        lines.append(
            f"  all stems are turned down by {-result.gain_db:.2f} dB, or some would clip;"
            " --bits 32f keeps them as they are"
        )
    return "\n".join(lines)


def _describe_null(null_db: float) -> str:
    return "exactly" if math.isinf(null_db) else f"what they leave is at {null_db:.1f} dB"


def _to_json(results: Sequence[Result], failures: Sequence[Failure]) -> str:
    failed = [{"source": each.source, "error": str(each.error)} for each in failures]
    return to_json({"separated": list(map(describe_result, results)), "failed": failed})


def _report(failures: Sequence[Failure], total: int) -> None:
    """Say which files failed, and exit with an error if any did."""
    for failure in failures:
        click.echo(f"stemtool: {failure.error}", err=True)
    if failures and total > 1:
        click.echo(f"stemtool: {len(failures)} of {total} files failed.", err=True)
    if failures:
        raise click.exceptions.Exit(1)
