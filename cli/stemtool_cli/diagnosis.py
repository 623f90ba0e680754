"""``stemtool daw doctor``."""

from __future__ import annotations

import json
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemtool_cli.streams import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.daw.diagnosis import Finding


@click.command("doctor")
@click.argument("name", required=False)
@click.option(
    "--session", metavar="DIR", type=click.Path(path_type=Path),
    help="A session's or project's folder, which the server must be able to use.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(name: str | None, session: Path | None, *, as_json: bool) -> None:
    """Show what DAWs have and lack to get stems: all of them, or the one called NAME.

    That is the program, the client and whether it is the newest, its place in menus, the server,
    and whether that can use a session's folder. The exit status is 1 where something is to be done.

    \b
    Examples:
      stemtool daw doctor
      stemtool daw doctor ardour --session ~/sessions/song
    """
    findings = list(_examine(name, session))
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.remedy for finding in findings):
        raise click.exceptions.Exit(1)


def _examine(name: str | None, session: Path | None) -> Iterator[Finding]:
    from daw_bridge.daw.diagnosis import examine_daw, examine_service, examine_session
    from daw_bridge.daw.installers import DAWS, find_daw

    chosen = {name: find_daw(name)} if name else DAWS
    for each, daw in chosen.items():
        yield from examine_daw(each, daw, is_wanted=bool(name))
    facts = _server_facts()
    yield from _examine_server(facts)
    yield examine_service()
    if session:
        yield examine_session(session, _roots(facts))


def _server_facts() -> dict[str, str]:
    """Return what the server that runs here says of itself; nothing where none answers."""
    from daw_bridge.errors import ConnectionLostError, ServerError
    from daw_bridge.library.places import state_folder
    from daw_bridge.osc.client import Client
    from daw_bridge.osc.settings import read_server_file

    try:
        Client().close()
    except ConnectionLostError:
        return {}
    except ServerError:  # it answers, and wants a token
        pass
    return read_server_file(state_folder())


def _examine_server(facts: dict[str, str]) -> Iterator[Finding]:
    from importlib.metadata import version

    from daw_bridge.daw.diagnosis import Finding
    from daw_bridge.library.places import state_folder

    if not facts:
        state = f"none runs in {state_folder()}; clients start one"
        yield Finding("Server", "answer", state)
        return
    state = f"version {facts['version']} at {facts['host']}:{facts['port']}"
    is_old = facts["version"] != version("daw-bridge")
    remedy = f"Start it again, as this is stemtool {version('daw-bridge')}." if is_old else ""
    yield Finding("Server", "answer", state, remedy)
    yield Finding("Server", "folders", ", ".join(map(str, _roots(facts))))


def _roots(facts: dict[str, str]) -> list[Path]:
    """Return the folders that a server says it may use, or that one would if it were started."""
    from daw_bridge.library.roots import usual_roots

    said = [Path(value) for key, value in facts.items() if key.startswith("root:")]
    return said or list(usual_roots())


def _show(findings: list[Finding]) -> None:
    for subject, of_subject in groupby(findings, attrgetter("subject")):
        show(subject)
        for finding in of_subject:
            show(f"  {finding.part:<9} {finding.state}")
            if finding.remedy:
                show(f"  {'':<9} {finding.remedy}")
