"""Where each DAW looks for scripts, and how ours get there."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.daw.ardour.registration import register, unregister
from daw_bridge.daw.shipping import PACKAGE, copy_filled, remove_copies
from daw_bridge.errors import DawError, OptionError, OutputError, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class Daw:
    """Where a DAW keeps what its user adds, and what remains for the user to do.

    Attributes:
        title: its name.
        source: where its files are in this package.
        homes: its own folder on each of Python's platforms, of any of its versions.
        place: where its files go, below that folder.
        then: what to do or to press when they are there.
        makes_home: whether the DAW would also look into that folder if it were made for it.
        register: makes it show the files, given its own folder and theirs, if that takes more.
        unregister: takes that back.
    """

    title: str
    source: str
    homes: Mapping[str, str]
    place: str
    then: str
    makes_home: bool = False
    register: Callable[[Path, Path], None] | None = None
    unregister: Callable[[Path], None] | None = None


DAWS: dict[str, Daw] = {
    "ardour": Daw(
        "Ardour 7 or newer",
        "ardour/scripts",
        {
            "linux": "~/.config/ardour[7-9]",
            "darwin": "~/Library/Preferences/Ardour[7-9]",
            "win32": "$LOCALAPPDATA/Ardour[7-9]",
        },
        "scripts/daw-bridge",
        "Run `stemtool serve` and start Ardour. Select regions, or a range on tracks, then press"
        " Edit > Lua Scripts > Separate selection into stems."
        " For a key of your own: Window > Keyboard Shortcuts > Editor > LuaAction.",
        register=register,
        unregister=unregister,
    ),
    "reaper": Daw(
        "REAPER",
        "reaper",
        {
            "linux": "~/.config/REAPER",
            "darwin": "~/Library/Application Support/REAPER",
            "win32": "$APPDATA/REAPER",
        },
        "Scripts/daw-bridge",
        "Run `stemtool serve`. In REAPER, press Actions > Show action list > New action >"
        " Load ReaScript, and choose separate_into_stems.lua in that folder.",
    ),
    "live": Daw(
        "Ableton Live 12",
        "live",
        {
            "darwin": "~/Music/Ableton/User Library",
            "win32": "$USERPROFILE/Documents/Ableton/User Library",
        },
        "Remote Scripts/Stemtool",
        "Start Live anew. In its settings, under Link, Tempo & MIDI, choose Stemtool as a Control"
        " Surface; it needs no ports. Add ` !stems` to the name of an audio clip (Ctrl+R), or run"
        " `stemtool daw separate live`.",
    ),
    "puredata": Daw(
        "Pure Data",
        "puredata",
        {
            "linux": "~/.local/lib/pd/extra",
            "darwin": "~/Library/Pd",
            "win32": "$APPDATA/Pd",
        },
        "daw-bridge",
        "Run `stemtool serve`. In a patch, make the object [daw-bridge/stems]; its help says more.",
        makes_home=True,
    ),
    "max": Daw(
        "Max 8 or newer, also in Ableton Live",
        "max",
        {"darwin": "~/Documents/Max [89]", "win32": "$USERPROFILE/Documents/Max [89]"},
        "Packages/daw-bridge",
        "Run `stemtool serve`. In Max, the package daw-bridge is in the package manager.",
    ),
    "supercollider": Daw(
        "SuperCollider",
        "supercollider",
        {
            "linux": "~/.local/share/SuperCollider",
            "darwin": "~/Library/Application Support/SuperCollider",
            "win32": "$LOCALAPPDATA/SuperCollider",
        },
        "Extensions/daw-bridge",
        "Run `stemtool serve`. In SuperCollider, press Language > Recompile Class Library.",
    ),
}


def find_daw(name: str) -> Daw:
    """Return the DAW of a name.

    Raises:
        OptionError: there is none.
    """
    if name not in DAWS:
        raise OptionError(
            f"'{name}' is no DAW that we have files for{suggestion(name, DAWS)};"
            f" there are {', '.join(DAWS)}."
        )
    return DAWS[name]


def find_homes(daw: Daw) -> list[Path]:
    """Return a DAW's own folders on this machine, one a version; none where it was never used."""
    pattern = daw.homes.get(sys.platform)
    if pattern is None:
        return []
    if settings := os.environ.get("XDG_CONFIG_HOME"):
        pattern = pattern.replace("~/.config", settings)
    path = Path(os.path.expandvars(pattern)).expanduser()
    found = sorted(path.parent.glob(path.name))
    return found or ([path] if daw.makes_home else [])


def install(daw: Daw, into: Path | None = None) -> list[Path]:
    """Put a DAW's files where it looks for them, over older ones.

    Args:
        daw: which.
        into: its own folder; all that are found by default.

    Returns:
        The folders that hold the files now.

    Raises:
        DawError: the DAW is not found, or would undo this.
        OutputError: the files cannot be written.
    """
    folders = []
    for home in _chosen_homes(daw, into):
        folder = home / daw.place
        with _writing(folder):
            copy_filled(PACKAGE / daw.source, folder)
            if daw.register:
                daw.register(home, folder)
        folders.append(folder)
    return folders


def uninstall(daw: Daw, into: Path | None = None) -> list[Path]:
    """Take away what ``install`` put there.

    Returns:
        The folders that held the files.

    Raises:
        DawError: the DAW is not found, or would undo this.
        OutputError: the files cannot be removed.
    """
    folders = []
    for home in _chosen_homes(daw, into):
        folder = home / daw.place
        with _writing(folder):
            if daw.unregister:
                daw.unregister(home)
            remove_copies(PACKAGE / daw.source, folder)
        folders.append(folder)
    return folders


def _chosen_homes(daw: Daw, into: Path | None) -> list[Path]:
    homes = [into.absolute()] if into else find_homes(daw)
    if not homes:
        raise DawError(
            f"{daw.title} was not found: start it once so that it makes its folder,"
            " or name that folder with --into."
        )
    return homes


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder} cannot be changed: {error.strerror}.") from None
