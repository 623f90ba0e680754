"""`stemtool daw doctor`: what is missing, and that doing what it says mends it."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from daw_bridge.library.places import HOME_VARIABLE
from tests.mini_mdx import WINDOW, write_net
from tests.stemtool import stemtool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server import Server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home, where Ardour and REAPER were used, on a machine that runs Linux."""
    if os.name != "posix":
        pytest.skip("the folders are Linux's")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "bridge"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for name in ("ardour8", "REAPER"):
        (tmp_path / ".config" / name).mkdir(parents=True)
    return tmp_path


def examine(*arguments: object) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit status, and the findings by what was looked at."""
    run = stemtool("daw", "doctor", *arguments, "--json")
    assert run.stderr == ""
    return run.returncode, {row["part"]: row for row in json.loads(run.stdout)}


def test_a_client_from_none_to_the_newest(home: Path) -> None:
    status, found = examine("ardour")
    assert status == 1
    assert found["client"]["state"] == f"not installed in {home / '.config' / 'ardour8'}"
    assert found["client"]["remedy"] == "Run `stemtool daw install ardour`."
    assert stemtool("daw", "doctor").returncode == 0  # what nobody asked for is not missing

    assert stemtool("daw", "install", "ardour").returncode == 0
    status, found = examine("ardour")
    assert (status, found["menu"]["state"]) == (0, "shows it")
    assert found["client"]["state"].startswith("up to date in ")

    script = home / ".config/ardour8/scripts/daw-bridge/stems.lua"
    script.write_text(script.read_text("utf-8") + "-- older", "utf-8")
    (home / ".config/ardour8/ui_scripts").unlink()
    status, found = examine("ardour")
    assert (status, found["menu"]["state"]) == (1, "does not show it")
    assert found["client"]["state"].startswith("not as this stemtool has it")
    assert stemtool("daw", "install", "ardour").returncode == 0
    assert examine("ardour")[0] == 0


def test_reaper_has_the_script_once_its_user_loaded_it(home: Path) -> None:
    assert stemtool("daw", "install", "reaper").returncode == 0
    status, found = examine("reaper")
    assert status == 1
    assert found["menu"]["remedy"].startswith("In REAPER, press Actions > Show action list")
    (home / ".config/REAPER/reaper-kb.ini").write_text(
        'SCR 4 0 RS6bd2 "Custom: separate_into_stems.lua" "daw-bridge/separate_into_stems.lua"\n'
    )
    assert examine("reaper")[0] == 0


def test_lists_of_models_follow_what_comes_and_goes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    (home / "audacity").mkdir()
    assert stemtool("daw", "install", "audacity").returncode == 0
    (plug_in,) = (home / "audacity").rglob("*.ny")
    assert '"mine"' not in plug_in.read_text("utf-8")
    net = write_net(home / "net.onnx", [0, 4, 2048, 64], mdx_n_fft_scale_set=str(WINDOW))
    assert stemtool("models", "import", net, "--name", "mine").returncode == 0
    assert '"mine"' in plug_in.read_text("utf-8")
    assert examine("audacity")[0] == 0
    shutil.rmtree(home / "bridge" / "models" / "mine")
    status, found = examine("audacity")
    assert status == 1
    assert found["client"]["remedy"] == "Run `stemtool daw install audacity`."


def test_a_daw_that_is_not_here(home: Path) -> None:
    status, found = examine("max")
    assert (status, found["program"]["state"]) == (1, "not found on this machine")
    unknown = stemtool("daw", "doctor", "ardor")
    assert unknown.returncode == 2
    assert "did you mean 'ardour'?" in unknown.stderr


def test_a_session_outside_of_home(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    session = tmp_path_factory.mktemp("disk") / "a session"
    assert examine("--session", session)[1]["folder"]["state"] == "not there"
    session.mkdir()
    status, found = examine("--session", session)
    assert status == 1
    assert str(home) in found["folder"]["state"]
    assert f"--root {session}" in found["folder"]["remedy"]
    project = home / ".config/REAPER/song.rpp"
    project.touch()
    assert examine("--session", project)[0] == 0
    assert stemtool("daw", "install", "reaper", "--root", session.parent).returncode == 0
    status, found = examine("--session", session)
    assert found["folder"] == {
        "subject": f"Session {session}", "part": "folder", "state": "the server can use it",
        "remedy": "",
    }  # fmt: skip


def test_a_server_that_runs(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(server.state.parent))
    status, found = examine("--session", server.root)
    assert status == 0
    assert found["answer"]["state"].endswith(f"at 127.0.0.1:{server.port}")
    assert found["folders"]["state"] == str(server.root)
    assert found["folder"]["remedy"] == ""


def test_people_read_it_by_subject(home: Path) -> None:
    lines = stemtool("daw", "doctor", "reaper").stdout.splitlines()
    assert lines[0] == "REAPER"
    assert "            Run `stemtool daw install reaper`." in lines
    assert lines[-3] == "Server"
