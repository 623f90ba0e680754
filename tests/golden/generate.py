"""Make the golden files: what TensorFlow Spleeter gives, and how to set it up for a benchmark.

python tests/golden/generate.py [--workspace FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from daw_bridge import Audio
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.installing import ensure_network
from tests.golden.songs import GOLDEN, SONG, SONGS
from tests.golden.spleeter_case import (
    NARROW_FILTERS,
    STEM_COUNTS,
    THIN,
    excerpt_starts,
    excerpts,
    narrow_unets,
)
from tests.golden.spleeter_environment import make_reference, run_reference
from tests.mini_model import tensorflow_variables


def _make_narrow(python: Path, folder: Path) -> None:
    """Make what Spleeter gives for each of its configurations with narrow U-Nets."""
    np.save(folder / "song.npy", Audio.read(SONG).samples)
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
        np.savez_compressed(GOLDEN / f"narrow-{stems}stems.npz", **golden)  # type: ignore[arg-type]


def main() -> None:
    """Make the golden files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "spleeter")
    workspace = parser.parse_args().workspace
    python = make_reference(workspace)
    run_reference(python, "tiny", GOLDEN)
    run_reference(python, "train", SONGS[0].parent, GOLDEN)
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
    np.savez_compressed(GOLDEN / "spleeter-2stems.npz", **golden)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
