"""What systems do differently, or only some of them at all."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence
    from pathlib import Path

_TASKLIST = os.path.join(os.environ.get("SYSTEMROOT", ""), "System32", "tasklist.exe")  # noqa: PTH118
"""Its full path: Windows also looks for programs in the current folder."""
_LIST_PROGRAMS = [_TASKLIST, "/NH"] if sys.platform == "win32" else ["ps", "-x", "-o", "comm="]
_RUN_MODULE = (
    "import runpy, sys; sys.path[:] = filter(None, sys.path);"
    " runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)

_DETACHED = 0
if sys.platform == "win32":  # where there are no sessions, and children would open a console each
    _DETACHED = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW

_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3  # glibc's malloc.h
_LARGE_BLOCK_BYTES = 128 << 10
_UNAWAITED = "unawaited"

log = logging.getLogger(__name__)


def usable_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def module_command(module: str) -> list[str]:
    """Return the command that runs a Python module, as ``python -m`` does.

    Unlike that, it looks for no module in the current folder, which may be a stranger's.
    """
    return [sys.executable, "-c", _RUN_MODULE, module]


class Allowance(NamedTuple):
    """What a process may take.

    Attributes:
        memory_bytes: of addresses, whether they are used or not.
        cpu_s: time of all its threads together.
        file_bytes: size of a file that it writes.
    """

    memory_bytes: int
    cpu_s: int
    file_bytes: int


def restrict(allowance: Allowance) -> None:
    """Let this process take no more than it is allowed, and leave no memory behind if it crashes.

    Windows has no such limits, and macOS does not hold that of memory.
    """
    if sys.platform == "win32":
        return
    import resource

    limits = {
        resource.RLIMIT_AS: allowance.memory_bytes,
        resource.RLIMIT_CPU: allowance.cpu_s,
        resource.RLIMIT_FSIZE: allowance.file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(OSError, ValueError):  # this system has not this one
            resource.setrlimit(kind, (most, hard))


def share_one_heap() -> None:
    """Keep glibc from giving each thread its own heap, where what others free cannot be reused.

    The peak is then the same from run to run, and for a song and a day of music.
    """
    _tune_glibc(_M_ARENA_MAX, 1)


def give_back_large_blocks() -> None:
    """Have glibc return each block of 128 kB or more to the system once it is freed.

    Otherwise it takes all but the first from its heap, which shrinks from its end only.
    """
    _tune_glibc(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)


def _tune_glibc(parameter: int, value: int) -> None:
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(parameter, value)


def stand_back(niceness: int) -> None:
    """Let other processes go first, by so many steps of niceness, or log what does it instead."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(niceness)
    elif niceness:
        log.info(
            "Windows has no niceness, so jobs compete with other programs: "
            "'start /belownormal stemtool serve' lets those go first."
        )


def call_on_signals(loop: AbstractEventLoop, act: Callable[[], None]) -> None:
    """Call a function in a loop on SIGTERM and on an interrupt."""
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))


class UnawaitedThreads(ThreadPoolExecutor):
    """Threads for calls that block; nobody waits for them at the end, as some never return.

    Args:
        most: how many there are at most.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most, thread_name_prefix=_UNAWAITED)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Start nothing more, and go on."""
        super().shutdown(wait=False, cancel_futures=True)


def leave_threads(patience_s: float) -> None:
    """End the process, and well, if nobody waits for threads that are still at work by then.

    The interpreter would, for ever, before it ends.
    """
    deadline = time.monotonic() + patience_s
    for thread in threading.enumerate():
        if thread.name.startswith(_UNAWAITED):
            thread.join(max(deadline - time.monotonic(), 0))
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)


def start_detached(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and its terminal; what it prints goes into a file."""
    with log.open("wb") as file:
        return subprocess.Popen(  # noqa: S603 - as the caller vouches for
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            creationflags=_DETACHED,
        )


def tell_systemd(state: str) -> None:
    """Tell systemd a state, where it started us and wants to know (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(state.encode(), address)


def list_programs() -> str:
    """Return what this user runs, a line a process; nothing where the system does not say."""
    try:
        run = subprocess.run(_LIST_PROGRAMS, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return run.stdout
