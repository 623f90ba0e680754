"""stemtool, which also tells when each stage of its run was at work.

python -m benchmarks.staged_stemtool REPORT.json ARGUMENTS_OF_STEMTOOL...
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.files.reading import _CheckedReader
from daw_bridge.files.writing import StemFiles
from daw_bridge.resampling import Resampler
from daw_bridge.separation import models
from daw_bridge.separation.masking import Masking
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.separation.separator import Separator
from daw_bridge.stft import Stft
from stemtool_cli.main import stemtool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMPORTS, LOADING, NETWORK = "imports", "network found, loaded", "network"
STAGES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("read", _CheckedReader, ("blocks",)),
    ("resample", Resampler, ("push",)),
    ("transform", Stft, ("forward",)),
    (NETWORK, OnnxGraph, ("run",)),
    ("masks", Masking, ("estimate", "join")),
    ("inverse", Stft, ("inverse",)),
    ("wait for network", models, ("_result",)),
    ("null", NullMeter, ("add_stems",)),
    ("write", StemFiles, ("write",)),
    ("encode", StemFiles, ("commit", "_encode")),
]


class Stopwatch:
    """Times stages in all threads; what one does within another is not the other's."""

    def __init__(self) -> None:
        self.spans: dict[str, list[tuple[float, float]]] = {}
        self.cpu_s: dict[str, float] = {}
        self._here = threading.local()

    def note(self, stage: str, began: float, ended: float, cpu_s: float) -> None:
        """Add a span of time to a stage, and what it took of the processor."""
        self.spans.setdefault(stage, []).append((began, ended))
        self.cpu_s[stage] = self.cpu_s.get(stage, 0) + cpu_s

    def report(self) -> dict[str, tuple[float, float]]:
        """Return of each stage how long any thread was in it, and its processor time."""
        return {stage: (covered(spans), self.cpu_s[stage]) for stage, spans in self.spans.items()}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage on this thread."""
        around = getattr(self._here, "name", None)
        self._change(name)
        try:
            yield
        finally:
            self._change(around)

    def _change(self, name: str | None) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        if stage := getattr(self._here, "name", None):
            self.note(stage, self._here.began, now, cpu - self._here.cpu)
        self._here.name, self._here.began, self._here.cpu = name, now, cpu

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function, or a generator function, whose work is timed."""

        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*args, **options)

        @wraps(function)
        def generate(*args: Any, **options: Any) -> Iterator[Any]:
            items = function(*args, **options)
            with suppress(StopIteration):
                while True:
                    with self.stage(name):
                        item = next(items)
                    yield item

        return generate if inspect.isgeneratorfunction(function) else call


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the length of the union of intervals."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        total += max(stop - max(start, end), 0)
        end = max(end, stop)
    return total


def process_start_s() -> float:
    """Return when this process began, by ``time.perf_counter`` (proc(5), starttime)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter() - age_s


def watch_start(watch: Stopwatch, load: Callable[..., None]) -> Callable[..., None]:
    """Return what loads a separator and times it, on all threads, and all that was before."""

    def timed(*args: Any, **options: Any) -> None:
        began, cpu = time.perf_counter(), time.process_time()
        watch.note(IMPORTS, process_start_s(), began, cpu)
        load(*args, **options)
        watch.note(LOADING, began, time.perf_counter(), time.process_time() - cpu)

    return timed


def main() -> None:
    """Run stemtool; leave as it does."""
    report, watch = Path(sys.argv.pop(1)), Stopwatch()
    stages = list(STAGES)
    if "upmix" in sys.argv or "remix" in sys.argv:
        from daw_bridge.jobs import upmix as upmixing
        from daw_bridge.rendering import remix, upmix

        stages += [
            ("render", remix, ("mix",)),
            ("render", upmix, ("upmix",)),
            ("master", remix.Master, ("push", "finish")),
            ("measure", upmixing, ("_measure_files",)),
        ]
    for name, owner, functions in stages:
        for function in functions:
            setattr(owner, function, watch.timed(name, getattr(owner, function)))
    Separator.__init__ = watch_start(watch, Separator.__init__)  # type: ignore[method-assign]
    with suppress(SystemExit):
        stemtool()
    report.write_text(json.dumps(watch.report()))
    os._exit(0)


if __name__ == "__main__":
    main()
