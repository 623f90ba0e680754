"""What a server opens for clients is below its roots, and a file that it may read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import soundfile

from daw_bridge.osc.messages import Message
from tests.conftest import make_noise
from tests.osc.requests import ENDS, status_of, submit
from tests.server import Server, Tcp, Udp
from tests.swapping import swapping, try_until_both

SECRET = b"a secret that is no client's business"
RACES = 10


@pytest.fixture(scope="module")
def server(network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for most tests; each has a folder of its own below its root."""
    root = tmp_path_factory.mktemp("root").resolve()
    with Server(root, tmp_path_factory.mktemp("state")) as server:
        yield server


@pytest.fixture
def shared(server: Server, request: pytest.FixtureRequest) -> Path:
    """The test's folder below the root."""
    folder = server.root / re.sub(r"\W+", "-", request.node.name)
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is not below the root."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(SECRET)
    return folder


@pytest.fixture
def take(shared: Path) -> Path:
    path = shared / "take.wav"
    soundfile.write(path, make_noise(5000).samples.T, 44_100)
    return path


def run(server: Server, folder: Path, take: Path, **how: str) -> list[object]:
    """Have a job done that is called like its folder; return the arguments of the last message."""
    with Tcp(server.port) as peer:
        submit(peer, job_in(folder), folder, take, **how)  # type: ignore[arg-type]
        return peer.receive_until(*ENDS)[-1].arguments


def job_in(folder: Path) -> str:
    return f"{folder.parent.name} {folder.name}"


def get(server: Server, folder: Path, stem: str) -> Message:
    """Ask for a stem; return the first answer."""
    with Tcp(server.port) as peer:
        peer.socket.settimeout(20)
        return peer.ask("/stems/get", "ss", job_in(folder), stem)


def test_a_stem_that_was_replaced_is_not_sent(
    server: Server, shared: Path, take: Path, outside: Path
) -> None:
    out = shared / "out"
    assert run(server, out, take)[1] == 2
    assert get(server, out, "vocals").address == "/stems/reply"
    (out / "vocals.wav").unlink()
    (out / "vocals.wav").symlink_to(outside / "secret")
    assert "a link is in its path" in str(get(server, out, "vocals").arguments[3])
    (out / "vocals.wav").unlink()
    os.mkfifo(out / "vocals.wav")
    for _ in range(2):
        assert "a pipe" in str(get(server, out, "vocals").arguments[3])
    out.rename(shared / "away")
    out.symlink_to(outside)
    (outside / "accompaniment.wav").write_bytes(SECRET)
    assert "a link is in its path" in str(get(server, out, "accompaniment").arguments[3])


def test_a_stem_that_changes_while_it_is_sent_is_an_error(
    server: Server, shared: Path, take: Path
) -> None:
    out = shared / "out"
    run(server, out, take)
    with (out / "vocals.wav").open("ab") as file:
        file.truncate(100 << 20)
    with Tcp(server.port) as peer:
        peer.send("/stems/get", "ss", job_in(out), "vocals")
        assert peer.receive().arguments[3] == 100 << 20
        with (out / "vocals.wav").open("r+b") as file:
            file.write(b"changed")
        message = peer.receive_until("/stems/error")[-1]
    assert "was changed while it was sent" in str(message.arguments[3])


@pytest.mark.parametrize("kind", ["remix", "upmix"])
def test_stems_that_are_pipes_or_links_hold_up_nobody(
    kind: str, server: Server, shared: Path, take: Path, outside: Path
) -> None:
    (stems := shared / "stems").mkdir()
    os.mkfifo(stems / "vocals.wav")
    said = {"kind": kind, "options": f"stems={stems}"}
    assert "a pipe" in str(run(server, shared / "pipe", take, **said)[3])
    (stems / "vocals.wav").unlink()
    (stems / "vocals.wav").symlink_to(outside / "secret")
    assert run(server, shared / "link", take, **said)[2] == -9


@pytest.mark.parametrize("kind", ["remix", "upmix"])
def test_a_link_that_was_there_when_it_was_named_is_followed(
    kind: str, server: Server, shared: Path
) -> None:
    (shared / "real").mkdir()
    (linked := shared / "linked").symlink_to(shared / "real")
    for name, gain in (("take", 1), ("stems/vocals", 0.5), ("stems/others", 0.5)):
        path = shared / "real" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, gain * make_noise(5000).samples.T, 44_100, "FLOAT")
    said = {"kind": kind, "options": f"stems={linked / 'stems'}"}
    assert run(server, linked / kind, linked / "take.wav", **said)[1] == 1
    assert (shared / "real" / kind / "status").exists()


def test_a_source_that_is_swapped_is_never_read_outside(
    server: Server, shared: Path, outside: Path
) -> None:
    (songs := shared / "songs").mkdir()
    soundfile.write(songs / "take.wav", make_noise(5000).samples.T, 44_100)
    soundfile.write(outside / "take.wav", make_noise(3000).samples.T, 44_100)
    folders = (shared / f"out {number}" for number in count())

    def attempt() -> bool:
        if len(run(server, out := next(folders), songs / "take.wav")) > 3:
            return False
        assert soundfile.info(out / "vocals.wav").frames == 5000
        return True

    with swapping(songs, outside, longest_pause_s=0.01):
        try_until_both(RACES, attempt)


def test_results_are_never_written_where_a_link_leads(
    server: Server, shared: Path, take: Path, outside: Path
) -> None:
    (out := shared / "out").mkdir()
    with Tcp(server.port) as peer, swapping(out, outside, longest_pause_s=0.2):
        for number in range(10 * RACES):
            submit(peer, f"{job_in(out)} {number}", out, take, options="overwrite=1")
            peer.receive_until(*ENDS)
    assert [path.name for path in outside.iterdir()] == ["secret"]


@pytest.mark.parametrize("name", ["status", "outcome.json"])
def test_a_users_own_file_is_no_note_of_the_servers(
    name: str, server: Server, shared: Path, take: Path, outside: Path
) -> None:
    (out := shared / "out").mkdir()
    own = out / name
    own.write_bytes(take.read_bytes())
    for source in (own, take):
        assert "is not of the server's making" in str(run(server, out, source)[3])
        assert own.read_bytes() == take.read_bytes()
    own.unlink()
    own.symlink_to(outside / "secret")
    assert "is not of the server's making" in str(run(server, out, take)[3])
    assert own.is_symlink()
    assert (outside / "secret").read_bytes() == SECRET


def test_notes_of_its_own_a_server_replaces(server: Server, shared: Path, take: Path) -> None:
    out = shared / "out"
    run(server, out, take)
    with Tcp(server.port) as peer:
        submit(peer, "another", out, take, options="overwrite=1")
        assert peer.receive_until(*ENDS)[-1].address == "/stems/done"
    assert status_of(out)["job"] == "another"


@pytest.mark.parametrize("label", ["status", "Outcome.JSON"])
def test_results_are_not_called_like_notes(
    label: str, server: Server, shared: Path, take: Path
) -> None:
    said = {"kind": "upmix", "options": f"output=channels;label={label}"}
    _, _, code, sentence = run(server, shared / "out", take, **said)
    assert code == -3
    assert "choose another label" in str(sentence)


def test_what_is_left_for_the_next_server_neither_deceives_nor_holds_it(
    network_path: Path, tmp_path: Path, outside: Path
) -> None:
    (root := tmp_path.resolve() / "root").mkdir()
    server = Server(root, tmp_path / "state")
    soundfile.write(take := root / "take.wav", make_noise(4_000_000).samples.T, 44_100)
    with server, Udp(server.port) as peer:
        submit(peer, job_in(root / "real"), root / "real", take, length=1000)
        peer.receive_until("/stems/done")
        submit(peer, job_in(root / "forged"), root / "forged", take)
        peer.receive_until("/stems/progress")
        server.kill()
    text = (root / "real" / "outcome.json").read_text("utf-8")
    text = text.replace(str(root / "real"), str(outside)).replace("root real", "root forged")
    (root / "forged" / "outcome.json").write_text(text)
    for stem in ("vocals", "accompaniment"):
        (outside / f"{stem}.wav").write_bytes(SECRET)
    (root / "real" / "vocals.wav").unlink()
    os.mkfifo(root / "real" / "vocals.wav")
    with server, Udp(server.port) as peer:
        assert "fetched once it is done" in str(get(server, root / "forged", "vocals").arguments[3])
        assert "a pipe" in str(get(server, root / "real", "vocals").arguments[3])
        peer.ask("/stems/cancel", "s", job_in(root / "forged"))
        assert server.stop() == 0
