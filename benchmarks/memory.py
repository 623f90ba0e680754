"""Peak memory of stemtool for three minutes and for an hour of the tests' songs.

python -m benchmarks.memory
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.cost import measure
from benchmarks.separate import make_song


def main() -> None:
    """Run the benchmark."""
    stemtool = Path(sys.executable).with_name("stemtool")
    for minutes in (3, 60):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            song = make_song(None, 60 * minutes, folder)
            cost = measure([stemtool, "separate", song, "-o", folder, "--quiet"])
            speed = 60 * minutes / cost.wall_s
            print(f"{minutes:3} min: peak {cost.peak_mb:.0f} MB, {speed:.0f} x real time")


if __name__ == "__main__":
    main()
