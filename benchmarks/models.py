"""What models cost on what they run on: the same song, whole processes, in alternation.

python -m benchmarks.models [SONG] [--seconds 180] [--rounds 3] [--models NAME ...]
    [--providers NAME ...]

Prints ratios to ``spleeter-2stems`` on the first provider; times alone say more about the machine.
How good models are is for ``stemtool evaluate`` to say.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.cost import Cost, measure
from benchmarks.separate import make_song
from daw_bridge.library.places import DEFAULT_MODEL
from daw_bridge.separation.providers import CPU, PROVIDER_NAMES
from tests.stemtool import STEMTOOL

MODELS = ("bridge-4stems", "classic-4stems")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("song", type=Path, nargs="?", help="at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--providers", nargs="+", default=[CPU], choices=PROVIDER_NAMES)
    arguments = parser.parse_args()
    contestants = list(product((DEFAULT_MODEL, *arguments.models), arguments.providers))
    costs: dict[tuple[str, str], list[Cost]] = {contestant: [] for contestant in contestants}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = make_song(arguments.song, arguments.seconds, folder)
        command: list[str | Path] = [STEMTOOL, "separate", song, "-o", folder / "stems"]
        command += ["--overwrite", "--quiet"]
        for _ in range(arguments.rounds):
            for model, provider in contestants:
                cost = measure([*command, "-m", model, "--provider", provider])
                costs[model, provider].append(cost)
    print(f"{'':30}{'wall':>8}{'cpu':>8}{'peak':>9}   times the first's: wall, cpu, memory")
    for contestant, runs in costs.items():
        wall, cpu, peak = np.median([run.figures for run in runs], axis=0)
        ratios = np.median(
            [
                np.divide(ours.figures, theirs.figures)
                for ours, theirs in zip(runs, costs[contestants[0]], strict=True)
            ],
            axis=0,
        )
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{' on '.join(contestant):30}{wall:6.1f} s{cpu:6.1f} s{peak:6.0f} MB   {told}")


if __name__ == "__main__":
    main()
