"""``stemtool upmix``: stereo to surround, and a measurement of any surround file."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daw_bridge.files.containers import BITS
from daw_bridge.library.places import DEFAULT_MODEL
from stemtool_cli.options import (
    cache_limit_option,
    describe_result,
    make_maker,
    show_progress,
    to_json,
)

if TYPE_CHECKING:
    from daw_bridge.evaluation.surround import SurroundReport
    from daw_bridge.files.containers import Container
    from daw_bridge.jobs.upmix import UpmixJob, UpmixResult
    from daw_bridge.rendering.layout import Layout

_CONTAINERS = ("wav", "flac")
_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", required=False, type=_PATH)
@click.option(
    "-o", "target", metavar="OUT", type=_PATH,
    help="File of the mix, or a folder for it; folder of stems or channels.",
)  # fmt: skip
@click.option(
    "--layout", default="5.1", show_default=True, metavar="NAME|FILE",
    help="5.1, 5.1-back, 7.1, 5.0, quad, one of yours, or the file of a layout.",
)  # fmt: skip
@click.option(
    "--output", "parts", type=click.Choice(["mix", "stems", "channels"]), default="mix",
    show_default=True,
    help="One file; one for each stem, which sum to it; or a mono file for each channel.",
)  # fmt: skip
@click.option(
    "--center-width", type=float, metavar="W",
    help="How much of the vocals' middle goes to the centre: 0 (phantom) to 1 (hard centre)."
    " Default: the layout's.",
)  # fmt: skip
@click.option(
    "--surround-level", type=float, default=0, metavar="dB",
    help="How much louder the surrounds are than the layout says. They are never louder than what"
    " stays in the fronts.",
)  # fmt: skip
@click.option(
    "--lfe", metavar="none|HZ@dB", help="Crossover and gain, such as 80@-10. Default: the layout's."
)
@click.option(
    "-m", "--model", default=DEFAULT_MODEL, show_default=True, help="See: stemtool models list."
)
@click.option(
    "--stems", metavar="DIR", type=_PATH, help="Folder of FILE's stems; nothing is separated then."
)
@click.option("--format", "container", type=click.Choice(_CONTAINERS), help="Default: as in OUT.")
@click.option("--bits", type=click.Choice(BITS), help="Default: 24.")
@cache_limit_option
@click.option(
    "--provider", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="What to run the network on.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads. Default: all.")
@click.option(
    "--check", metavar="FILE", type=_PATH,
    help="Measure a surround file, whoever made it, instead; needs --against.",
)  # fmt: skip
@click.option("--against", metavar="STEREO", type=_PATH, help="The stereo that --check is for.")
@click.option(
    "--plot", metavar="PNG", type=_PATH, help="Draw what --check measures (needs matplotlib)."
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def upmix(file: Path | None, **choices: Any) -> None:
    """Mix the stereo FILE up to 5.1 or another layout, by its stems.

    Folded down to stereo again, after ITU-R BS.775, the result is FILE, whatever is chosen: vocals
    go to the centre and ambience to the surrounds, and L and R are what those leave. What the
    fold-down misses by is measured on the files and printed, with each channel's level and peak.

    \b
    Examples:
      stemtool upmix song.flac -o song-5.1.wav
      stemtool upmix song.flac -o stems --output stems --layout 7.1
          stems/vocals.wav, stems/accompaniment.wav, each in 7.1
      stemtool upmix song.flac -o channels --output channels --lfe none
      stemtool upmix --check other.wav --against song.flac --plot report.png
    """
    if choices["check"]:
        _check(choices)
        return
    if file is None or choices["target"] is None:
        raise click.UsageError("Name a FILE and where it goes (-o OUT), or --check a file.")
    result = _run(_make_job(file, choices), choices)
    if choices["as_json"]:
        click.echo(to_json(describe_result(result)))
    elif not choices["quiet"]:
        click.echo(_describe(result))


def _check(choices: dict[str, Any]) -> None:
    from daw_bridge.evaluation.plots import plot_surround
    from daw_bridge.evaluation.surround import check_surround

    if choices["against"] is None:
        raise click.UsageError("--check needs --against STEREO.")
    report, meter = check_surround(choices["check"], choices["against"])
    if choices["plot"]:
        plot_surround(meter, choices["plot"], title=choices["check"].name)
    if choices["as_json"]:
        click.echo(to_json(asdict(report)))
    elif not choices["quiet"]:
        click.echo("\n".join([str(choices["check"]), *_describe_report(report)]))


def _make_job(file: Path, choices: dict[str, Any]) -> UpmixJob:
    from daw_bridge.files.containers import OutputFormat
    from daw_bridge.jobs.upmix import UpmixJob

    layout, target = _find_layout(choices), choices["target"]
    said = target.suffix[1:].lower()
    container: Container = choices["container"] or (said if said in _CONTAINERS else "wav")
    if choices["parts"] == "mix" and said != container:
        target /= f"{file.stem} {layout.name}.{container}"
    return UpmixJob(
        file,
        target,
        parts=choices["parts"],
        layout=layout,
        stems_folder=choices["stems"],
        output_format=OutputFormat(container, choices["bits"]),
        overwrite=choices["overwrite"],
    )


def _find_layout(choices: dict[str, Any]) -> Layout:
    from daw_bridge.rendering.layout import change_layout, load_layout, read_layout

    name = choices["layout"]
    is_file = name.endswith(".toml")
    return change_layout(
        read_layout(Path(name)) if is_file else load_layout(name),
        center_width=choices["center_width"],
        surround_change_db=choices["surround_level"],
        lfe=choices["lfe"],
    )


def _run(job: UpmixJob, choices: dict[str, Any]) -> UpmixResult:
    from daw_bridge.heap import share_one_heap  # here, to keep --help quick
    from daw_bridge.jobs.upmix import run_upmix

    share_one_heap()
    if choices["quiet"]:
        logging.getLogger().setLevel(logging.ERROR)
    with show_progress(job.source.name, quiet=choices["quiet"]) as progress:
        return run_upmix(job, make_maker(choices), progress=progress)


def _describe(result: UpmixResult) -> str:
    seconds = result.frames / result.sample_rate_hz
    lines = [f"{result.source}"]
    lines += [f"  {name:<14} {path}" for name, path in result.outputs.items()]
    origin = f"stems from {result.provider}"
    speed = f"{result.times_real_time:.0f} x real time"
    lines.append(f"  {seconds:.1f} s of audio in {result.elapsed_s:.1f} s: {speed}, {origin}")
    lines += _describe_report(result.report)
    if result.gain_db < 0:
        lines.append(
            f"  all is turned down by {-result.gain_db:.2f} dB, or some would clip;"
            " --bits 32f keeps it as it is"
        )
    return "\n".join(lines)


def _describe_report(report: SurroundReport) -> list[str]:
    """Say what was measured, a line a fact."""
    channels = report.levels_db
    lfe = report.lfe_excess_db
    return [
        "  channel  " + "".join(f"{name:>8}" for name in channels),
        "  level, dB" + "".join(f"{level:8.1f}" for level in channels.values()),
        "  peak, dB " + "".join(f"{peak:8.1f}" for peak in report.peaks_db.values()),
        "  correlation: "
        + ", ".join(f"{pair} {each:.2f}" for pair, each in report.correlations.items()),
        *([] if lfe is None else [f"  LFE above 120 Hz: {lfe:.1f} dB of all of it"]),
        f"  loudness: {report.surround_lufs:.1f} LUFS, stereo {report.stereo_lufs:.1f} LUFS",
        f"  folded down to stereo: {_describe_null(report.null_db)}",
    ]


def _describe_null(null_db: float) -> str:
    return "exactly" if math.isinf(null_db) else f"what differs is at {null_db:.1f} dB"
