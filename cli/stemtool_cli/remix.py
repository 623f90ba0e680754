"""``stemtool remix``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daw_bridge.errors import OptionError
from daw_bridge.files.containers import BITS, CONTAINERS
from daw_bridge.library.places import DEFAULT_MODEL
from stemtool_cli.options import (
    cache_limit_option,
    describe_result,
    make_maker,
    read_seconds,
    show_progress,
    to_json,
)

if TYPE_CHECKING:
    from daw_bridge.jobs.remix import RemixJob, RemixResult
    from daw_bridge.rendering.preset import Preset

_NOT_REACHED_LU = 0.1


@click.command()
@click.argument("file", type=click.Path(path_type=Path, readable=False))
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
    "--chain", multiple=True, metavar="STEM=FILE", help="Effects for a stem, from a TOML file."
)
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
    "--stems", "stems_folder", metavar="DIR", type=click.Path(path_type=Path),
    help="Take the stems from here, as stemtool separate wrote them.",
)  # fmt: skip
@click.option("--keep-stems", is_flag=True, help="Also write the stems, to OUT's name + .stems.")
@click.option("-m", "--model", default=DEFAULT_MODEL, show_default=True)
@click.option("--start", type=read_seconds, default="0", metavar="TIME", help="83.5 or 1:23.5.")
@click.option("--length", type=read_seconds, metavar="TIME", help="Default: to the end.")
@click.option("--format", "container", type=click.Choice(CONTAINERS))
@click.option("--bits", type=click.Choice(BITS), help="For wav and flac. Default: 24.")
@click.option("--downmix", is_flag=True, help="Fold surround inputs down to stereo.")
@cache_limit_option
@click.option(
    "--provider", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="What to run the network on.",
)  # fmt: skip
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads. Default: all.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def remix(file: Path, **choices: Any) -> None:
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
    from daw_bridge.heap import share_one_heap  # here, to keep --help quick
    from daw_bridge.jobs.remix import run_remix

    share_one_heap()
    if choices["quiet"]:
        logging.getLogger().setLevel(logging.ERROR)
    job = _make_job(file, choices)
    with show_progress(file.name, quiet=choices["quiet"]) as progress:
        result = run_remix(job, make_maker(choices), progress=progress)
    if choices["as_json"]:
        click.echo(to_json(describe_result(result)))
    elif not choices["quiet"]:
        click.echo(_describe(result, job.preset))


def _make_job(file: Path, choices: dict[str, Any]) -> RemixJob:
    from daw_bridge.files.containers import OutputFormat
    from daw_bridge.files.reading import open_audio
    from daw_bridge.jobs.remix import RemixJob
    from daw_bridge.separation.options import SeparationOptions

    output = choices["output"]
    container = choices["container"] or output.suffix[1:].lower()
    if container not in CONTAINERS:
        raise OptionError(f"{output} has no known ending; there are {', '.join(CONTAINERS)}.")
    with open_audio(file) as reader:
        rate = reader.sample_rate_hz
    length = choices["length"]
    return RemixJob(
        file,
        output,
        _make_preset(choices),
        stems_folder=choices["stems_folder"],
        kept_folder=output.with_suffix(".stems") if choices["keep_stems"] else None,
        options=SeparationOptions(downmix=choices["downmix"]),
        output_format=OutputFormat(container, choices["bits"]),
        start=round(choices["start"] * rate),
        length=None if length is None else round(length * rate),
        overwrite=choices["overwrite"],
    )


def _make_preset(choices: dict[str, Any]) -> Preset:
    from daw_bridge.rendering.preset import combine, load_preset, read_chain, say_in_words

    chains = dict(_split_pair(text) for text in choices["chain"])
    own = say_in_words(
        gain=",".join(choices["gain"]),
        pan=",".join(choices["pan"]),
        width=",".join(choices["width"]),
        mute=choices["mute"],
        solo=list(choices["solo"]),
        chains={stem: read_chain(Path(file)) for stem, file in chains.items()},
        pitch_semitones=choices["pitch"],
        tempo=choices["tempo"],
        lufs=choices["lufs"],
        true_peak_db=choices["true_peak"],
    )
    return combine([*map(load_preset, choices["presets"]), own])


def _split_pair(text: str) -> tuple[str, str]:
    stem, equals, file = text.partition("=")
    if not equals:
        raise OptionError(f"'{text}' is no stem with a file, as in drums=chain.toml.")
    return stem, file


def _describe(result: RemixResult, preset: Preset) -> str:
    """Say where the remix is, how loud it is, and how fast it came."""
    lines = [f"{result.source}"]
    lines += [f"  {name:<14} {path}" for name, path in result.outputs.items()]
    seconds = result.frames / result.sample_rate_hz
    lines.append(
        f"  {seconds:.1f} s of audio in {result.elapsed_s:.1f} s:"
        f" {result.times_real_time:.0f} x real time, stems from {result.provider}"
    )
    lines.append(f"  loudness {result.lufs:.1f} LUFS, true peak {result.true_peak_db:.1f} dB")
    if preset.lufs is not None and abs(result.lufs - preset.lufs) > _NOT_REACHED_LU:
        lines.append(f"  {preset.lufs:g} LUFS cannot be reached below {preset.ceiling_db:g} dB")
    if result.gain_db < 0:
        lines.append(
            f"  it is turned down by {-result.gain_db:.2f} dB, or it would clip;"
            " --true-peak limits it instead, --bits 32f keeps it as it is"
        )
    return "\n".join(lines)
