"""``stemtool remix``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from daw_bridge.errors import OptionError
from daw_bridge.files.containers import CONTAINERS
from stemtool_cli.options import (
    AudioPath,
    Display,
    Engine,
    Span,
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
    span_options,
    strict_option,
    to_file,
    track_option,
    warn_of,
)
from stemtool_cli.outlook import Outlook

if TYPE_CHECKING:
    from daw_bridge.files.containers import Container
    from daw_bridge.jobs.remix import RemixResult
    from daw_bridge.jobs.requests import RemixChoices
    from daw_bridge.rendering.preset import Preset

_NOT_REACHED_LU = 0.1


class Files(NamedTuple):
    """What is said in files, which only this command may name.

    Attributes:
        presets: also those of the library.
        chains: a stem and a file each, ``drums=chain.toml``.
    """

    presets: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()

    def read(self) -> list[Preset]:
        """Return what they say, in turn.

        Raises:
            OptionError: a file cannot be read, or breaks its rules.
        """
        from daw_bridge.rendering.preset import load_preset, read_chain, say

        chains = dict(map(_split_pair, self.chains))
        effects = {stem: read_chain(Path(file)) for stem, file in chains.items()}
        return [*map(load_preset, self.presets), say({}, chains=effects)]


def _split_pair(text: str) -> tuple[str, str]:
    stem, equals, file = text.partition("=")
    if not equals:
        raise OptionError(f"'{text}' is no stem with a file, as in drums=chain.toml.")
    return stem, file


@click.command()
@click.argument("file", type=AudioPath())
@click.option(
    "-o", "--output", required=True, metavar="OUT", type=click.Path(path_type=Path),
    help="The remix; its ending says the format, unless --format does.",
)  # fmt: skip
@click.option(
    "--preset", "presets", multiple=True, metavar="NAME|FILE",
    help="See: stemtool presets list. Several work one after the other.",
)  # fmt: skip
@click.option("--gain", multiple=True, metavar="STEM=DB", help="For instance vocals=-6dB.")
@click.option("--mute", multiple=True, metavar="STEM", help="Leave a stem out.")
@click.option("--solo", multiple=True, metavar="STEM", help="Leave out all but this one.")
@click.option("--pan", multiple=True, metavar="STEM=PAN", help="From -100, left, to 100, right.")
@click.option(
    "--width", multiple=True, metavar="STEM=PERCENT",
    help="Stereo image: 0 is mono, 100 as it is, 200 twice as wide.",
)  # fmt: skip
@click.option(
    "--chain", "chains", multiple=True, metavar="STEM=FILE",
    help="Effects for a stem, from a TOML file.",
)  # fmt: skip
@click.option(
    "--pitch", type=float, metavar="SEMITONES", help="Higher or lower, at the same tempo."
)
@click.option("--tempo", type=float, metavar="X", help="X times as fast, at the same pitch.")
@click.option("--lufs", type=float, metavar="LUFS", help="Integrated loudness to reach.")
@click.option(
    "--true-peak", type=float, metavar="DB",
    help="What no true peak passes. Default: -1 with --lufs, else nothing.",
)  # fmt: skip
@click.option(
    "--stems", metavar="DIR", type=click.Path(),
    help="Take the stems from here, as stemtool separate wrote them.",
)  # fmt: skip
@click.option("--keep-stems", is_flag=True, help="Also write the stems, to OUT's name + .stems.")
@model_options
@span_options
@click.option("--format", "container", type=click.Choice(CONTAINERS), help="Default: as in OUT.")
@bits_option
@click.option("--downmix", is_flag=True, help="Fold surround inputs down to stereo.")
@cache_limit_option
@running_options
@strict_option
@track_option
@bwf_start_option
@gathered(
    engine=Engine,
    choices="daw_bridge.jobs.requests:RemixChoices",
    named=Files,
    span=Span,
    display=Display,
)
def remix(
    file: Path,
    *,
    output: Path,
    container: Container | None,
    choices: RemixChoices,
    named: Files,
    engine: Engine,
    span: Span,
    display: Display,
) -> None:
    """Mix the stems of FILE anew, through effects.

    What is not touched stays as it is: without any option, OUT is FILE. Presets come first, options
    after them; gains add up. Effects do not delay, and what rings on is kept. Stems are separated
    once and found again the next time.

    \b
    Examples:
      stemtool remix song.flac -o karaoke.flac --preset karaoke
      stemtool remix song.flac -o quiet.mp3 --gain vocals=3dB --preset night
      stemtool remix song.flac -o slow.wav --preset practice-slow --pitch -1
      stemtool remix song.flac -o out.wav --stems stems/song --mute drums --lufs -14
    """
    from msgspec.structs import replace as set_fields  # here, to keep --help quick

    from daw_bridge.jobs.remix import run_remix

    set_up(display)
    container = container or container_of(output)
    if container is None:
        raise OptionError(f"{output} has no known ending; there are {', '.join(CONTAINERS)}.")
    choices = set_fields(choices, format=container)
    folder = output.with_suffix(".stems") if choices.keep_stems else output.parent
    with to_file(output, container) as path, display.progress(file.name) as progress:
        excerpt = span.of(file, track=choices.track)
        job = replace(choices.job(excerpt, folder, named.read()), output=path)
        outlook = Outlook.of(engine, display, job)
        result = run_remix(job, outlook.maker(job), progress=outlook.watch(progress))
    if path != output:  # it was printed
        display = Display(quiet=True)
    display.say(*_describe(result, job.preset))
    display.report(describe_result(result) | outlook.describe())
    if warn_of(result.warnings):
        raise click.exceptions.Exit(1)


def _describe(result: RemixResult, preset: Preset) -> list[str]:
    """Say where the remix is, how loud it is, and how fast it came."""
    lines = describe_files(result, ", stems from")
    if own := describe_own_stems(result):
        null = describe_null(result.null_db or 0, "what they leave")
        lines += [*own, f"  they sum to the mixture: {null}"]
    lines.append(f"  loudness {result.lufs:.1f} LUFS, true peak {result.true_peak_db:.1f} dB")
    if preset.lufs is not None and abs(result.lufs - preset.lufs) > _NOT_REACHED_LU:
        lines.append(f"  {preset.lufs:g} LUFS cannot be reached below {preset.ceiling_db:g} dB")
    if result.gain_db < 0:
        lines.append(
            f"  it is turned down by {-result.gain_db:.2f} dB, or it would clip;"
            " --true-peak limits it instead, --bits 32f keeps it as it is"
        )
    return lines
