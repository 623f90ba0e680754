"""``stemtool info``: what the reader of all other commands sees of a file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from daw_bridge.errors import DawBridgeError
from stemtool_cli.options import AudioPath, Display, gathered, json_option, track_option, warn_of
from stemtool_cli.streams import complain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.files.description import Description
    from daw_bridge.files.reading import AudioTrack


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...", type=AudioPath())
@track_option
@json_option
@gathered(display=Display)
def info(files: tuple[Path, ...], *, track: int, display: Display) -> None:
    """Show what is read of FILES: format, true length, tags, audio tracks, damage.

    Each file is read to its end, as the other commands read it: its format is known by its content,
    whatever its name is, and its frames are counted, whatever it says of them. What is wrong with
    it goes to standard error: spots that are damaged, where silence will stand, and parts that are
    missing.

    Audio tracks are numbered as --track takes them, here and in separate, remix and upmix. A pipe
    is read like a file, and - is standard input. The exit status is 1 if a file is damaged,
    incomplete or cannot be read; the others are shown all the same.

    \b
    Examples:
      stemtool info song.mp3
      stemtool info film.mkv --track 2              the length and the damage of its second track
      stemtool info *.flac --json                   for programs
      stemtool info *.m4a >/dev/null && echo sound  are all of them whole?
      curl -s https://example.org/a.ogg | stemtool info -
    """
    from daw_bridge.files.description import describe_audio  # here, to keep --help quick

    seen: list[Description] = []
    failed: list[dict[str, str]] = []
    for file in files:
        try:
            with display.progress(file.name) as progress:
                seen.append(describe_audio(file, track=track, progress=progress))
        except DawBridgeError as error:
            complain(error)
            failed.append({"source": str(file), "error": str(error)})
            continue
        display.say(*_describe(seen[-1]))
        warn_of(seen[-1].warnings)
    display.report({"files": list(map(_to_dict, seen)), "failed": failed})
    if failed or any(each.warnings for each in seen):
        raise click.exceptions.Exit(1)


def _to_dict(seen: Description) -> dict[str, Any]:
    tracks, stems = ([each._asdict() for each in rows] for rows in (seen.tracks, seen.stems))
    return asdict(seen) | {"tracks": tracks, "stems": stems}


def _describe(seen: Description) -> Iterator[str]:
    """Say what was seen, a line a fact."""
    yield f"{seen.source}"
    facts = {
        "container": seen.container,
        "codec": seen.codec,
        "sample rate": f"{seen.sample_rate_hz} Hz",
        "channels": f"{seen.channels}",
        "frames": f"{seen.frames}, {_compare(seen)}",
        "duration": f"{seen.duration_s:.3f} s",
        **{name: "; ".join(texts) for name, texts in seen.tags.items()},
        **({"cover": f"{seen.cover_bytes} bytes"} if seen.cover_bytes else {}),
    }
    if len(seen.tracks) > 1:
        facts |= {f"track {each.number}": _describe_track(each) for each in seen.tracks}
    if seen.stems:
        facts["stems"] = ", ".join(f"{name} {colour}".strip() for name, colour in seen.stems)
    for name, text in facts.items():
        yield f"  {name:<12} {text}"


def _compare(seen: Description) -> str:
    """Say how the length is to what the file says of it."""
    if seen.claimed_frames is None:
        return "and the file does not say how many"
    more = seen.frames - seen.claimed_frames
    if not more:
        return "as the file says"
    return f"{abs(more)} {'more' if more > 0 else 'fewer'} than the file says"


def _describe_track(track: AudioTrack) -> str:
    channels = "mono" if track.channels == 1 else f"{track.channels} channels"
    facts = (track.codec, f"{track.sample_rate_hz} Hz", channels, track.language, track.title)
    return ", ".join(filter(None, facts))
