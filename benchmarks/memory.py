"""Peak memory of a stemtool command for three minutes and for an hour of the tests' songs.

python -m benchmarks.memory                            stemtool separate
python -m benchmarks.memory upmix --cache-limit 0      another command, and options of it
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.cost import measure
from benchmarks.separate import make_song
from tests.stemtool import STEMTOOL


def main() -> None:
    """Run the benchmark."""
    command, *options = sys.argv[1:] or ["separate"]
    for minutes in (3, 60):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            song = make_song(None, 60 * minutes, folder)
            output = folder / "remix.wav" if command == "remix" else folder
            cost = measure([STEMTOOL, command, song, "-o", output, "--quiet", *options])
            speed = 60 * minutes / cost.wall_s
            print(f"{minutes:3} min: peak {cost.peak_mb:.0f} MB, {speed:.0f} x real time")


if __name__ == "__main__":
    main()
