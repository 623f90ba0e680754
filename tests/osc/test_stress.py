"""Many clients, many jobs, much nonsense: every answer comes, and memory and files stay flat.

The counts are those of docs/figures.md where DAW_BRIDGE_STRESS=full, a tenth otherwise.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge.osc.messages import decode, encode, frame
from tests.conftest import make_noise
from tests.server import HOST, Server, Tcp, Udp, memory_mb, open_files

SHARE = 1 if os.environ.get("DAW_BRIDGE_STRESS") == "full" else 10
CLIENTS, REQUESTS = 200 // SHARE, 50
JOBS = 1_000 // SHARE
PACKETS = 100_000 // SHARE
_HISTOGRAM_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, float("inf"))


def measure(server: Server) -> tuple[float, int]:
    """Return the memory (MB) and open files of the server and its workers together."""
    assert server.process
    processes = [server.process.pid, *server.workers]
    return sum(map(memory_mb, processes)), sum(map(open_files, processes))


def assert_alive(server: Server) -> None:
    for kind in (Udp, Tcp):
        with kind(server.port) as peer:
            assert peer.ask("/stems/sync", "i", 11).arguments == [11]


def test_load(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Each client asks, waits for the answer, and asks again; half speak UDP, half TCP."""
    latencies_ms: list[float] = []
    failures: list[BaseException] = []

    def be_a_client(number: int) -> None:
        try:
            with (Tcp if number % 2 else Udp)(server.port) as peer:
                for request in range(REQUESTS):
                    began = time.perf_counter()
                    if request % 5:
                        assert peer.ask("/stems/sync", "i", request).arguments == [request]
                    else:
                        assert peer.ask("/stems/status", "s", f"{number}").arguments[2] == -8
                    latencies_ms.append(1000 * (time.perf_counter() - began))
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    assert_alive(server)
    before, _ = measure(server)
    clients = [threading.Thread(target=be_a_client, args=(n,)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    after, _ = measure(server)
    assert not failures
    assert len(latencies_ms) == CLIENTS * REQUESTS
    assert after < before + 20
    counts, _ = np.histogram(latencies_ms, [0, *_HISTOGRAM_MS])
    with capsys.disabled():
        print(f"\n{CLIENTS} clients x {REQUESTS} requests, latency:")
        for limit, count in zip(_HISTOGRAM_MS, counts, strict=True):
            print(f"  < {limit:>6} ms {count:>6} {'#' * round(50 * count / len(latencies_ms))}")


def test_soak(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Short jobs, one after the other: memory and file descriptors stay as they were."""
    source = tmp_path / "short.wav"
    soundfile.write(source, make_noise(11_025).samples.T, 44_100)
    warm_up = JOBS // 10
    with Udp(server.port) as peer:
        for number in range(JOBS):
            if number == warm_up:
                before_mb, before_files = measure(server)
            said = (f"soak-{number}", "", str(tmp_path / f"{number}"), 0, -1, "", str(source))
            peer.send("/stems/separate", "sssddss", *said)
            assert peer.receive_until("/stems/done", "/stems/error")[-1].address == "/stems/done"
    after_mb, after_files = measure(server)
    with capsys.disabled():
        print(
            f"\n{JOBS} jobs: {before_mb:.0f} -> {after_mb:.0f} MB,"
            f" {before_files} -> {after_files} files"
        )
    assert after_mb < 1.05 * before_mb + 10
    assert after_files <= before_files + 2


def test_fuzz(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Malformed and mutated packets: the server lives, answers the next good request, no leaks."""
    chance = random.Random(20)
    assert_alive(server)
    before_mb, before_files = measure(server)
    seeds = _good_packets(tmp_path)
    answers = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect((HOST, server.port))
        udp.settimeout(0.001)
        for number in range(PACKETS):
            packet = _mutate(chance, seeds)
            if number % 5:
                udp.send(packet[:60_000])
                answers += _drain(udp) if number % 50 == 1 else 0
            elif number % 10:
                _send_stream(server.port, frame(packet))
            else:
                _send_stream(server.port, packet)
            if number % 1000 == 0:
                assert_alive(server)
        answers += _drain(udp)
    assert_alive(server)
    after_mb, after_files = measure(server)
    with capsys.disabled():
        print(f"\n{PACKETS} packets, {before_mb:.0f} -> {after_mb:.0f} MB")
    assert server.is_running()
    assert answers > 0
    assert "error of ours" not in server.log
    assert after_mb < before_mb + 20
    assert after_files <= before_files + 2


def _good_packets(tmp_path: Path) -> list[bytes]:
    out, source = str(tmp_path / "out"), str(tmp_path / "none.wav")
    messages = [
        encode("/stems/hello", "siiss", "fuzz", 1, 0, "", "token"),
        encode("/stems/models"),
        encode("/stems/presets"),
        encode("/stems/list"),
        encode("/stems/status", "s", "job"),
        encode("/stems/cancel", "s", "job"),
        encode("/stems/sync", "i", 1),
        encode("/stems/separate", "sssddss", "job", "", out, 0, -1, "bits=24;stems=vocals", source),
        encode("/stems/put", "sshs", "t", "song.wav", 1000, "0" * 64),
        encode("/stems/data", "shb", "t", 0, bytes(100)),
        encode("/stems/get", "ssh", "job", "vocals", 0),
    ]
    sized = b"".join(frame(message) for message in messages)
    return [*messages, b"#bundle\0" + bytes(7) + b"\1" + sized]


def _mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    packet = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(packet) + 1)
        match chance.randrange(6):
            case 0:
                packet[at : at + 1] = chance.randbytes(1)
            case 1:
                packet[at:at] = chance.randbytes(chance.randrange(9))
            case 2:
                del packet[at : at + chance.randrange(9)]
            case 3:
                packet[at : at + 4] = chance.choice(
                    [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)]
                )
            case 4:
                packet = packet[:at]
            case _:
                packet += chance.choice(seeds)
    return bytes(packet)


def _send_stream(port: int, data: bytes) -> None:
    with socket.create_connection((HOST, port)) as stream:
        stream.sendall(data)


def _drain(udp: socket.socket) -> int:
    """Take in what has come back, and see that it is OSC."""
    count = 0
    try:
        while True:
            assert decode(udp.recv(65_536))
            count += 1
    except OSError:
        return count
