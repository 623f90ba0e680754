"""Where each DAW looks for scripts, and how ours get there."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.daw.ardour.registration import is_registered, register, unregister
from daw_bridge.daw.audacity.choices import fill_dialog
from daw_bridge.daw.audacity.inbox import prepare_inbox
from daw_bridge.daw.shipping import PACKAGE, copy_filled, is_for_state, remove_copies, shipped_files
from daw_bridge.errors import DawError, OptionError, OutputError, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_SERVER = "Run `stemtool serve`, or once and for all `stemtool daw install service`."
_REAPER_SCRIPT = "separate_into_stems.lua"


def _is_loaded(home: Path, folder: Path) -> bool:
    """Return whether REAPER's list of actions has our script."""
    actions = home / "reaper-kb.ini"
    return actions.is_file() and f"{folder.name}/{_REAPER_SCRIPT}" in actions.read_text(
        "utf-8", "replace"
    ).replace("\\", "/")


@dataclass(frozen=True)
class Daw:
    """Where a DAW keeps what its user adds, and what remains for the user to do.

    Attributes:
        title: its name.
        source: where its files are in this package.
        homes: its own folder on each of Python's platforms, of any of its versions; several
            where versions differ.
        place: where its files go, below that folder.
        then: what to do or to press when they are there.
        makes_home: whether the DAW would also look into that folder if it were made for it.
        fill: gives what takes the place of more placeholders in the files.
        register: makes it show the files, given its own folder and theirs, if that takes more.
        unregister: takes that back.
        is_registered: whether it shows them, given the same; None: nobody can tell.
        lists_models: whether the files name the models that there are, so that they have to be
            written anew when one comes or goes.
        programs: what it is called on each of Python's platforms: names on the ``PATH``, or paths.
    """

    title: str
    source: str
    homes: Mapping[str, str | tuple[str, ...]]
    place: str
    then: str
    makes_home: bool = False
    fill: Callable[[], Mapping[str, str]] = dict
    register: Callable[[Path, Path], None] | None = None
    unregister: Callable[[Path], None] | None = None
    is_registered: Callable[[Path, Path], bool] | None = None
    lists_models: bool = False
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
        "Start Ardour. Select regions, or a range on tracks, then press"
        " Edit > Lua Scripts > Separate selection into stems."
        " For a key of your own: Window > Keyboard Shortcuts > Editor > LuaAction.",
        register=register,
        unregister=unregister,
        is_registered=is_registered,
        programs={
            "linux": ("ardour", "ardour[7-9]"),
            "darwin": ("/Applications/Ardour[7-9].app",),
            "win32": ("$PROGRAMFILES/Ardour[7-9]",),
        },
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
        "In REAPER, press Actions > Show action list > New action > Load ReaScript, and choose"
        f" {_REAPER_SCRIPT} in that folder.",
        is_registered=_is_loaded,
        programs={
            "linux": ("reaper", "/opt/REAPER/reaper", "~/opt/REAPER/reaper"),
            "darwin": ("/Applications/REAPER.app",),
            "win32": ("$PROGRAMFILES/REAPER*",),
        },
    ),
    "audacity": Daw(
        "Audacity 3.2 or newer",
        "audacity/tools",
        {
            "linux": ("~/.local/share/audacity", "~/.audacity-data"),
            "darwin": "~/Library/Application Support/audacity",
            "win32": "$APPDATA/audacity",
        },
        "Plug-Ins",
        "Start Audacity anew. Select a part of tracks, then press Tools > Separate into Stems;"
        " if it is not there, enable it in Tools > Plugin Manager.",
        fill=fill_dialog,
        register=prepare_inbox,
        lists_models=True,
        programs={
            "linux": ("audacity",),
            "darwin": ("/Applications/Audacity.app",),
            "win32": ("$PROGRAMFILES/Audacity",),
        },
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
        programs={
            "darwin": ("/Applications/Ableton Live 12*.app",),
            "win32": ("$PROGRAMDATA/Ableton/Live 12*",),
        },
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
        f"{_SERVER} In a patch, make the object [daw-bridge/stems]; its help says more.",
        makes_home=True,
        programs={
            "linux": ("pd", "puredata"),
            "darwin": ("/Applications/Pd-*.app",),
            "win32": ("$PROGRAMFILES/Pd",),
        },
    ),
    "max": Daw(
        "Max 8 or newer, also in Ableton Live",
        "max",
        {"darwin": "~/Documents/Max [89]", "win32": "$USERPROFILE/Documents/Max [89]"},
        "Packages/daw-bridge",
        f"{_SERVER} In Max, the package daw-bridge is in the package manager.",
        programs={
            "darwin": ("/Applications/Max.app", "/Applications/Ableton Live *.app"),
            "win32": ("$PROGRAMFILES/Cycling '74/Max *", "$PROGRAMDATA/Ableton/Live *"),
        },
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
        f"{_SERVER} In SuperCollider, press Language > Recompile Class Library.",
        programs={
            "linux": ("sclang", "scide"),
            "darwin": ("/Applications/SuperCollider.app",),
            "win32": ("$PROGRAMFILES/SuperCollider*",),
        },
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
    named = daw.homes.get(sys.platform, ())
    patterns = [_in_users_folders(each) for each in ([named] if isinstance(named, str) else named)]
    found = [home for pattern in patterns for home in _matching(pattern)]
    return found or (list(map(_expanded, patterns)) if daw.makes_home else [])


def find_programs(daw: Daw) -> list[Path]:
    """Return a DAW's own programs on this machine."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    patterns = [
        place
        for name in daw.programs.get(sys.platform, ())
        for place in ([name] if "/" in name else [f"{folder}/{name}" for folder in folders])
    ]
    found = [path for pattern in patterns for path in _matching(pattern)]
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def installed_in(daw: Daw) -> list[Path]:
    """Return those of a DAW's own folders that our files were put into."""
    files = shipped_files(PACKAGE / daw.source)
    return [
        home
        for home in find_homes(daw)
        if any((home / daw.place / file).exists() for file in files)
    ]


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
            copy_filled(PACKAGE / daw.source, folder, daw.fill())
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


def renew_lists() -> None:
    """Install again what names the models that there are; called when one has come or gone.

    What was installed for another state folder has models of its own.

    Raises:
        DawError: a DAW would undo this.
        OutputError: the files cannot be written.
    """
    for daw in DAWS.values():
        for home in installed_in(daw) if daw.lists_models else ():
            if is_for_state(PACKAGE / daw.source, home / daw.place):
                install(daw, home)


def _in_users_folders(pattern: str) -> str:
    """Return a pattern below the folders that the environment names, if it names any."""
    for usual, variable in (("~/.config", "XDG_CONFIG_HOME"), ("~/.local/share", "XDG_DATA_HOME")):
        if chosen := os.environ.get(variable):
            pattern = pattern.replace(usual, chosen)
    return pattern


def _expanded(pattern: str) -> Path:
    return Path(os.path.expandvars(pattern)).expanduser()


def _matching(pattern: str) -> list[Path]:
    path = _expanded(pattern)
    return sorted(path.parent.glob(path.name))


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
