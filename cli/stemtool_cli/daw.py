"""``stemtool daw``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from daw_bridge.errors import OptionError
from daw_bridge.library.ladder import RUNGS
from stemtool_cli.diagnosis import doctor
from stemtool_cli.live import separate_in_live
from stemtool_cli.streams import show

_SERVICE = "service"
_AUDACITY, _LIVE = "audacity", "live"
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
      stemtool daw install service              a server that starts with your session
      stemtool daw doctor                       what is here, what is missing, what to do
      stemtool daw separate ~/sessions/song/song.ardour Mix
      stemtool daw separate audacity            what is selected in the running Audacity
    """


@daw.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_daws(*, as_json: bool) -> None:
    """List the DAWs there are scripts for, and whether they are here and have them."""
    from daw_bridge.daw.installers import DAWS, find_homes, installed_in
    from daw_bridge.daw.service import TITLE, is_installed

    rows = [
        {
            "name": name,
            "title": each.title,
            "homes": list(map(str, find_homes(each))),
            "installed": [str(home / each.place) for home in installed_in(each)],
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
    show(f"{_SERVICE:<14} {TITLE:<37} {'installed' if is_installed() else 'not installed'}")


@daw.command("install")
@click.argument("name")
@_INTO
@click.option(
    "--root", "roots", multiple=True, metavar="DIR", type=click.Path(path_type=Path),
    help="A folder outside your home folder where sessions are, for servers to use from their next"
    " start on; more than one may be given.",
)  # fmt: skip
def install_daw(name: str, into: Path | None, roots: tuple[Path, ...]) -> None:
    """Put the scripts for the DAW NAME where it looks for them; `stemtool daw list` has the names.

    Installing again brings the scripts up to date. Your own scripts stay as they are.

    `stemtool daw install service` has the system start a server with your session, for good;
    without it, clients start one when they need it, which ends after an hour without work.
    """
    from daw_bridge.daw.installers import find_daw, install
    from daw_bridge.daw.service import TITLE, install_service
    from daw_bridge.library.roots import add_root

    for root in roots:
        add_root(root)
    if name == _SERVICE:
        show(f"{TITLE}: {install_service()}")
        return
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
    from daw_bridge.daw.service import TITLE, uninstall_service

    if name == _SERVICE:
        show(f"{TITLE}: {uninstall_service()} is gone")
        return
    chosen = find_daw(name)
    for folder in uninstall(chosen, into):
        show(f"{chosen.title}: nothing of ours is left in {folder}")


daw.add_command(doctor)


@daw.command("follow", hidden=True)
@click.argument("export", type=click.Path(path_type=Path))
def follow_export(export: Path) -> None:
    """Take what Audacity exports to EXPORT as fast as what it asked for there is done."""
    from daw_bridge.daw.audacity.following import follow

    with open(0, "rb", buffering=0, closefd=False) as audio:
        follow(export.parent, export.stem, audio)


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
    """Separate TRACKS of a saved Ardour SESSION, or what is selected in Audacity or in Live.

    The stems come to tracks below their source, which is muted. A server is started if none runs.

    A SESSION is a folder, or a file in it; close it in Ardour first. The word audacity in its
    place, without TRACKS, means the Audacity that runs, whose script pipe must be on. The word live
    means the clip that Ableton Live shows; `live tracks` all clips of the tracks that are selected
    there, and `live stop` calls it off. Sessions of these names are ./audacity and ./live.

    \b
    Examples:
      stemtool daw separate ~/sessions/song/song.ardour Mix
      stemtool daw separate audacity --quality good --minus drums
      stemtool daw separate live --stems vocals
    """
    if quality and model:
        raise OptionError(f"-m {model} is a model; --quality is in place of one.")
    if stems and minus:
        raise OptionError("--stems says what to make, --minus what to take away: say one of them.")
    if str(session) == _AUDACITY:
        from stemtool_cli.audacity import separate_in_audacity

        if tracks:
            raise OptionError("In Audacity, select the tracks there; no TRACKS are named.")
        said = {"quality": quality or "", "stems": stems, "minus": minus}
        options = {name: value for name, value in said.items() if value}
        show(*separate_in_audacity(model, options, keep_source=keep_source))
        return
    from daw_bridge.daw.ardour.session import Choice, separate_track

    wanted = f"quality:{quality}" if quality else model
    choice = Choice(wanted, stems=stems, minus=minus, keep_source=keep_source)
    if str(session) == _LIVE:
        separate_in_live(tracks, choice)
        return
    if not tracks:
        raise OptionError(f"Name the tracks of {session} that are to be separated.")
    for track in tracks:
        show(*separate_track(session, track, choice))
