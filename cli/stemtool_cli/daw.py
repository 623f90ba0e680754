"""``stemtool daw``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daw_bridge.errors import OptionError
from daw_bridge.library.ladder import RUNGS
from stemtool_cli.live import separate_in_live
from stemtool_cli.streams import show

_INTO = click.option(
    "--into", metavar="DIR", type=click.Path(path_type=Path),
    help="The DAW's own folder, where it is not found by itself.",
)  # fmt: skip


@click.group()
def daw() -> None:
    """Bring stems to tracks of DAWs, by scripts that ask the server.

    \b
    Examples:
      stemtool daw list
      stemtool daw install ardour
      stemtool daw install reaper --into /media/stick/REAPER
      stemtool daw separate ~/sessions/song/song.ardour Mix
    """


@daw.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_daws(*, as_json: bool) -> None:
    """List the DAWs there are scripts for, and whether they are here and have them."""
    from daw_bridge.daw.installers import DAWS, find_homes

    rows = [
        {
            "name": name,
            "title": each.title,
            "homes": [str(home) for home in find_homes(each)],
            "installed": [
                str(home / each.place) for home in find_homes(each) if (home / each.place).is_dir()
            ],
        }
        for name, each in DAWS.items()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        found = "found" if row["homes"] else "not found"
        state = f"installed in {', '.join(row['installed'])}" if row["installed"] else found
        show(f"{row['name']:<14} {row['title']:<37} {state}")


@daw.command("install")
@click.argument("name")
@_INTO
def install_daw(name: str, into: Path | None) -> None:
    """Put the scripts for the DAW NAME where it looks for them; `stemtool daw list` has the names.

    Installing again brings the scripts up to date. Your own scripts stay as they are.
    """
    from daw_bridge.daw.installers import find_daw, install

    chosen = find_daw(name)
    for folder in install(chosen, into):
        show(f"{chosen.title}: {folder}")
    show(chosen.then)


@daw.command("uninstall")
@click.argument("name")
@_INTO
def uninstall_daw(name: str, into: Path | None) -> None:
    """Take away what `stemtool daw install NAME` put there."""
    from daw_bridge.daw.installers import find_daw, uninstall

    chosen = find_daw(name)
    for folder in uninstall(chosen, into):
        show(f"{chosen.title}: nothing of ours is left in {folder}")


@daw.command("separate")
@click.argument("session", type=click.Path(path_type=Path))
@click.argument("tracks", nargs=-1, metavar="TRACKS...")
@click.option("-m", "--model", default="", help="See: stemtool models list.")
@click.option("--quality", type=click.Choice(RUNGS), help="In place of -m; see docs/models.md.")
@click.option("--stems", default="", metavar="NAMES", help="Which stems to make. Default: all.")
@click.option("--minus", default="", metavar="NAMES", help="Make what is left without these stems.")
@click.option("--keep-source", is_flag=True, help="Do not mute what was separated.")
def separate_tracks(
    session: Path,
    tracks: tuple[str, ...],
    *,
    model: str,
    quality: str | None,
    stems: str,
    minus: str,
    keep_source: bool,
) -> None:
    """Separate TRACKS of a saved Ardour SESSION (a folder, or a file in it), without a window.

    With `live` in place of a session: the clip that Ableton Live shows, or with `tracks` in place
    of TRACKS all clips of the tracks that are selected there; `stop` calls it off.

    The stems come to tracks below their source, and its regions are muted. Close the session in
    Ardour first. A server is started if none runs.
    """
    from daw_bridge.daw.ardour.session import Choice, separate_track

    if quality and model:
        raise OptionError(f"-m {model} is a model; --quality is in place of one.")
    if stems and minus:
        raise OptionError("--stems says what to make, --minus what to take away: say one of them.")
    wanted = f"quality:{quality}" if quality else model
    choice = Choice(wanted, stems=stems, minus=minus, keep_source=keep_source)
    if session == Path("live"):
        separate_in_live(tracks, choice)
        return
    if not tracks:
        raise OptionError(f"Name the tracks of {session} to separate.")
    for track in tracks:
        for name in separate_track(session, track, choice):
            show(name)
