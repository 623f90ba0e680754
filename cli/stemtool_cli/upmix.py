"""``stemtool upmix``: stereo to surround, and a measurement of any surround file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from stemtool_cli.options import (
    AudioPath,
    Display,
    Engine,
    bits_option,
    bwf_start_option,
    cache_limit_option,
    container_of,
    describe_files,
    describe_null,
    describe_own_stems,
    describe_result,
    gathered,
    model_options,
    running_options,
    set_up,
    strict_option,
    to_file,
    track_option,
    warn_of,
)
from stemtool_cli.outlook import Outlook

if TYPE_CHECKING:
    from daw_bridge.evaluation.surround import SurroundReport
    from daw_bridge.files.containers import Container
    from daw_bridge.jobs.requests import UpmixChoices
    from daw_bridge.jobs.upmix import UpmixJob, UpmixResult

_CONTAINERS: tuple[Container, ...] = ("wav", "flac")
_PATH = click.Path(path_type=Path)


class Check(NamedTuple):
    """What is measured, where nothing is mixed.

    Attributes:
        checked: a surround file.
        against: the stereo that it is for.
        plot: where to draw what is measured.
    """

    checked: Path | None = None
    against: Path | None = None
    plot: Path | None = None

    def run(self, display: Display) -> bool:
        """Measure and show; return whether there was anything to do."""
        if self.checked is None:
            return False
        if self.against is None:
            raise click.UsageError("--check needs --against STEREO.")
        from daw_bridge.evaluation.plots import plot_surround
        from daw_bridge.evaluation.surround import check_surround

        report, meter = check_surround(self.checked, self.against)
        if self.plot:
            plot_surround(meter, self.plot, title=self.checked.name)
        display.say(self.checked, *_describe_report(report))
        display.report(asdict(report))
        return True


@click.command()
@click.argument("file", required=False, type=AudioPath())
@click.option(
    "-o", "target", metavar="OUT", type=_PATH,
    help="File of the mix, or a folder for it; folder of stems or channels.",
)  # fmt: skip
@click.option(
    "--layout", default="5.1", show_default=True, metavar="NAME|FILE",
    help="5.1, 5.1-back, 7.1, 5.0, quad, one of yours, or the file of a layout.",
)  # fmt: skip
@click.option(
    "--output", type=click.Choice(["mix", "stems", "channels"]), default="mix",
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
@model_options
@click.option(
    "--stems", metavar="DIR", type=click.Path(),
    help="Folder of FILE's stems; nothing is separated then.",
)  # fmt: skip
@click.option("--format", "container", type=click.Choice(_CONTAINERS), help="Default: as in OUT.")
@bits_option
@cache_limit_option
@click.option(
    "--check", "checked", metavar="FILE", type=_PATH,
    help="Measure a surround file, whoever made it, instead; needs --against.",
)  # fmt: skip
@click.option("--against", metavar="STEREO", type=_PATH, help="The stereo that --check is for.")
@click.option(
    "--plot", metavar="PNG", type=_PATH, help="Draw what --check measures (needs matplotlib)."
)
@running_options
@strict_option
@track_option
@bwf_start_option
@gathered(
    engine=Engine, choices="daw_bridge.jobs.requests:UpmixChoices", check=Check, display=Display
)
def upmix(
    file: Path | None,
    *,
    target: Path | None,
    container: Container | None,
    choices: UpmixChoices,
    check: Check,
    engine: Engine,
    display: Display,
) -> None:
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
    from daw_bridge.jobs.upmix import run_upmix  # here, to keep --help quick

    if check.run(display):
        return
    if file is None or target is None:
        raise click.UsageError("Name a FILE and where it goes (-o OUT), or --check a file.")
    set_up(display)
    if str(target) == "-" and choices.output != "mix":
        raise click.UsageError(f"Standard output takes one file, and {choices.output} are several.")
    with to_file(target, container or "wav") as path, display.progress(file.name) as progress:
        job = _make_job(file, path, container, choices)
        outlook = Outlook.of(engine, display, job)
        result = run_upmix(job, outlook.maker(job), progress=outlook.watch(progress))
    if path != target:  # it was printed
        display = Display(quiet=True)
    display.say(*_describe(result))
    display.report(describe_result(result) | outlook.describe())
    if warn_of(result.warnings):
        raise click.exceptions.Exit(1)


def _make_job(
    file: Path, target: Path, container: Container | None, choices: UpmixChoices
) -> UpmixJob:
    """Return the job; a mix is the target, or goes into it where that has no ending to go by."""
    from msgspec.structs import replace as set_fields

    from daw_bridge.jobs.requests import Excerpt
    from daw_bridge.rendering.layout import read_layout

    ending = container_of(target)
    said = container or (ending if ending in _CONTAINERS else "wav")
    own = read_layout(Path(choices.layout)) if choices.layout.endswith(".toml") else None
    job = set_fields(choices, format=said).job(Excerpt((file,)), target, own)
    is_folder = job.parts == "mix" and ending != said
    name = f"{file.stem} {job.layout.name}.{said}" if is_folder else ""
    return replace(job, output=target / name)


def _describe(result: UpmixResult) -> list[str]:
    lines = [
        *describe_files(result, ", stems from"),
        *describe_own_stems(result),
        *_describe_report(result.report),
    ]
    if result.gain_db < 0:
        lines.append(
            f"  all is turned down by {-result.gain_db:.2f} dB, or some would clip;"
            " --bits 32f keeps it as it is"
        )
    return lines


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
        f"  folded down to stereo: {describe_null(report.null_db, 'what differs')}",
    ]
