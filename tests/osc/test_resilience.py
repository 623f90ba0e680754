"""What becomes of jobs when processes die, time runs out, or the server is asked to leave."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import BusyError, DawBridgeError
from daw_bridge.osc.messages import decode
from daw_bridge.serving.store import Record, Store
from tests.conftest import SONGS
from tests.osc.requests import ENDS, status_of, submit
from tests.server import HOST, PATIENCE_S, Server, Tcp, Udp, wait_until
from tests.stemtool import stemtool

CRASHES = 50 if os.environ.get("DAW_BRIDGE_STRESS") == "full" else 4


@pytest.fixture
def server(network_path: Path, tmp_path: Path) -> Server:
    """A server of the test's own, which is not started yet."""
    return Server(tmp_path, tmp_path / "state")


def records(server: Server) -> dict[str, Record]:
    store = Store(server.state / "jobs.sqlite")
    found = {record.task.job: record for record in store.latest(10_000)}
    store.close()
    return found


def assert_whole(folder: Path, source: Path) -> None:
    frames = soundfile.info(source).frames
    assert sorted(path.name for path in folder.iterdir()) == [
        "accompaniment.wav", "outcome.json", "status", "vocals.wav",
    ]  # fmt: skip
    assert status_of(folder)["state"] == "done"
    for stem in ("vocals", "accompaniment"):
        assert soundfile.info(folder / f"{stem}.wav").frames == frames


def test_a_worker_that_is_killed_costs_one_more_try(
    server: Server, long: Path, clip: Path, tmp_path: Path
) -> None:
    with server, Udp(server.port) as peer, Udp(server.port) as other:
        submit(peer, "unlucky", tmp_path / "unlucky", long, length=44_100 * 90)
        peer.receive_until("/stems/progress")
        os.kill(busiest_worker(server), signal.SIGKILL)
        submit(other, "other", tmp_path / "other", clip)
        assert other.receive_until(*ENDS)[-1].address == "/stems/done"
        assert peer.receive_until(*ENDS)[-1].address == "/stems/done"
    assert records(server)["unlucky"].deaths == 1
    assert status_of(tmp_path / "unlucky")["state"] == "done"


def test_a_job_that_kills_workers_is_given_up(
    server: Server, long: Path, clip: Path, tmp_path: Path
) -> None:
    with server, Udp(server.port) as peer:
        submit(peer, "deadly", tmp_path / "deadly", long)
        for attempt in (1, 2):
            wait_until(partial(has_begun, server, attempt))
            peer.discard()
            peer.receive_until("/stems/progress")
            os.kill(busiest_worker(server), signal.SIGSEGV)
        refusal = peer.receive_until(*ENDS)[-1]
        assert refusal.arguments[1:3] == ["deadly", -1]
        assert "SIGSEGV" in str(refusal.arguments[3])
        submit(peer, "next", tmp_path / "next", clip)
        assert peer.receive_until(*ENDS)[-1].address == "/stems/done"
    assert [path.name for path in (tmp_path / "deadly").iterdir()] == ["status"]


def test_a_job_that_takes_too_long_is_ended(server: Server, long: Path, tmp_path: Path) -> None:
    server.options = ("--max-job-time", "1")
    with server, Udp(server.port) as peer:
        submit(peer, "slow", tmp_path / "out", long)
        refusal = peer.receive_until(*ENDS)[-1]
        assert refusal.arguments[2] == -1
        assert "took more than 1 s" in str(refusal.arguments[3])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["status"]


def test_sigterm_finishes_what_runs_and_keeps_what_waits(
    server: Server, clip: Path, long: Path, tmp_path: Path
) -> None:
    server.options = ("--jobs", "1")
    with server, Udp(server.port) as peer:
        submit(peer, "runs", tmp_path / "runs", long, length=44_100 * 60)
        submit(peer, "waits", tmp_path / "waits", clip)
        peer.receive_until("/stems/progress")
        assert server.stop() == 0
        assert not (server.state / "server").exists()
    states = {job: record.state for job, record in records(server).items()}
    assert states == {"runs": "done", "waits": "queued"}
    with server:
        wait_until(lambda: status_of(tmp_path / "waits")["state"] == "done")
    assert_whole(tmp_path / "waits", clip)


def test_a_second_sigterm_ends_it_at_once(
    server: Server, clip: Path, long: Path, tmp_path: Path
) -> None:
    """Even with a job that runs, and a thread that waits for a pipe that nobody writes to."""
    with server, Tcp(server.port) as peer, Udp(server.port) as other:
        submit(peer, "fetched", tmp_path / "fetched", clip)
        assert peer.receive_until(*ENDS)[-1].address == "/stems/done"
        (tmp_path / "fetched" / "vocals.wav").unlink()
        os.mkfifo(tmp_path / "fetched" / "vocals.wav")
        peer.send("/stems/get", "ss", "fetched", "vocals")
        submit(other, "runs", tmp_path / "runs", long)
        other.receive_until("/stems/progress")
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert records(server)["runs"].state == "queued"


def test_sigterm_stops_at_once_where_it_should(server: Server, long: Path, tmp_path: Path) -> None:
    server.options = ("--on-exit", "stop")
    with server, Udp(server.port) as peer:
        submit(peer, "parked", tmp_path / "out", long, length=44_100 * 70)
        peer.receive_until("/stems/progress")
        assert server.stop() == 0
    assert records(server)["parked"].state == "queued"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["status"]
    with server:
        wait_until(lambda: status_of(tmp_path / "out")["state"] == "done")


def test_events_find_their_udp_port_after_a_crash(
    server: Server, long: Path, tmp_path: Path
) -> None:
    server.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((HOST, 0))
        listener.settimeout(PATIENCE_S)
        with Udp(server.port) as peer:
            options = f"reply=osc.udp://:{listener.getsockname()[1]}"
            submit(peer, "survives", tmp_path / "out", long, length=44_100 * 70, options=options)
        addresses = [decode(listener.recv(9000))[0].address]
        while addresses[-1] != "/stems/progress":
            addresses.append(decode(listener.recv(9000))[0].address)
        server.kill()
        with server:
            while addresses[-1] not in ENDS:
                addresses.append(decode(listener.recv(9000))[0].address)
    assert addresses[0] == "/stems/reply"
    assert addresses[-1] == "/stems/done"


def test_limits_on_the_queue(server: Server, long: Path, clip: Path, tmp_path: Path) -> None:
    server.options = ("--jobs", "1", "--max-queue", "3", "--max-queue-per-client", "2")
    with server, Tcp(server.port) as one, Tcp(server.port) as two, Tcp(server.port) as three:
        submit(one, "runs", tmp_path / "runs", long)
        one.receive_until("/stems/progress")
        for name in ("a", "b", "c"):
            submit(one, name, tmp_path / name, clip)
        refusal = one.receive_until("/stems/error")[-1]
        assert refusal.arguments[1:3] == ["c", -6]
        assert "of yours" in str(refusal.arguments[3])
        submit(two, "d", tmp_path / "d", clip)
        assert two.receive().arguments[2] == "queued"
        submit(three, "e", tmp_path / "e", clip)
        refusal = three.receive()
        assert refusal.arguments[1:3] == ["e", -6]
        assert not (tmp_path / "e").exists()
        one.send("/stems/cancel", "s", "runs")
        assert two.receive_until(*ENDS)[-1].address == "/stems/done"


def test_limits_on_connections(server: Server) -> None:
    server.options = ("--max-connections", "2")
    with server, Tcp(server.port) as one, Tcp(server.port) as two:
        assert one.ask("/stems/sync", "i", 1).arguments == [1]
        assert two.ask("/stems/sync", "i", 2).arguments == [2]
        with Tcp(server.port) as three:
            assert three.receive().arguments[2] == -6
            with pytest.raises(EOFError):
                three.receive()
        one.socket.close()
        time.sleep(0.2)
        with Tcp(server.port) as four:
            assert four.ask("/stems/sync", "i", 4).arguments == [4]


def test_a_token_is_asked_for(server: Server, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("correct horse battery\n")
    server.options = ("--token-file", str(token), "--host", "0.0.0.0")
    with server:
        for kind in (Udp, Tcp):
            with kind(server.port) as peer:
                assert peer.ask("/stems/status", "s", "x" * 99).arguments[2] == -10
                refusal = peer.ask("/stems/hello", "siiss", "", 1, 0, "", "wrong")
                assert refusal.arguments[2] == -10
                assert peer.ask("/stems/status", "s", "x" * 99).arguments[2] == -10
                reply = peer.ask("/stems/hello", "siiss", "", 1, 0, "", "correct horse battery")
                assert reply.address == "/stems/reply"
                assert peer.ask("/stems/list").address == "/stems/done"
        with pytest.raises(DawBridgeError, match="token"):
            server.client()
        with server.client(token="correct horse battery") as client:
            assert client.jobs() == []


def test_what_a_power_cut_left_is_set_aside(server: Server, clip: Path, tmp_path: Path) -> None:
    """Neither a record, nor an upload, nor the database itself keeps the server from serving."""
    with server, server.client() as client:
        client.upload(clip)
        client.separate([clip], tmp_path / "before", job="before")
    (announced,) = server.state.glob("transfers/*/announced.json")
    announced.write_bytes(bytes(announced.stat().st_size))
    with closing(sqlite3.connect(server.state / "jobs.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE jobs SET record = x'00', state = 'queued'")
    with server, server.client() as client:
        assert client.jobs() == []
        client.separate([clip], tmp_path / "after", job="before")
    assert "upload set aside" in server.log
    assert "record set aside" in server.log
    (server.state / "jobs.sqlite").write_bytes(b"\xa5" * 9000)
    with server, server.client() as client:
        assert client.jobs() == []
    assert list(server.state.glob("jobs.sqlite.damaged-*"))
    assert "jobs set aside" in server.log


def test_uploads_are_limited(server: Server, clip: Path, tmp_path: Path) -> None:
    server.options = ("--max-transfers-per-host", "1", "--jobs", "1")
    with server, server.client() as client:
        source = client.upload(clip)
        rest = tmp_path / "rest.wav"
        rest.write_bytes(bytes((1 << 20) - clip.stat().st_size + 1))
        with pytest.raises(BusyError, match=r"those of 127\.0\.0\.1 together"):
            client.upload(rest)
        client.drop(source)
        client.drop(client.upload(rest))


def test_a_job_keeps_its_upload(server: Server, long: Path, tmp_path: Path) -> None:
    server.options = ("--on-exit", "stop", "--jobs", "1")
    with server, server.client() as client, Udp(server.port) as peer:
        source = client.upload(long)
        submit(peer, "needs it", tmp_path / "out", source)
        peer.receive_until("/stems/progress")
        with pytest.raises(BusyError, match="yet to read"):
            client.drop(source)


def test_one_server_a_state_folder(server: Server) -> None:
    with server:
        refused = stemtool("serve", "--port", "0", "--state", server.state)
        assert refused.returncode == 1
        assert "--state names another folder" in refused.stderr


def test_kill_at_random_points(server: Server, tmp_path: Path) -> None:
    """Kill -9, again and again: nothing is lost, nothing doubled, nothing partial."""
    moments = random.Random(1)
    song = Audio.read(SONGS / "sodium.ogg")
    accepted: dict[str, Path] = {}
    for crash in range(CRASHES):
        server.start()
        with Udp(server.port) as peer:
            for number in range(3):
                source = tmp_path / f"{crash}-{number}.wav"
                frames = moments.randrange(20_000, 12 * 44_100)
                soundfile.write(source, song.samples[:, :frames].T, song.sample_rate_hz)
                submit(peer, source.stem, tmp_path / source.stem, source)
                accepted[source.stem] = source
            queued = 0
            while queued < 3:
                message = peer.receive()
                queued += message.address == "/stems/reply"
            time.sleep(moments.random() * 1.2)
        orphans = server.workers
        server.kill()
        assert all(kept in records(server) for kept in accepted)
        wait_until(partial(are_gone, orphans))
    with server:
        wait_until(lambda: all(record.is_over for record in records(server).values()))
    for job, source in accepted.items():
        assert records(server)[job].state == "done", records(server)[job]
        assert_whole(tmp_path / job, source)
    done = Counter(re.findall('event="job done" job=(\\S+)', server.log))
    assert set(done.values()) == {1}


def has_begun(server: Server, times: int) -> bool:
    return server.log.count('event="job running"') == times


def busiest_worker(server: Server) -> int:
    """Return the worker that gets most processor time just now."""
    before = {pid: processor_ticks(pid) for pid in server.workers}
    time.sleep(0.3)
    return max(before, key=lambda pid: processor_ticks(pid) - before[pid])


def processor_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def are_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}/exe").exists() for pid in pids)
