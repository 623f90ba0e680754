"""What RoFormers cost beside the reference in torch: the same chunks and overlap.

python -m benchmarks.roformer [NETWORK ...] [--song SONG] [--seconds 16] [--rounds 3]
                              [--workspace FOLDER]

Networks of published sizes with random weights, written by the reference and imported by
``stemtool``; the same song, whole processes, in alternation. The reference, audio-separator's code,
is installed below the workspace; torch is the one of this environment. Prints ratios; times alone
say more about the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cost import Cost, measure
from benchmarks.families import report
from benchmarks.separate import make_song
from daw_bridge.separation.providers import PRECISIONS, Precision

NETWORKS = ("mel 384 x 6", "bs 384 x 8", "bs 512 x 12")
WITHOUT_TORCH = (
    "audio-separator==0.47.1", "rotary-embedding-torch==0.6.5", "einops==0.8.2", "beartype==0.23.1",
)  # fmt: skip
REFERENCES = Path(__file__).with_name("roformer_references.py")


def install_reference(folder: Path) -> dict[str, str]:
    """Install the reference without torch, which it would bring; return how to find it."""
    if not folder.exists():
        pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet"]
        _run([*pip, "--target", folder, "librosa==0.11.0"], {})
        _run([*pip, "--target", folder, "--no-deps", *WITHOUT_TORCH], {})
    return {"PYTHONPATH": str(folder)}


def compare(
    name: str, song: Path, environment: dict[str, str], rounds: int
) -> dict[Precision, list[tuple[Cost, Cost]]]:
    """Return the costs of the reference and of ``stemtool``, round by round, by its precision."""
    folder = song.parent
    references: list[str | Path] = [sys.executable, REFERENCES]
    _run([*references, "make", name, folder], environment)
    stemtool: list[str | Path] = [Path(sys.executable).with_name("stemtool")]
    home = {"DAW_BRIDGE_HOME": str(folder / "home")}
    imported = [*stemtool, "models", "import", folder / "net.ckpt", "--name", "contestant"]
    _run([*imported, "--config", folder / "net.yaml"], home)
    print(_run([*stemtool, "models", "quantise", "contestant", song], home), end="", flush=True)
    theirs = [*references, "separate", name, folder, song, folder / "theirs.wav"]
    ours = [*stemtool, "separate", song, "-m", "contestant", "-o", folder / "stems"]
    ours += ["--overwrite", "--quiet", "--provider", "cpu", "--precision"]
    costs: dict[Precision, list[tuple[Cost, Cost]]] = {each: [] for each in PRECISIONS}
    for _ in range(rounds):
        reference = measure(theirs, environment)
        for precision in PRECISIONS:
            costs[precision].append((reference, measure([*ours, precision], home)))
    return costs


def _run(command: list[str | Path], environment: dict[str, str]) -> str:
    """Run a command and return what it prints."""
    everything = {**os.environ, **environment}
    run = subprocess.run(command, env=everything, capture_output=True, check=True, text=True)
    return run.stdout


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="NETWORK")
    parser.add_argument("--song", type=Path, help="at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "roformer")
    arguments = parser.parse_args()
    environment = install_reference(arguments.workspace)
    print(f"{'':24}{'reference':>20}{'stemtool':>20}   times faster, less cpu, less memory")
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as temporary:
            song = make_song(arguments.song, arguments.seconds, Path(temporary))
            for precision, rounds in compare(name, song, environment, arguments.rounds).items():
                report(f"{name}, {precision}", rounds)


if __name__ == "__main__":
    main()
