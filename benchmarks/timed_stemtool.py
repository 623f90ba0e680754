"""stemtool, which also tells when its network runs.

python benchmarks/timed_stemtool.py REPORT.json ARGUMENTS_OF_STEMTOOL...
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.separation.network import PlainNetwork
from stemtool_cli.main import stemtool

if TYPE_CHECKING:
    from daw_bridge.separation.network import Magnitudes, Masks

run_network = PlainNetwork.__call__
intervals: list[tuple[float, float]] = []
cpu_s: list[float] = []


def timed(network: PlainNetwork, magnitudes: Magnitudes) -> Masks:
    """Run the network and note when, and for how long on this thread's processor."""
    began, cpu = time.perf_counter(), time.thread_time()
    masks = run_network(network, magnitudes)
    cpu_s.append(time.thread_time() - cpu)
    intervals.append((began, time.perf_counter()))
    return masks


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the length of the union of intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(stop - max(start, end), 0)
        end = max(end, stop)
    return total


if __name__ == "__main__":
    report = Path(sys.argv.pop(1))
    PlainNetwork.__call__ = timed  # type: ignore[method-assign]
    with suppress(SystemExit):
        stemtool()
    report.write_text(json.dumps({"wall_s": covered(intervals), "cpu_s": sum(cpu_s)}))
