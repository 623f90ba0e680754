"""stemtool against TensorFlow Spleeter: the same song, the same weights, in alternation.

python -m benchmarks.separate [SONG] [--seconds 180] [--rounds 3] [--workspace FOLDER]

Without a song it takes those of the tests, one after the other, again and again. Spleeter is
installed into an environment of its own below the workspace; it needs Python 3.11 and ffmpeg.
Prints ratios; times alone say more about the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.cost import Cost, measure
from benchmarks.staged_stemtool import NETWORK
from daw_bridge import Audio
from tests.golden.songs import SONGS
from tests.golden.spleeter_environment import make_reference

SAMPLE_RATE_HZ = 44_100
SPLEETER, STEMTOOL, COMPAT = CONTESTANTS = (
    "spleeter",
    "stemtool",
    "stemtool --compat spleeter",
)


def make_song(source: Path | None, seconds: float, folder: Path) -> Path:
    """Write a 16-bit WAV of so many seconds."""
    songs = [source] if source else SONGS
    samples = np.concatenate([Audio.read(song).samples for song in songs], axis=1)
    frames = round(seconds * SAMPLE_RATE_HZ)
    repeated = np.tile(samples, (1, -(-frames // samples.shape[1])))[:, :frames]
    soundfile.write(folder / "song.wav", repeated.T, SAMPLE_RATE_HZ, "PCM_16")
    return folder / "song.wav"


def parse_arguments(doc: str, *, seconds: float, rounds: int) -> argparse.Namespace:
    """Read what benchmarks against Spleeter take, with these defaults."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("song", type=Path, nargs="?", help="at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "spleeter")
    if not shutil.which("ffmpeg"):
        raise SystemExit("Spleeter needs ffmpeg; install it first.")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark."""
    arguments = parse_arguments(__doc__, seconds=180, rounds=3)
    python = make_reference(arguments.workspace)
    spleeter: list[str | Path] = [python.with_name("spleeter"), "separate"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = make_song(arguments.song, arguments.seconds, folder)
        stages = folder / "stages.json"
        stemtool: list[str | Path] = [sys.executable, "-m", "benchmarks.staged_stemtool", stages]
        stemtool += ["separate", song, "--quiet", "--provider", "cpu", "--overwrite"]
        stemtool += ["-o", folder / "ours"]
        spleeter += ["-p", "spleeter:2stems", "-o", folder / "theirs", song]
        reference = {"MODEL_PATH": str(arguments.workspace / "models"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        costs: dict[str, list[Cost]] = {name: [] for name in CONTESTANTS}
        shares = []
        for _ in range(arguments.rounds):
            costs[SPLEETER].append(measure(spleeter, reference))
            costs[COMPAT].append(measure([*stemtool, "--compat", "spleeter"]))
            costs[STEMTOOL].append(measure(stemtool))
            wall_s, cpu_s = json.loads(stages.read_text())[NETWORK]
            ours = costs[STEMTOOL][-1]
            shares.append((wall_s / ours.wall_s, cpu_s / ours.cpu_s))
    report(costs, shares)


def report(costs: dict[str, list[Cost]], shares: list[tuple[float, float]]) -> None:
    """Print medians, ratios to Spleeter in the same round, and the network's share."""
    print(f"{'':28}{'wall':>8}{'cpu':>8}{'peak':>9}   times faster, less cpu, less memory")
    for name, runs in costs.items():
        ratios = [
            np.divide(theirs.figures, ours.figures)
            for theirs, ours in zip(costs[SPLEETER], runs, strict=True)
        ]
        faster, cheaper, smaller = np.median(ratios, axis=0)
        wall, cpu, peak = np.median([run.figures for run in runs], axis=0)
        print(
            f"{name:28}{wall:6.1f} s{cpu:6.1f} s{peak:6.0f} MB   {faster:.1f}"
            f" (worst round {min(r[0] for r in ratios):.1f}), {cheaper:.1f}, {smaller:.1f}"
        )
    wall, cpu = np.median(shares, axis=0)
    print(
        f"stemtool's network runs during {100 * wall:.0f} % of the wall time"
        f" and takes {100 * cpu:.0f} % of the processor time."
    )


if __name__ == "__main__":
    main()
