"""stemtool against TensorFlow Spleeter: the same song, the same weights, in alternation.

python benchmarks/separate.py [SONG] [--seconds 180] [--rounds 3] [--workspace FOLDER]

Without a song it takes those of the tests, one after the other, again and again. Spleeter is
installed into an environment of its own below the workspace; it needs Python 3.11 and ffmpeg.
Prints ratios; times alone say more about the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import soundfile

from daw_bridge import Audio, SeparationOptions
from daw_bridge.separation.manifest import load_manifest
from daw_bridge.separation.network import OnnxNetwork
from daw_bridge.separation.options import make_plan
from daw_bridge.separation.weights import ensure_network

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.golden.generate import SONGS, make_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAMPLE_RATE_HZ = 44_100


class Cost(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: Sequence[str | Path], environment: dict[str, str]) -> Cost:
    """Run a command to its end and return what it took; workers of its own included."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    wall_s = time.perf_counter() - began
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure_network(song: Audio, options: SeparationOptions) -> float:
    """Return the seconds that the network alone needs for a song's segments."""
    manifest = load_manifest("spleeter-2stems")
    network = OnnxNetwork(ensure_network(manifest), provider="cpu")
    plan = make_plan(manifest, options, song)
    frames = plan.stft.count_hops(song.frames + plan.stft.window_samples)
    stride = plan.segment_frames - plan.overlap_frames
    starts = range(0, max(frames - plan.overlap_frames, 1), stride)
    rng = np.random.default_rng(0)
    whole = rng.random((manifest.channels, plan.segment_frames, plan.bins), np.float32)
    segments = [
        whole[:, : plan.padded(min(plan.segment_frames, frames - start))] for start in starts
    ]
    with ThreadPoolExecutor(network.concurrent_runs) as workers:
        list(workers.map(network, segments[:2]))
        began = time.perf_counter()
        for _ in workers.map(lambda segment: network(segment).shape, segments):
            pass
        return time.perf_counter() - began


def make_song(source: Path | None, seconds: float, folder: Path) -> Path:
    """Write a 16-bit WAV of so many seconds."""
    songs = [source] if source else SONGS
    samples = np.concatenate([Audio.read(song).samples for song in songs], axis=1)
    frames = round(seconds * SAMPLE_RATE_HZ)
    repeated = np.tile(samples, (1, -(-frames // samples.shape[1])))[:, :frames]
    soundfile.write(folder / "song.wav", repeated.T, SAMPLE_RATE_HZ, "PCM_16")
    return folder / "song.wav"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("song", type=Path, nargs="?", help="at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "spleeter")
    arguments = parser.parse_args()
    if not shutil.which("ffmpeg"):
        raise SystemExit("Spleeter needs ffmpeg; install it first.")
    spleeter = make_reference(arguments.workspace).with_name("spleeter")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        song = make_song(arguments.song, arguments.seconds, folder)
        stemtool: list[str | Path] = [Path(sys.executable).with_name("stemtool"), "separate"]
        stemtool += [song, "--quiet", "--overwrite", "-o", folder / "ours"]
        reference = {"MODEL_PATH": str(arguments.workspace / "models"), "TF_CPP_MIN_LOG_LEVEL": "3"}
        contestants: dict[str, Callable[[], Cost]] = {
            "spleeter": lambda: measure(
                [spleeter, "separate", "-p", "spleeter:2stems", "-o", folder / "theirs", song],
                reference,
            ),
            "stemtool": lambda: measure(stemtool, {}),
            "stemtool --compat spleeter": lambda: measure([*stemtool, "--compat", "spleeter"], {}),
        }
        costs: dict[str, list[Cost]] = {name: [] for name in contestants}
        network_s = []
        for _ in range(arguments.rounds):
            for name, run in contestants.items():
                costs[name].append(run())
            network_s.append(measure_network(Audio.read(song), SeparationOptions()))
    report(costs, network_s)


def report(costs: dict[str, list[Cost]], network_s: list[float]) -> None:
    """Print medians, ratios to Spleeter of the same round, and the network's share."""
    print(f"{'':28}{'wall':>8}{'cpu':>8}{'peak':>9}   times faster, less cpu, less memory")
    for name, runs in costs.items():
        median = Cost(*(statistics.median(column) for column in zip(*runs, strict=True)))
        rounds = zip(costs["spleeter"], runs, strict=True)
        ratios = [np.divide(theirs, ours) for theirs, ours in rounds]
        wall, cpu, memory = np.median(ratios, axis=0)
        print(
            f"{name:28}{median.wall_s:6.1f} s{median.cpu_s:6.1f} s{median.peak_mb:6.0f} MB"
            f"   {wall:.1f} (worst round {min(r[0] for r in ratios):.1f}), {cpu:.1f}, {memory:.1f}"
        )
    shares = [
        network / run.wall_s for network, run in zip(network_s, costs["stemtool"], strict=True)
    ]
    print(
        f"The network alone takes {100 * statistics.median(shares):.0f} % of stemtool's wall time."
    )


if __name__ == "__main__":
    main()
