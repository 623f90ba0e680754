"""What DAWs, their clients and their sessions lack on this machine, and what to do about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from daw_bridge.daw import service
from daw_bridge.daw.installers import find_homes, find_programs, installed_in
from daw_bridge.daw.shipping import PACKAGE, is_current

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daw_bridge.daw.installers import Daw


class Finding(NamedTuple):
    """Something that was looked at.

    Attributes:
        subject: what it belongs to: a DAW, the server, a session.
        part: what was looked at of that.
        state: how it is.
        remedy: what to do; empty: nothing.
    """

    subject: str
    part: str
    state: str
    remedy: str = ""


def examine_daw(name: str, daw: Daw, *, is_wanted: bool) -> Iterator[Finding]:
    """Look at a DAW and at its client.

    Args:
        name: what ``stemtool daw install`` calls it.
        daw: which.
        is_wanted: whether it is a lack that the DAW is not here, or has no client.
    """
    programs = find_programs(daw)
    homes = [home for home in find_homes(daw) if programs or home.is_dir()]
    if not programs and not homes:
        remedy = "Install it, start it once, then run this again." if is_wanted else ""
        yield Finding(daw.title, "program", "not found on this machine", remedy)
        return
    found = ", ".join(map(str, programs)) or "not where programs are, but its folder is here"
    yield Finding(daw.title, "program", found)
    if not homes:
        remedy = f"Start it once, then run `stemtool daw install {name}`." if is_wanted else ""
        yield Finding(daw.title, "client", "none, as it has no folder yet", remedy)
    for home in homes:
        yield from _examine_client(name, daw, home, is_wanted=is_wanted)


def _examine_client(name: str, daw: Daw, home: Path, *, is_wanted: bool) -> Iterator[Finding]:
    """Look at what was put into one of a DAW's own folders."""
    folder = home / daw.place
    install = f"Run `stemtool daw install {name}`."
    if home not in installed_in(daw):
        state = f"not installed in {home}"
        yield Finding(daw.title, "client", state, install if is_wanted else "")
        return
    if is_current(PACKAGE / daw.source, folder, daw.fill()):
        yield Finding(daw.title, "client", f"up to date in {folder}")
    else:
        yield Finding(daw.title, "client", f"not as this stemtool has it, in {folder}", install)
    if not daw.is_registered:
        return
    if daw.is_registered(home, folder):
        yield Finding(daw.title, "menu", "shows it")
    else:
        remedy = install if daw.register else daw.then
        yield Finding(daw.title, "menu", "does not show it", remedy)


def examine_service() -> Finding:
    """Look whether a server starts with the user's session, which it need not."""
    if not service.is_installed():
        return Finding("Server", "service", "none; clients start a server when they need one")
    if service.is_current():
        return Finding("Server", "service", f"up to date in {service.find_keeper().file()}")
    state = f"not as this stemtool has it, in {service.find_keeper().file()}"
    return Finding("Server", "service", state, "Run `stemtool daw install service`.")


def examine_session(folder: Path, roots: Sequence[Path]) -> Finding:
    """Look whether a server that has some roots can read and write in a session's folder.

    Args:
        folder: it, or a file in it.
        roots: what the server may use.
    """
    subject, place = f"Session {folder}", folder.resolve()
    place = place.parent if place.is_file() else place
    if not place.is_dir():
        return Finding(subject, "folder", "not there", "Save the session, and name its folder.")
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        remedy = "Change who may read and write there."
        return Finding(subject, "folder", "you may not read and write there", remedy)
    if any(place.is_relative_to(root.resolve()) for root in roots):
        return Finding(subject, "folder", "the server can use it")
    named = ", ".join(map(str, roots))
    return Finding(
        subject,
        "folder",
        f"not below a folder that the server may use: {named}",
        f"Run `stemtool daw install NAME --root {folder}`, and start the server again.",
    )
