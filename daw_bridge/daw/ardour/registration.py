"""The list of scripts that Ardour's menus show: ``ui_scripts`` in its configuration folder.

Its element ``ActionScript`` holds Lua code that fills a table ``scripts`` by slot, from 1; each
``LuaCallback`` in its element ``ActionHooks`` holds code that fills a table ``s``; both as Base64.
A script has a name ``n``, its source ``s``, code ``f`` whose call makes its function, and arguments
``a``.
"""

from __future__ import annotations

import base64
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.errors import DawError
from daw_bridge.system import list_programs

if TYPE_CHECKING:
    from collections.abc import Collection

SLOTS = 32
SCRIPTS = Path(__file__).with_name("scripts")
_ACTIONS = ("separate.lua", "separate_again.lua", "cancel.lua")
_HOOKS = ("import_finished.lua",)
_FILE = "ui_scripts"
_LUA = {"lua": "Lua 5.3"}
_TEN_TIMES_A_SECOND = "1" + 47 * "0"  # a bit a signal, the first one last: LuaTimerDS is the 48th
_STRING = r'"(?:\\.|[^"\\])*"'
_ASSIGNMENT = re.compile(
    rf"scripts(?:\[(\d+)\](?:\[(?:\d+|{_STRING})\])*)? = (?:\{{\}}|{_STRING}|[^\s\"{{}}]+)\s*",
    re.DOTALL,
)


def register(home: Path, folder: Path) -> None:
    """Put our scripts into Ardour's menus, in place of older ones of their names.

    All other scripts stay; ``ui_scripts.bak`` keeps the list as it was.

    Args:
        home: Ardour's configuration folder.
        folder: where our scripts are installed.

    Raises:
        DawError: Ardour is running, or its list is not understood or full.
    """
    scripts = _list_without_ours(home)
    for name in _ACTIONS:
        scripts.add_action(folder / name)
    for name in _HOOKS:
        scripts.add_hook(folder / name)
    scripts.write(home / _FILE)


def unregister(home: Path) -> None:
    """Take our scripts out of Ardour's menus.

    Raises:
        DawError: Ardour is running, or its list is not understood.
    """
    _list_without_ours(home).write(home / _FILE)


def is_registered(home: Path, folder: Path) -> bool:
    """Return whether Ardour's menus show our scripts; not if their list is not understood."""
    try:
        scripts = ScriptList.read(home / _FILE)
    except DawError:
        return False
    actions = [script_name(folder / name) for name in _ACTIONS]
    hooks = {script_name(folder / name) for name in _HOOKS}
    return all(map(scripts.has_action, actions)) and hooks <= {
        hook.get("name") for hook in scripts.hooks
    }


def script_name(script: Path) -> str:
    """Return the name that a script gives itself."""
    found = re.search(r'^ *name = "(.*)",$', script.read_text("utf-8"), re.MULTILINE)
    if not found:
        raise DawError(f"{script} is not as it was installed; install it again.")
    return found[1]


@dataclass
class ScriptList:
    """Ardour's scripts: the code of each action by its slot, and the hooks."""

    actions: dict[int, str]
    hooks: list[ET.Element]

    @classmethod
    def read(cls, file: Path) -> ScriptList:
        """Return the list in a file, or an empty one if there is no file.

        Raises:
            DawError: the file is not as Ardour writes it.
        """
        if not file.exists():
            return cls({}, [])
        try:
            root = ET.parse(file).getroot()  # noqa: S314 - the user's own file
            code = base64.b64decode(root.findtext("ActionScript", ""))
            return cls(_by_slot(code.decode("latin-1")), list(root.iterfind("ActionHooks/*")))
        except (ET.ParseError, ValueError) as error:
            raise DawError(f"{file} is not as Ardour writes it: {error}.") from None

    def add_action(self, script: Path) -> None:
        """Put an action into the first free slot."""
        slot = next(number for number in range(1, SLOTS + 2) if number not in self.actions)
        if slot > SLOTS:
            raise DawError(
                f"Ardour has no room for more than {SLOTS} scripts: remove some in"
                " Edit > Lua Scripts > Script Manager, quit Ardour, then run this again."
            )
        self.actions[slot] = _code(f"scripts[{slot}]", script)

    def add_hook(self, script: Path) -> None:
        """Have a script called ten times a second."""
        number = 1 + max((int(hook.get("id", 0)) for hook in self.hooks), default=0)
        labels = {"id": str(number), "name": script_name(script), "signals": _TEN_TIMES_A_SECOND}
        hook = ET.Element("LuaCallback", _LUA | labels)
        hook.text = _base64(_code("s", script))
        self.hooks.append(hook)

    def has_action(self, name: str) -> bool:
        """Return whether there is an action of a name."""
        return any(_mark(name) in code for code in self.actions.values())

    def remove(self, names: Collection[str]) -> None:
        """Take out the scripts of some names."""
        marks = list(map(_mark, names))
        self.actions = {
            slot: code
            for slot, code in self.actions.items()
            if not any(mark in code for mark in marks)
        }
        self.hooks = [hook for hook in self.hooks if hook.get("name") not in names]

    def write(self, file: Path) -> None:
        """Put the list into a file, whole or not at all; an empty list needs no file.

        What was in the file stays in one whose name ends in ``.bak``.
        """
        if file.exists():
            shutil.copy2(file, file.with_name(f"{file.name}.bak"))
        if not self.actions and not self.hooks:
            file.unlink(missing_ok=True)
            return
        root = ET.Element("UIScripts")
        actions = ET.SubElement(root, "ActionScript", _LUA)
        actions.text = _base64("scripts = {} " + "".join(self.actions.values()))
        ET.SubElement(root, "ActionHooks").extend(self.hooks)
        whole = file.with_name(f"{file.name}.new")
        ET.ElementTree(root).write(whole, "UTF-8", xml_declaration=True)
        whole.replace(file)


def _list_without_ours(home: Path) -> ScriptList:
    if re.search(r"^(?:.*/)?ardour(gui|-\d|\d*$)", list_programs(), re.MULTILINE | re.IGNORECASE):
        raise DawError("Ardour is running and would undo this: quit it, then run this again.")
    scripts = ScriptList.read(home / _FILE)
    scripts.remove({script_name(SCRIPTS / name) for name in (*_ACTIONS, *_HOOKS)})
    return scripts


def _by_slot(code: str) -> dict[int, str]:
    """Return the assignments of a list of actions, together for each slot."""
    slots: dict[int, str] = {}
    position = 0
    while position < len(code):
        found = _ASSIGNMENT.match(code, position)
        if not found:
            raise ValueError(f"{code[position : position + 40]!r} is no assignment")
        if found[1]:
            slots[int(found[1])] = slots.get(int(found[1]), "") + found[0]
        position = found.end()
    return slots


def _mark(name: str) -> str:
    """Return the assignment of a script's name, without its table."""
    return f'["n"] = {_quoted(name)} '


def _code(table: str, script: Path) -> str:
    """Return Lua code that fills a table with a script, as Ardour would."""
    source = script.read_text("utf-8")
    maker = f"local function ardour() end local factory\n{source}\nreturn factory(...)"
    fields = {"n": script_name(script), "s": source, "f": maker}
    filled = "".join(f'{table}["{key}"] = {_quoted(text)} ' for key, text in fields.items())
    arguments = f'{table}["a"] = {{}} {table}["a"]["x-script-origin"] = {_quoted(str(script))} '
    return f"{table} = {{}} {filled}{arguments}"


def _quoted(text: str) -> str:
    """Return a Lua string literal, as UTF-8."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}"
        for byte in text.encode()
    )
    return f'"{plain}"'


def _base64(code: str) -> str:
    return base64.b64encode(code.encode("latin-1")).decode("ascii")
