"""Names from strangers, in what stemtool prints and logs: a line stays one, and does nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile
from rich.console import Console

from daw_bridge.osc.client import JobStatus
from stemtool_cli.remote import _tabulate
from tests.conftest import make_noise
from tests.osc.requests import submit
from tests.server import Server, Tcp, wait_until
from tests.stemtool import STEMTOOL, stemtool

pytestmark = pytest.mark.usefixtures("network_path")

EVIL = "[red]a\x1b[2J\x9b\nstemtool: all is well\r\u202e:bomb:"
SEEN = r"[red]a\x1b[2J\x9b\nstemtool: all is well\r\u202e:bomb:"
CONTROLS = ("\x1b", "\x9b", "\r", "\u202e", "\nstemtool: all")


def make_wav(path: Path, *, frames: int = 2000) -> Path:
    with path.open("wb") as file:
        soundfile.write(file, make_noise(frames).samples.T, 44_100, format="WAV")
    return path


def assert_harmless(*texts: str) -> None:
    for text in texts:
        assert not any(each in text for each in CONTROLS)


@pytest.mark.parametrize(
    ("command", "out"), [("separate", "out"), ("remix", "r.wav"), ("upmix", "u.wav")]
)
def test_a_name_is_one_line(command: str, out: str, tmp_path: Path) -> None:
    song, broken = make_wav(tmp_path / f"{EVIL}.wav"), tmp_path / f"{EVIL}.flac"
    run = stemtool(command, song, "-o", tmp_path / out)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[0] == str(tmp_path / f"{SEEN}.wav")
    assert_harmless(run.stdout, run.stderr)
    broken.write_text("no audio")
    run = stemtool(command, broken, "-o", tmp_path / out, "--overwrite")
    assert run.returncode == 1
    assert SEEN in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert_harmless(run.stderr)


def test_json_is_exact(tmp_path: Path) -> None:
    song = make_wav(tmp_path / f"{EVIL}.wav")
    run = stemtool("info", song, "--json")
    assert json.loads(run.stdout)["files"][0]["source"] == str(song)
    assert_harmless(run.stdout)
    assert_harmless(stemtool("info", song).stdout)


def test_wrong_usage_is_printable() -> None:
    run = stemtool("separate", f"--{EVIL}")
    assert run.returncode == 2
    assert "No such option" in run.stderr
    assert not any(each in run.stderr for each in ("\x1b", "\x9b", "\r", "\u202e"))


def test_a_progress_bar_shows_a_name_as_it_is(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    song = make_wav(tmp_path / f"{EVIL[5:]}[red].wav", frames=3_000_000)
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    subprocess.run(
        [STEMTOOL, "info", song], stderr=terminal, stdout=subprocess.DEVNULL, env=environment,
        check=True,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(controller, 65_536):
            shown += piece
    except OSError:  # there is no more, on Linux
        pass
    os.close(controller)
    text = shown.decode()
    assert r"\x1b[2J\x9b\nstemtool: all is well\r\u202e:bomb:[red].wav" in text
    assert "\x1b[2J" not in text
    assert "\u202e" not in text


def test_a_table_of_jobs_shows_names_as_they_are() -> None:
    shown = io.StringIO()
    job = JobStatus(f"[link=x]{EVIL}", "done", 1.0, ":bomb:[/]", f"/{EVIL}")
    Console(file=shown, width=250, force_terminal=True).print(_tabulate([job]))
    assert f"[link=x]{SEEN}" in shown.getvalue()
    assert ":bomb:[/]" in shown.getvalue()
    assert "\x1b[2J" not in shown.getvalue()


def test_models_and_presets_of_strangers_are_listed(home: Path) -> None:
    shipped = Path(__file__).parents[2] / "models" / "spleeter-2stems" / "manifest.toml"
    model = home / "models" / "evil" / "manifest.toml"
    model.parent.mkdir(parents=True)
    licence = EVIL.encode("unicode_escape").decode().replace(r"\x", r"\u00")
    text = shipped.read_text("utf-8").replace('"spleeter-2stems"', '"evil"', 1)
    model.write_text(text.replace('"MIT"', f'"{licence}"'), "utf-8")
    presets = home / "presets" / "effects"
    presets.mkdir(parents=True)
    (presets / "evil.toml").write_text(f'summary = "{licence}"\n# \x9b\u202e\n', "utf-8")
    for command in (
        ("models", "list", "--available"), ("models", "show", "evil"), ("doctor",),
        ("presets", "list"), ("presets", "show", "evil"), ("presets", "check", presets / EVIL),
    ):  # fmt: skip
        run = stemtool(*command)
        said = run.stdout + run.stderr
        assert "evil" in said or "all is well" in said
        assert_harmless(run.stdout, run.stderr)


@pytest.mark.parametrize("form", [(), ("--log-json",)])
def test_a_log_has_a_line_for_each_event(form: tuple[str, ...], tmp_path: Path) -> None:
    song = make_wav(tmp_path / "song.wav")
    broken = Path(shutil.copy(song, tmp_path / f"{EVIL}.wav"))
    broken.write_bytes(b"RIFF of no use")
    with Server(tmp_path, tmp_path / "state", ("-v", *form)) as server, Tcp(server.port) as peer:
        submit(peer, "refused", f"/nowhere/{EVIL}", song)
        submit(peer, "broken", tmp_path / "out", broken)
        submit(peer, EVIL, tmp_path / "out", song)
        wait_until(lambda: "job failed" in server.log, server.is_running)
    assert_harmless(server.log)
    assert all(line.startswith("{" if form else "timestamp=") for line in server.log.splitlines())
    assert SEEN.split("\\", maxsplit=1)[0] in server.log
