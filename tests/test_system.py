"""What systems do differently: here as it is, and as where it is missing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daw_bridge.system import call_on_signals, list_programs, stand_back, tell_systemd
from tests.programs import require


def test_standing_back_lowers_the_priority() -> None:
    code = "import os; from daw_bridge.system import stand_back; stand_back(3); print(os.nice(0))"
    before = os.nice(0)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == min(before + 3, 19)


def test_where_nothing_stands_back_the_log_says_what_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(os, "nice")
    caplog.set_level(logging.INFO)
    stand_back(0)
    assert not caplog.messages
    stand_back(5)
    assert "start /belownormal stemtool serve" in caplog.text


def test_a_thread_that_never_returns_keeps_nobody(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipe to wait for")
    os.mkfifo(tmp_path / "pipe")
    code = f"""
import asyncio
from daw_bridge.system import UnawaitedThreads, leave_threads
async def main():
    asyncio.get_running_loop().set_default_executor(UnawaitedThreads(2))
    print(await asyncio.to_thread(lambda: "back"))
    asyncio.create_task(asyncio.to_thread(open, {str(tmp_path / "pipe")!r}))
    await asyncio.sleep(0.1)
asyncio.run(main())
print("left", flush=True)
leave_threads(0.1)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert run.stdout == "back\nleft\n"


@pytest.fixture
def _handlers() -> Iterator[None]:
    """Put back what signals did before."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop_takes_signals", [True, False])
def test_a_signal_calls_in_the_loop(
    loop_takes_signals: bool, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotImplementedError

    async def wait() -> None:
        loop, called = asyncio.get_running_loop(), asyncio.Event()
        if not loop_takes_signals:
            monkeypatch.setattr(loop, "add_signal_handler", refuse)
        call_on_signals(loop, called.set)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(called.wait(), 60)

    asyncio.run(wait())


def test_without_local_sockets_systemd_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tell_systemd("READY=1")
        assert notify.recv(100) == b"READY=1"
        monkeypatch.delattr(socket, "AF_UNIX")
        tell_systemd("READY=1")
        with pytest.raises(BlockingIOError):
            notify.recv(100)


def test_programs_are_listed_where_the_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("ps")
    assert "ps" in list_programs().split()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_programs() == ""
