"""A server that is started by who needs it, is found by the others, and leaves by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daw_bridge.osc.client import Client
from daw_bridge.osc.settings import DEFAULT_PORT, find_server
from tests.server import HOST, wait_until
from tests.stemtool import STEMTOOL, stemtool


@pytest.fixture
def state(tmp_path: Path, network_path: Path) -> Iterator[Path]:
    """A state folder; a server that keeps its jobs there is ended."""
    state = tmp_path / "state"
    yield state
    if (state / "server").exists():
        with suppress(ProcessLookupError):
            os.kill(int(facts(state)["pid"]), signal.SIGKILL)


def facts(state: Path) -> dict[str, str]:
    lines = (state / "server").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def command(state: Path, *options: object) -> list[str]:
    said = ["serve", "--on-demand", "--state", state, "--provider", "cpu", "--jobs", 1, *options]
    return list(map(str, said))


def test_two_at_once_start_one_which_leaves_by_itself(
    state: Path, clip: Path, tmp_path: Path
) -> None:
    asked = [str(STEMTOOL), *command(state, "--root", tmp_path, "--idle-minutes", 0.1)]
    both = [subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    told = facts(state)
    assert said == [f"stemtool serves at {HOST}:{told['port']}.\n"] * 2
    assert (state / "serve.log").read_text("utf-8").count("event=ready") == 1
    assert not (state / "serve.log.1").exists()

    again = stemtool(*command(state, "--root", tmp_path, "--idle-minutes", 0.1))
    assert (again.returncode, again.stdout) == (0, said[0])
    assert facts(state)["pid"] == told["pid"]
    with Client(port=int(told["port"])) as client:
        assert len(client.separate([clip], tmp_path / "stems")) == 2
    wait_until(lambda: not (state / "server").exists())
    wait_until(lambda: not is_running(int(told["pid"])))
    assert "level=error" not in (state / "serve.log").read_text("utf-8")


def test_it_starts_beside_what_a_killed_server_left_and_where_the_port_is_taken(
    state: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    state.mkdir()
    (state / "roots").write_text(f"{more}\n{tmp_path / 'unplugged'}\n", "utf-8")
    with socket.socket() as other:
        with suppress(OSError):  # taken already, which is just as good
            other.bind((HOST, DEFAULT_PORT))
        other.listen()
        assert stemtool(*command(state)).returncode == 0
        killed = facts(state)
        assert int(killed["port"]) != DEFAULT_PORT
        os.kill(int(killed["pid"]), signal.SIGKILL)
        wait_until(lambda: not is_running(int(killed["pid"])))
        assert stemtool(*command(state)).returncode == 0
    told = facts(state)
    assert told["pid"] != killed["pid"]
    roots = {key: root for key, root in told.items() if key.startswith("root:")}
    assert roots == {"root:1": str(Path.home()), "root:2": str(more)}
    Client(port=int(told["port"])).close()
    assert find_server(state) == (HOST, int(told["port"]))
    os.kill(int(told["pid"]), signal.SIGTERM)
    wait_until(lambda: not is_running(int(told["pid"])))


def test_why_it_does_not_start_is_one_sentence(state: Path, tmp_path: Path) -> None:
    unknown = stemtool(*command(state, "-m", "unheard-of"))
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("stemtool: There is no model 'unheard-of'")
    assert unknown.stderr.count("\n") == 1
    (tmp_path / "file").touch()
    nowhere = stemtool(*command(tmp_path / "file"))
    assert nowhere.returncode == 1
    assert nowhere.stderr.count("\n") == 1
    assert str(tmp_path / "file") in nowhere.stderr


def is_running(pid: int) -> bool:
    """Return whether a process runs, and was not only not waited for."""
    with suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("utf-8")
    return False
