"""``stemtool daw``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daw_bridge.errors import OptionError
from daw_bridge.library.ladder import RUNGS
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
@click.argument("tracks", nargs=-1, required=True, metavar="TRACKS...")
@click.option("-m", "--model", default="", help="See: stemtool models list.")
@click.option("--quality", type=click.Choice(RUNGS), help="In place of -m; see docs/models.md.")
@click.option("--stems", default="", metavar="NAMES", help="Which stems to make. Default: all.")
def separate_tracks(
    session: Path, tracks: tuple[str, ...], model: str, quality: str | None, stems: str
) -> None:
    """Separate TRACKS of a saved Ardour SESSION (a folder, or a file in it), without a window.

    The stems come to new tracks of the session. Close it in Ardour first; `stemtool serve` must
    be running.
    """
    from daw_bridge.daw.ardour.session import separate_track

    if quality and model:
        raise OptionError(f"-m {model} is a model; --quality is in place of one.")
    model = f"quality:{quality}" if quality else model
    for track in tracks:
        for name in separate_track(session, track, model=model, stems=stems):
            show(name)
