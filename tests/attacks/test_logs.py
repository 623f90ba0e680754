"""What strangers write is told on one line, in letters: to a terminal, to a log, to a script."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from typing import TYPE_CHECKING

import pytest

from tests.attacks.client import Tcp, Udp
from tests.attacks.networks import TOLD, write_network
from tests.attacks.serving import MODEL, finished, serving, write_song
from tests.attacks.victims import some, stemtool
from tests.server import Server, wait_until

if TYPE_CHECKING:
    from pathlib import Path

_EVIL = {
    "line": "x\ntimestamp=2030-01-01T00:00:00Z level=info event=forged",
    "return": "x\rtimestamp=2030-01-01T00:00:00Z",
    "terminal": "x\x1b[2J\x1b]0;owned\x07",
    "c1": "x\x9b2J\x85y",
    "bidi": "x\u202egpj.\u2066y",
    "separators": "x\u2028y\u2029z",
}
_TURNS_TEXT = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def dangers(text: str) -> set[str]:
    """Return what is no letter in a log: controls, ends of lines, and what turns text around."""
    kinds = {"Cc", "Cs", "Zl", "Zp"}
    controls = {sign for sign in text if unicodedata.category(sign) in kinds} - {"\n"}
    return controls | set(_TURNS_TEXT.findall(text))


@pytest.mark.parametrize("evil", _EVIL)
def test_the_server_s_log_is_of_its_own_lines(evil: str, server: Server, place: Path) -> None:
    text = _EVIL[evil]
    song = write_song(place / "song.wav", 0.5)
    encoded = "".join(f"%{byte:02X}" for byte in text.encode())
    with Tcp(server.port) as client:
        client.ask("/stems/hello", "siis", text, 1, 0, text)
        finished(client, text, place / "a", song)
        finished(client, f"b-{place.name}", place / text, song)
        finished(client, f"c-{place.name}", place / "c", place / text)
        for number, options in enumerate(
            (
                f"label={encoded}",
                f"{text}=1;{encoded}=2",
                f"stems={encoded}",
                f"on_done=/x {encoded}",
            )
        ):
            job = f"{number}-{place.name}"
            finished(client, job, place / f"{number}", song, options=options)
        client.send(f"/{text}", "s", text)
        client.ask("/stems/put", "sshs", text, text, 10, text)
        finished(client, f"last-{place.name}", place / "last", song)
    wait_until(lambda: f"last-{place.name}" in server.log)
    assert dangers(server.log) == set()
    assert all(re.match("timestamp=", line) for line in server.log.splitlines() if line)


def test_a_log_of_json_is_json_a_line(library: Path, tmp_path: Path) -> None:
    with serving(library, tmp_path, "--log-json", "-v") as server, Udp(server.port) as client:
        song = write_song(server.root / "song.wav", 0.5)
        for number, text in enumerate(_EVIL.values()):
            client.ask("/stems/hello", "siis", text, 1, 0, "")
            finished(client, f"{number}", server.root / text, song)
        lines = server.log.splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert dangers(server.log) == set()


@pytest.mark.parametrize("command", [["info"], ["separate", "-m", MODEL, "-o", "{out}"]])
def test_a_file_s_name_is_told_in_letters(command: list[str], home: Path, tmp_path: Path) -> None:
    sources = [tmp_path / f"{text}.wav" for text in _EVIL.values()]
    for source in sources:
        source.write_text("no audio")
    run = stemtool(*(word.format(out=tmp_path / "out") for word in command), *sources)
    assert run.is_refusal, run
    assert dangers(run.said) == set()
    assert not any(line.startswith("timestamp=") for line in run.said.splitlines())


def test_a_manifest_s_words_are_told_in_letters(home: Path) -> None:
    text = (home / "models" / MODEL / "manifest.toml").read_text("utf-8")
    for name, evil in _EVIL.items():
        folder = home / "models" / name
        shutil.copytree(home / "models" / MODEL, folder)
        spoilt = text.replace('"unknown"', json.dumps(evil)).replace(f'"{MODEL}"', f'"{name}"')
        spoilt = spoilt.replace('"vocals"', json.dumps(f"[red]{evil}"))
        (folder / "manifest.toml").write_text(spoilt, "utf-8")
    for command in (["models", "list", "--available"], ["doctor"]):
        run = stemtool(*command)
        assert "Traceback" not in run.said
        assert dangers(run.said) == set()


@pytest.mark.parametrize("evil", some(_EVIL))
def test_a_network_s_words_are_told_in_letters(evil: str, home: Path, tmp_path: Path) -> None:
    told = {**TOLD, "primary_stem": _EVIL[evil], "compensate": _EVIL[evil]}
    run = stemtool("models", "import", write_network(tmp_path / "net.onnx", told=told))
    assert run.is_refusal, run
    assert dangers(run.said) == set()


def test_a_preset_s_words_are_told_in_letters(home: Path) -> None:
    (home / "presets/effects").mkdir(parents=True)
    for name, evil in _EVIL.items():
        path = home / f"presets/effects/{name}.toml"
        path.write_text(f"summary = {json.dumps(evil)}\n", "utf-8")
    run = stemtool("presets", "list")
    assert run.status == 0, run
    assert dangers(run.said) == set()


def test_what_a_server_says_is_told_in_letters(library: Path, tmp_path: Path) -> None:
    """Where the server's clients are strangers, `stemtool status` prints their names."""
    with serving(library, tmp_path) as server:
        song = write_song(server.root / "song.wav", 0.5)
        with Udp(server.port) as client:
            finished(client, "x\u202ey\x9bz", server.root / "x\u202ey\x9bz", song)
        run = stemtool("status", "--to", f"127.0.0.1:{server.port}")
    assert run.status == 0, run
    assert dangers(run.said) == set()
