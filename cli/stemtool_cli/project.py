"""``stemtool project``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daw_bridge.errors import OptionError
from daw_bridge.projects.formats import FORMATS
from daw_bridge.projects.project import DEFAULT_TEMPO_BPM
from stemtool_cli.options import (
    Display,
    gathered,
    json_option,
    quiet_option,
    read_names,
    read_seconds,
    set_up,
)

if TYPE_CHECKING:
    from daw_bridge.jobs.project import Song
    from daw_bridge.projects.composition import Original
    from daw_bridge.projects.destination import Way
    from daw_bridge.projects.formats import Format
    from daw_bridge.projects.project import Project

_SLOWEST_BPM, _FASTEST_BPM = 20.0, 400.0


@dataclass(frozen=True)
class Source:
    """What stems were made of, as it is said; what is not said, the folder may tell.

    Attributes:
        original: the file; None: it was not said.
        start: the second of it at which the stems begin; None: it was not said.
        muted_original: whether its track is silent until somebody asks for it.
    """

    original: Path | None = None
    start: float | None = None
    muted_original: bool = True

    def of(self, song: Song) -> Original | None:
        """Return what the stems of a song were made of, None where nobody knows.

        Raises:
            AudioError: the file cannot be read.
            OptionError: it is said where something begins that nobody named.
        """
        from daw_bridge.projects.composition import Original

        original = Original(self.original) if self.original else song.original
        if self.start is not None:
            if not original:
                raise OptionError("--start is of a file; name it with --original.")
            original = original._replace(start=_frame_at(self.start, original.file))
        return original and original._replace(is_muted=self.muted_original)


def _frame_at(seconds: float, file: Path) -> int:
    from daw_bridge.files.reading import open_audio

    with open_audio(file) as reader:
        return round(seconds * reader.sample_rate_hz)


def read_tempo(text: str) -> float | None:
    """Read quarter notes a minute; None stands for what is heard, ``auto``."""
    if text == "auto":
        return None
    try:
        tempo = float(text)
    except ValueError:
        tempo = 0.0
    if not _SLOWEST_BPM <= tempo <= _FASTEST_BPM:
        raise click.BadParameter(
            f"'{text}' is no tempo; write {_SLOWEST_BPM:g} to {_FASTEST_BPM:g}, or auto."
        )
    return tempo


@click.command()
@click.argument("folder", metavar="STEMS", type=click.Path(path_type=Path))
@click.option(
    "--to", "names", required=True, metavar="FORMATS", type=read_names,
    help=f"Separated by commas: {', '.join(FORMATS)}. docs/projects.md says for which DAWs.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="OUT", type=click.Path(path_type=Path),
    help="The project, by a name with the format's ending, or a folder for it. Default: STEMS.",
)  # fmt: skip
@click.option(
    "--original", metavar="FILE", type=click.Path(path_type=Path),
    help="What the stems were made of, for a track of its own. Default: what a server noted.",
)  # fmt: skip
@click.option(
    "--start", type=read_seconds, metavar="TIME",
    help="Where in the original the stems begin. Default: what they say, or at its start.",
)  # fmt: skip
@click.option(
    "--muted-original/--no-muted-original", default=True, show_default=True,
    help="Whether the original is silent, since the stems sum to it.",
)  # fmt: skip
@click.option(
    "--tempo", type=read_tempo, default=f"{DEFAULT_TEMPO_BPM:g}", show_default=True,
    metavar="BPM|auto", help="Of the project; auto: what is heard. Audio stays as it is.",
)  # fmt: skip
@click.option(
    "--embed", "way", flag_value="embed",
    help="Have the audio within the project. Default: where the format can.",
)  # fmt: skip
@click.option(
    "--link", "way", flag_value="link", help="Have the project name the files where they are."
)
@click.option("--overwrite", is_flag=True, help="Replace projects that exist.")
@json_option
@quiet_option
@gathered(source=Source, display=Display)
def project(
    folder: Path,
    *,
    names: tuple[str, ...],
    output: Path | None,
    source: Source,
    tempo: float | None,
    way: Way | None,
    overwrite: bool,
    display: Display,
) -> None:
    """Make projects that DAWs open of the stems in a folder.

    Each stem has a track of its name and colour, all in a group; above it is the original, muted.
    Everything starts at the same sample, and is as loud as it was. The folder is one that stemtool
    separate or a server wrote, or any with an audio file a stem; or it is a stem file (.stem.mp4),
    whose tracks become WAV files beside the project.

    \b
    Examples:
      stemtool project stems/song --to dawproject
          stems/song/song.dawproject for Bitwig Studio, Studio One, Cubase
      stemtool project stems/song --to rpp --original song.flac --tempo 92
          for REAPER, with the song on a muted track
      stemtool project stems/song --to dawproject,rpp -o projects --tempo auto
      stemtool project song.stem.mp4 --to ardour -o projects
          projects/song/song.ardour, of the stems in projects/song audio/stems
      stemtool separate song.flac -o stems --project dawproject
          both in one go
    """
    from daw_bridge.jobs.extract import extract_song, title_of
    from daw_bridge.jobs.project import ProjectOptions, check_places, find_song, write_projects
    from daw_bridge.projects.composition import compose
    from daw_bridge.projects.formats import find_formats

    set_up(display)
    formats = find_formats(names)
    is_file = folder.is_file()
    output = output or (folder.parent if is_file else folder)
    options = ProjectOptions(way, overwrite)
    song = None if is_file else find_song(folder)
    places = _places(formats, output, song.title if song else title_of(folder))
    check_places(places, options)
    beside = output.parent if _is_named(output, formats) else output
    song = song or extract_song(folder, beside, overwrite=overwrite)
    made = compose(song.title, song.stems, source.of(song))
    made = replace(made, tempo_bpm=tempo or _hear_tempo(made, display))
    write_projects(made, places, options)
    display.say(*_describe(made, places))
    display.report({"projects": places, "tracks": [track.name for track in made.tracks]})


def _places(formats: tuple[Format, ...], output: Path, title: str) -> dict[str, Path]:
    """Return the file that DAWs open of each project."""
    if not formats:
        raise OptionError("--to names no format.")
    first = formats[0]
    if _is_named(output, formats):
        return {first.name: first.place(output.parent, output.name[: -len(first.ending)])}
    return {each.name: each.place(output, title) for each in formats}


def _is_named(output: Path, formats: tuple[Format, ...]) -> bool:
    """Return whether an output is the name of the one project, and not a folder for it."""
    return len(formats) == 1 and output.name.lower().endswith(formats[0].ending)


def _hear_tempo(made: Project, display: Display) -> float:
    """Return the tempo of a song, or the usual one."""
    from daw_bridge.jobs.project import hear_tempo

    heard = hear_tempo(made)
    if heard is None:
        display.say("no tempo is heard, so that the project has the usual one")
    return heard or DEFAULT_TEMPO_BPM


def _describe(made: Project, places: dict[str, Path]) -> list[str]:
    """Say where the projects are, and what is in them."""
    seconds = made.frames / made.sample_rate_hz
    lines = [f"{name:<12} {path}" for name, path in places.items()]
    lines.append(
        f"  {len(made.stems)} stems of {seconds:.1f} s at {made.sample_rate_hz} Hz,"
        f" {made.tempo_bpm:g} BPM"
    )
    if made.original:
        muted = ", muted" if made.original.is_muted else ""
        lines.append(f"  original{muted}: {made.original.file}")
    else:
        lines.append("  no track of the original: --original FILE adds it")
    return lines
