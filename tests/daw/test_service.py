"""A server that starts by itself: what each system is told of it."""

from __future__ import annotations

import json
import os
import plistlib
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest

from daw_bridge.daw import service
from daw_bridge.errors import DawError
from daw_bridge.library.places import HOME_VARIABLE
from tests.programs import require
from tests.stemtool import STEMTOOL, stemtool

STRANGE = 'a "home" of 100% & $HOME, ü'
MICROSOFTS = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, with daw-bridge's folders in it, whose name is hard to quote."""
    home = tmp_path / STRANGE
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv(HOME_VARIABLE, str(home / "bridge"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


@pytest.fixture
def systemctl(tmp_path: Path) -> dict[str, str]:
    """An environment whose ``systemctl`` writes what it is told into a file, or refuses."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n[ ! -e "$0.refuses" ] || { echo "No bus." >&2; exit 1; }\n'
        'echo "$@" >> "$0.told"\n'
    )
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_systemd_starts_it_and_forgets_it(
    home: Path, systemctl: dict[str, str], tmp_path: Path
) -> None:
    environment = systemctl | {name: os.environ[name] for name in ("HOME", HOME_VARIABLE)}
    unit = home / ".config" / "systemd" / "user" / "stemtool.service"
    installed = stemtool("daw", "install", "service", env=environment)
    assert installed.stdout == f"{service.TITLE}: {unit}\n"
    told = (tmp_path / "bin" / "systemctl.told").read_text("utf-8").splitlines()
    assert told == [
        "--user daemon-reload",
        "--user enable stemtool.service",
        "--user --no-block restart stemtool.service",
    ]
    assert "installed" in stemtool("daw", "list", env=environment).stdout.splitlines()[-1]
    check = stemtool("daw", "doctor", "--json", env=environment)
    (found,) = [row for row in json.loads(check.stdout) if row["part"] == "service"]
    assert found["state"] == f"up to date in {unit}"
    unit.write_text(unit.read_text("utf-8").replace("serve", "serve --jobs 1"), "utf-8")
    check = stemtool("daw", "doctor", env=environment)
    assert check.returncode == 1
    assert "Run `stemtool daw install service`." in check.stdout
    assert stemtool("daw", "uninstall", "service", env=environment).returncode == 0
    assert not unit.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_systemd_understands_the_unit(home: Path, tmp_path: Path) -> None:
    unit = tmp_path / "stemtool.service"
    unit.write_bytes(service.KEEPERS["linux"].describe())
    command = [require("systemd-analyze"), "verify", "--user", "--man=no", str(unit)]
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    check = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "")
    (line,) = [line for line in unit.read_text("utf-8").splitlines() if "ExecStart" in line]
    escaped = str(home / "bridge" / "state").replace('"', '\\"').replace("%", "%%")
    assert line.endswith(f'"serve" "--state" "{escaped.replace("$", "$$")}"')


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_a_system_that_refuses_keeps_nothing(
    home: Path, systemctl: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "bin" / "systemctl.refuses").touch()
    environment = systemctl | {name: os.environ[name] for name in ("HOME", HOME_VARIABLE)}
    refused = stemtool("daw", "install", "service", env=environment)
    assert refused.returncode == 1
    assert refused.stderr == "stemtool: systemd does not start it: No bus.\n"
    assert not list((home / ".config").rglob("*.service"))


def test_launchd_is_told_the_words(home: Path) -> None:
    agent = plistlib.loads(service.KEEPERS["darwin"].describe())
    assert agent["ProgramArguments"] == [
        str(STEMTOOL), "serve", "--state", str(home / "bridge" / "state"),
    ]  # fmt: skip
    assert agent["EnvironmentVariables"] == {HOME_VARIABLE: str(home / "bridge")}
    assert agent["RunAtLoad"] is True


def test_windows_is_told_the_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERDOMAIN", "STUDIO")
    monkeypatch.setenv("USERNAME", "a & b")
    task = ET.fromstring(service.KEEPERS["win32"].describe().decode("utf-16"))
    said = {each.tag.removeprefix(MICROSOFTS): each.text for each in task.iter()}
    assert said["Command"] == str(STEMTOOL)
    state = str(home / "bridge" / "state").replace('"', '\\"')
    assert said["Arguments"] == f'serve --state "{state}"'
    assert said["UserId"] == "STUDIO\\a & b"


def test_other_systems_have_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "sys", SimpleNamespace(platform="haiku"))
    assert not service.is_installed()
    with pytest.raises(DawError, match="would start a server on haiku"):
        service.install_service()
