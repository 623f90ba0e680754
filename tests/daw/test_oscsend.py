"""What docs/clients.md tells users of a shell to type, typed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from daw_bridge import Audio
from tests.daw.conftest import PAGE, assert_stems
from tests.programs import require
from tests.server import HOST, PATIENCE_S, Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge import Separator


@pytest.fixture
def home(server: Server, song_path: Path, tmp_path: Path) -> Path:
    """A home folder as the page assumes it: a song, and a server that runs."""
    (tmp_path / "Music").mkdir()
    shutil.copy(song_path, tmp_path / "Music" / "song.wav")
    (tmp_path / ".local" / "state").mkdir(parents=True)
    (tmp_path / ".local" / "state" / "daw-bridge").symlink_to(server.state)
    return tmp_path


@contextmanager
def listening(command: str) -> Iterator[IO[str]]:
    """Run a command that listens on a port; give what it prints, line by line."""
    words = ["timeout", str(PATIENCE_S), *shlex.split(command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: is_taken(int(words[-1])), lambda: process.poll() is None)
            assert process.stdout
            yield process.stdout
        finally:
            process.terminate()


def is_taken(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            datagrams.bind((HOST, port))
        except OSError:
            return True
        return False


def type_in(script: str, home: Path) -> str:
    """Run a script in a shell; return what it printed."""
    run = subprocess.run(
        ["sh", "-ec", script],
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    return run.stdout


def test_the_examples(home: Path, separator: Separator) -> None:
    for program in ("oscsend", "oscdump"):
        require(program)
    listen, ask, look = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    with listening(listen) as answers:
        type_in(ask, home)
        vocals = Path(type_in(look, home).strip())
        heard = []
        for line in answers:
            heard.append(line.split(" ", 1)[1].strip())
            if heard[-1].startswith(("/stems/done", "/stems/error")):
                break
    assert heard[0].startswith('/stems/reply ssiis "/stems/hello"')
    assert heard[1] == '/stems/reply sss "/stems/separate" "my-job-1" "queued"'
    assert heard[2].startswith('/stems/progress sfs "my-job-1"')
    stems = home / "Music" / "stems"
    assert heard[-3:] == [
        f'/stems/stem siiss "my-job-1" 0 2 "vocals" "{stems}/vocals.wav"',
        f'/stems/stem siiss "my-job-1" 1 2 "accompaniment" "{stems}/accompaniment.wav"',
        f'/stems/done sis "my-job-1" 2 "{stems}/outcome.json"',
    ]
    assert vocals == stems / "vocals.wav"
    paths = {name: stems / f"{name}.wav" for name in ("vocals", "accompaniment")}
    assert_stems(paths, Audio.read(home / "Music" / "song.wav"), separator)
