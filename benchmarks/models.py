"""What models cost, beside ``spleeter-2stems``: the same song, whole processes, in alternation.

python -m benchmarks.models [SONG] [--seconds 180] [--rounds 3] [--models NAME ...]

Prints ratios; times alone say more about the machine. How good models are is for
``stemtool evaluate`` to say.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cost import Cost, measure
from benchmarks.separate import make_song
from daw_bridge.library.places import DEFAULT_MODEL

MODELS = ("bridge-4stems", "classic-4stems")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("song", type=Path, nargs="?", help="at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=MODELS)
    arguments = parser.parse_args()
    models = (DEFAULT_MODEL, *arguments.models)
    costs: dict[str, list[Cost]] = {model: [] for model in models}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = make_song(arguments.song, arguments.seconds, folder)
        stemtool = Path(sys.executable).with_name("stemtool")
        command: list[str | Path] = [stemtool, "separate", song, "-o", folder / "stems"]
        command += ["--overwrite", "--quiet", "--provider", "cpu"]
        for _ in range(arguments.rounds):
            for model in models:
                costs[model].append(measure([*command, "-m", model]))
    print(f"{'':20}{'wall':>8}{'cpu':>8}{'peak':>9}   times {DEFAULT_MODEL}'s: wall, cpu, memory")
    for model, runs in costs.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        ratios = np.median(
            [np.divide(*each) for each in zip(runs, costs[DEFAULT_MODEL], strict=True)], axis=0
        )
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{model:20}{wall:6.1f} s{cpu:6.1f} s{peak:6.0f} MB   {told}")


if __name__ == "__main__":
    main()
