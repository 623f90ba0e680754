"""How many times real time stemtool's commands are, whole processes, in turn.

python -m benchmarks.commands [--seconds 180] [--rounds 5]

On the songs of the tests; a first round, which fills the caches, does not count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cost import measure
from benchmarks.separate import make_song
from tests.stemtool import STEMTOOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.cost import Cost

COMMANDS: Mapping[str, Sequence[str]] = {
    "separate": ("separate", "-o", "stems"),
    "separate -m bridge-4stems": ("separate", "-m", "bridge-4stems", "-o", "stems"),
    "remix --preset karaoke, stems cached": ("remix", "--preset", "karaoke", "-o", "remix.wav"),
    "upmix, stems cached": ("upmix", "-o", "upmix.wav"),
    "upmix, stems included": ("upmix", "--cache-limit", "0", "-o", "upmix.wav"),
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    costs: dict[str, list[Cost]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = make_song(None, arguments.seconds, folder)
        for number in range(arguments.rounds + 1):
            for name, (command, *options, output) in COMMANDS.items():
                words: list[str | Path] = [STEMTOOL, command, song, *options, folder / output]
                cost = measure([*words, "--overwrite", "--quiet"])
                if number:
                    costs[name].append(cost)
    for name, each in costs.items():
        wall_s = statistics.median(cost.wall_s for cost in each)
        worst_s = max(cost.wall_s for cost in each)
        peak_mb = max(cost.peak_mb for cost in each)
        print(
            f"{name:38}{wall_s:6.2f} s (worst {worst_s:.2f} s), {peak_mb:4.0f} MB,"
            f" {arguments.seconds / wall_s:4.0f} x real time"
        )


if __name__ == "__main__":
    main()
