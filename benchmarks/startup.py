"""From the start of ``stemtool separate`` to its network's first run.

python -m benchmarks.startup [SONG] [--rounds 10] [ARGUMENTS_OF_STEMTOOL...]

Shows when each step of the start was over: in the best round, and the median of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.separate import make_song

SECONDS = 30


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("song", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = arguments.song or make_song(None, SECONDS, folder)
        rounds = [time_start(song, folder, options) for _ in range(arguments.rounds)]
    best = min(rounds, key=lambda marks: max(marks.values()))
    print(f"{'':20}{'best':>8}{'median':>9}")
    for mark in sorted(best, key=best.__getitem__):
        median = statistics.median(marks[mark] for marks in rounds)
        print(f"{mark:20}{1000 * best[mark]:5.0f} ms{1000 * median:6.0f} ms")


def time_start(song: Path, folder: Path, options: list[str]) -> dict[str, float]:
    """Return the seconds after which each step of a start was over."""
    watched = Path(__file__).with_name("watched_stemtool.py")
    command: list[str | Path] = [sys.executable, watched, "separate", song, "-o", folder, *options]
    began = time.monotonic()
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    moments = (line.partition(" ") for line in told.splitlines())
    return {mark: float(moment) - began for moment, _, mark in moments}


if __name__ == "__main__":
    main()
