"""What a command takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Linux counts the memory of the process that forked towards its child's peak, so a small one does.
_LAUNCHER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024]))
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Cost(NamedTuple):
    """What a process took, workers of its own included."""

    wall_s: float
    user_s: float
    sys_s: float
    peak_mb: float

    @property
    def cpu_s(self) -> float:
        """Seconds of processors, in the system too."""
        return self.user_s + self.sys_s

    @property
    def figures(self) -> tuple[float, float, float]:
        """What is compared: seconds, seconds of processors, and megabytes."""
        return self.wall_s, self.cpu_s, self.peak_mb


def measure(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end and return what it took.

    Raises:
        CalledProcessError: it failed.
    """
    began = time.perf_counter()
    launcher = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        check=True,
    )
    wall_s = time.perf_counter() - began
    return Cost(wall_s, *json.loads(launcher.stdout))
