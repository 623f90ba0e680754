"""Scripts come to where DAWs look for them, and leave no trace when they go."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from daw_bridge.daw.ardour.registration import ScriptList
from daw_bridge.daw.installers import (
    DAWS,
    find_homes,
    find_programs,
    install,
    renew_lists,
    uninstall,
)
from daw_bridge.daw.shipping import PACKAGE, shipped_files
from daw_bridge.errors import DawError
from daw_bridge.library.places import HOME_VARIABLE
from tests.programs import require
from tests.stemtool import STEMTOOL

# As Ardour writes it: fields in any order, byte code, line ends escaped; and words to fall over.
USERS_CODE = (
    'scripts = {} scripts[1] = {} scripts[1]["a"] = {} scripts[1]["a"]["origin"] = "/a.lua" '
    ' scripts[1]["f"] = "\\27LuaS\\000\x93\\13\\\n\\"scripts[9] = {} " scripts[1]["c"] = true '
    ' scripts[1]["n"] = "Mine" '
    'scripts[1]["s"] = "-- [\\"n\\"] = \\"Separate selection into stems\\" "'
    ' scripts[3] = {} scripts[3]["n"] = "Also mine" scripts[3]["a"] = {} '
    'scripts[3]["a"]["gain"] = -0.5  scripts[3]["s"] = "" scripts[3]["f"] = "return 1" '
)
USERS_HOOK = '<LuaCallback lua="Lua 5.3" id="7" name="Mine" signals="01">cw==</LuaCallback>'
OURS = [
    "Separate selection into stems",
    "Separate selection into stems (last settings)",
    "Cancel separation into stems",
]


@pytest.fixture
def ardour_home(tmp_path: Path) -> Path:
    """Ardour's configuration folder, with scripts of the user's own."""
    code = base64.b64encode(USERS_CODE.encode("latin-1")).decode()
    (tmp_path / "ui_scripts").write_text(
        f'<UIScripts><ActionScript lua="Lua 5.3">{code}</ActionScript>'
        f"<ActionHooks>{USERS_HOOK}</ActionHooks></UIScripts>"
    )
    return tmp_path


def code_of(home: Path) -> bytes:
    """Return the Lua code of Ardour's actions."""
    return base64.b64decode(ET.parse(home / "ui_scripts").findtext("ActionScript", ""))


def run_list(home: Path) -> list[str]:
    """Return the slots and names of Ardour's actions, as Lua understands the list."""
    code = code_of(home) + b'for slot, each in pairs(scripts) do print(slot .. " " .. each.n) end'
    run = subprocess.run([require("lua5.4"), "-"], input=code, capture_output=True, check=True)
    return sorted(run.stdout.decode().splitlines())


@pytest.mark.parametrize("name", DAWS)
def test_files_come_filled_in_and_go_again(name: str, tmp_path: Path) -> None:
    (folder,) = install(DAWS[name], tmp_path)
    assert folder.is_relative_to(tmp_path)
    shipped = shipped_files(PACKAGE / DAWS[name].source)
    assert shipped
    assert name == "live" or not any(file.suffix == ".py" for file in shipped)
    for file in shipped:
        content = (folder / file).read_bytes()
        for placeholder in (b"@STATE@", b"@STEMTOOL@", b"@FOLDER@"):
            assert placeholder not in content
    (folder / "mine").touch()
    assert uninstall(DAWS[name], tmp_path) == [folder]
    left = {path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".bak"}
    assert left == {folder / "mine"}


def test_ardours_own_list_keeps_what_is_the_users(ardour_home: Path) -> None:
    before = (ardour_home / "ui_scripts").read_bytes()
    (folder,) = install(DAWS["ardour"], ardour_home)
    ours = [f"2 {OURS[0]}", f"4 {OURS[1]}", f"5 {OURS[2]}"]
    assert run_list(ardour_home) == sorted(["1 Mine", "3 Also mine", *ours])
    assert (ardour_home / "ui_scripts.bak").read_bytes() == before
    hooks = ET.parse(ardour_home / "ui_scripts").findall("ActionHooks/*")
    assert [hook.get("name") for hook in hooks] == ["Mine", "Import finished stems"]
    assert len({hook.get("id") for hook in hooks}) == 2
    assert ET.tostring(hooks[0], "unicode") == USERS_HOOK
    assert str(folder / "stems.lua") in (folder / "separate.lua").read_text("utf-8")

    installed = (ardour_home / "ui_scripts").read_bytes()
    install(DAWS["ardour"], ardour_home)
    assert (ardour_home / "ui_scripts").read_bytes() == installed

    uninstall(DAWS["ardour"], ardour_home)
    assert code_of(ardour_home) == USERS_CODE.encode("latin-1")
    (hook,) = ET.parse(ardour_home / "ui_scripts").findall("ActionHooks/*")
    assert ET.tostring(hook, "unicode") == USERS_HOOK


def test_without_scripts_of_the_users_own_no_list_is_left(tmp_path: Path) -> None:
    install(DAWS["ardour"], tmp_path)
    assert run_list(tmp_path) == [f"{slot} {name}" for slot, name in enumerate(OURS, 1)]
    uninstall(DAWS["ardour"], tmp_path)
    assert not (tmp_path / "ui_scripts").exists()
    assert not (tmp_path / "scripts" / "daw-bridge").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<UIScripts><Action", "is not as Ardour writes it"),
        ("<UIScripts><ActionScript>b3MuZXhlY3V0ZSgp</ActionScript></UIScripts>", "no assignment"),
        (None, "no room for more than 32 scripts"),
    ],
)
def test_a_list_that_cannot_be_changed_stays(
    content: str | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "ui_scripts"
    if content is None:
        ScriptList({slot: f"scripts[{slot}] = {{}} " for slot in range(1, 32)}, []).write(file)
    else:
        file.write_text(content)
    before = file.read_bytes()
    with pytest.raises(DawError, match=message):
        install(DAWS["ardour"], tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["ardour-9.9.0", "ArdourGUI"])  # what ps shows of 7.3 at last
def test_ardour_must_not_be_running(name: str, tmp_path: Path) -> None:
    require("ps")
    program = Path(shutil.copy(shutil.which("sleep") or "", tmp_path / name))
    with subprocess.Popen([program, "60"]) as process:
        try:
            with pytest.raises(DawError, match="quit it, then run this again"):
                install(DAWS["ardour"], tmp_path)
        finally:
            process.kill()


def test_each_version_that_was_used_gets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert find_homes(DAWS["ardour"]) == []
    with pytest.raises(DawError, match="Ardour 7 or newer was not found: start it once"):
        install(DAWS["ardour"])
    for name in ("ardour6", "ardour7", "ardour8"):
        (tmp_path / ".config" / name).mkdir(parents=True)
    assert [home.name for home in find_homes(DAWS["ardour"])] == ["ardour7", "ardour8"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "REAPER").mkdir(parents=True)
    assert find_homes(DAWS["reaper"]) == [tmp_path / "elsewhere" / "REAPER"]


def test_lists_of_models_are_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where there are some, and where they were installed."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    (tmp_path / "REAPER").mkdir()
    listing = replace(DAWS["reaper"], lists_models=True)
    monkeypatch.setitem(DAWS, "reaper", listing)
    renew_lists()
    assert not list((tmp_path / "REAPER").iterdir())
    (folder,) = install(listing)
    script = folder / "separate_into_stems.lua"
    before = script.read_bytes()
    script.write_text("of before a model came")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "another"))
    renew_lists()
    assert script.read_text() == "of before a model came"
    monkeypatch.delenv(HOME_VARIABLE)
    renew_lists()
    assert script.read_bytes() == before
    monkeypatch.setitem(DAWS, "reaper", replace(listing, lists_models=False))
    script.write_text("names no models")
    renew_lists()
    assert script.read_text() == "names no models"


def test_programs_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("usr/ardour8", "usr/ardour6", "opt/ardour7"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "bin").symlink_to(tmp_path / "usr")
    folders = [str(tmp_path / name) for name in ("usr", "bin", "opt", "missing")]
    monkeypatch.setenv("PATH", ":".join(folders))
    found = [path.relative_to(tmp_path).as_posix() for path in find_programs(DAWS["ardour"])]
    assert found == ["usr/ardour8", "opt/ardour7"]


def test_the_command(tmp_path: Path) -> None:
    def stemtool(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(part) for part in (STEMTOOL, "daw", *arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    rows = json.loads(stemtool("list", "--json").stdout)
    assert [row["name"] for row in rows] == list(DAWS)
    installed = stemtool("install", "reaper", "--into", tmp_path)
    folder = tmp_path / "Scripts" / "daw-bridge"
    assert installed.stdout.splitlines() == [f"REAPER: {folder}", DAWS["reaper"].then]
    assert str(STEMTOOL) in (folder / "modules" / "server.lua").read_text("utf-8")
    assert stemtool("uninstall", "reaper", "--into", tmp_path).returncode == 0
    assert not folder.exists()
    unknown = stemtool("install", "reapper")
    assert unknown.returncode == 2
    assert "did you mean 'reaper'?" in unknown.stderr
    taken = tmp_path / "file"
    taken.touch()
    refused = stemtool("install", "reaper", "--into", taken)
    assert refused.returncode == 1
    assert "cannot be changed" in refused.stderr
