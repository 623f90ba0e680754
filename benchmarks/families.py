"""What networks of other families cost beside their references.

python -m benchmarks.families [FAMILY ...] [--song SONG] [--seconds 60] [--rounds 3]
                              [--workspace FOLDER] [--nnabla PYTHON] [--audio-separator PYTHON]
                              [--training CHECKOUT]

Networks of real size with random weights, written by the reference and imported by ``stemtool``;
the same song, whole processes, in alternation. The references are installed below the workspace;
torch is the one of this environment. nnabla and audio-separator need environments of their own, as
tests/golden/README.md says: options name their Pythons, and without, their families are left out.
So are MDX23C and SCNet without ``--training``, a checkout of
github.com/ZFTurbo/Music-Source-Separation-Training.
Prints ratios; times alone say more about the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.cost import Cost, measure
from benchmarks.separate import make_song

PACKAGES = (
    "openunmix==1.3.0", "demucs==4.0.1", "dora-search==0.1.13", "einops==0.8.2", "julius==0.2.8",
    "omegaconf==2.4.0", "antlr4-python3-runtime==4.9.3", "retrying==1.4.2", "submitit==1.5.4",
    "cloudpickle==3.1.2", "treetable==0.2.6", "ml_collections==1.1.0", "absl-py==2.3.1",
    "tqdm==4.67.1",
)  # fmt: skip


NNABLA = "nnabla_references.py"
SPECTRAL = "spectral_references.py"
VR = "vr_references.py"


class Family(NamedTuple):
    """A family's reference, and what asks the same of ``stemtool``.

    Attributes:
        checkpoint: the file or folder that is imported, below the one where the reference writes.
        configuration: the file there that ``--config`` names.
        options: for ``stemtool separate``.
        references: the module that runs the reference.
    """

    checkpoint: str = "."
    configuration: str = ""
    options: tuple[str, ...] = ("--extension", "zeros")
    references: str = "references.py"


FAMILIES = {
    "openunmix": Family(options=("--extension", "zeros", "--wiener", "1")),
    "openunmix, no filter": Family(),
    "xumx": Family("net.h5", references=NNABLA),
    "d3net": Family("net.h5", references=NNABLA),
    "demucs 2": Family("net.th"),
    "demucs 3": Family("net.th"),
    "hybrid demucs": Family("net.th"),
    "ht demucs": Family("net.th"),
    "mdx": Family("net.onnx", "net.json", ()),
    "mdx23c": Family("net.ckpt", "net.yaml", references=SPECTRAL),
    "scnet": Family("net.ckpt", "net.yaml", references=SPECTRAL),
    "scnet xl": Family("net.ckpt", "net.yaml", references=SPECTRAL),
    "scnet masked": Family("net.ckpt", "net.yaml", references=SPECTRAL),
    "vr 5": Family("net.pth", "net.json", references=VR),
    "vr 5.1": Family("net.pth", "net.json", references=VR),
}


def install_references(folder: Path) -> dict[str, str]:
    """Install the references without what they would bring; return how to find them."""
    if not folder.exists():
        pip: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        _run([*pip, "--target", folder, *PACKAGES], {})
        (folder / "torchaudio.py").touch()  # is imported, and used for what is not done here
    return {"PYTHONPATH": str(folder)}


def compare(
    name: str, song: Path, python: str, environment: dict[str, str], rounds: int
) -> list[tuple[Cost, Cost]]:
    """Return the costs of the reference, in its Python, and of ``stemtool``, round by round."""
    family, folder = FAMILIES[name], song.parent
    checkpoint, stems = folder / "checkpoint", folder / "stems"
    checkpoint.mkdir()
    references: list[str | Path] = [python, Path(__file__).with_name(family.references)]
    _run([*references, "make", name, checkpoint], environment)
    stemtool: list[str | Path] = [Path(sys.executable).with_name("stemtool")]
    home = {"DAW_BRIDGE_HOME": str(folder / "home")}
    imported = [*stemtool, "models", "import", checkpoint / family.checkpoint]
    imported += ["--name", "contestant"]
    if family.configuration:
        imported += ["--config", checkpoint / family.configuration]
    _run(imported, home)
    theirs = [*references, "separate", name, checkpoint, song, stems / "theirs"]
    ours = [*stemtool, "separate", song, "-m", "contestant", "-o", stems / "ours", *family.options]
    ours += ["--overwrite", "--quiet", "--provider", "cpu"]
    stems.mkdir()
    return [(measure(theirs, environment), measure(ours, home)) for _ in range(rounds)]


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("families", nargs="*", help=", ".join(FAMILIES))
    parser.add_argument("--song", type=Path, help="at 44.1 kHz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "families")
    parser.add_argument("--nnabla", default="", metavar="PYTHON")
    parser.add_argument("--training", default="", metavar="CHECKOUT")
    parser.add_argument("--audio-separator", default="", metavar="PYTHON")
    arguments = parser.parse_args()
    pythons = {
        NNABLA: arguments.nnabla,
        VR: arguments.audio_separator,
        SPECTRAL: arguments.training and sys.executable,
    }
    environment = install_references(arguments.workspace)
    environment["TRAINING"] = arguments.training
    print(f"{'':24}{'reference':>20}{'stemtool':>20}   times faster, less cpu, less memory")
    for name in arguments.families or FAMILIES:
        python = pythons.get(FAMILIES[name].references, sys.executable)
        if not python:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            song = make_song(arguments.song, arguments.seconds, Path(temporary))
            report(name, compare(name, song, python, environment, arguments.rounds))


def report(name: str, rounds: list[tuple[Cost, Cost]]) -> None:
    """Print a family's line: medians, and ratios in the same round."""
    cells = ""
    for runs in zip(*rounds, strict=True):
        wall, _, peak = np.median([run.figures for run in runs], axis=0)
        cells += f"{wall:10.1f} s{peak:5.0f} MB"
    ratios = [np.divide(theirs.figures, ours.figures) for theirs, ours in rounds]
    wall, cpu, memory = np.median(ratios, axis=0)
    worst = min(ratio[0] for ratio in ratios)
    told = f"{wall:.1f} (worst round {worst:.1f}), {cpu:.1f}, {memory:.1f}"
    print(f"{name:24}{cells}   {told}", flush=True)


if __name__ == "__main__":
    main()
