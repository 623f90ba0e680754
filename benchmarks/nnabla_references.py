"""X-UMX and D3Net in nnabla; `benchmarks.families` runs this where nnabla is.

python nnabla_references.py make FAMILY FOLDER                   a checkpoint of real size
python nnabla_references.py separate FAMILY FOLDER SONG STEMS    a song to one file a stem
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import nnabla as nn
import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))
case: Any = import_module("tests.golden.nnabla_case")
networks: Any = import_module("tests.golden.nnabla_networks")
signals: Any = import_module("tests.golden.nnabla_signals")

WINDOW = 4096
STEMS = ("bass", "drums", "vocals", "other")
PATCH_FRAMES = 256


def plan(init: int, k: str, layers: str, blocks: str) -> dict[str, Any]:
    """Return the sizes of D3Net's blocks in one band."""
    sizes = {"k": k, "layers": layers, "blocks": blocks}
    return {"init": init, **{name: tuple(map(int, text.split())) for name, text in sizes.items()}}


XUMX = {"seen_bins": 1487, "hidden": 512, "layers": 3}
D3NET = {
    "seen_bins": 1600,
    "low": plan(32, "16 18 20 22 20 18 16", "5 5 5 5 4 4 4", "2 2 2 2 2 2 2"),
    "middle": plan(8, "2 2 2 2 2", "1 1 1 1 1", "1 1 1 1 1"),
    "full": plan(32, "13 14 15 16 17 16 14 12 11", "4 5 6 7 8 6 5 4 4", "2 2 2 2 2 2 2 2 2"),
    "k": 12,
    "layers": 3,
}
"""Of the network for vocals, which stands for all four here."""
D3NET_SPLIT = 256


def estimate_xumx(magnitudes: np.ndarray) -> np.ndarray:
    """Run X-UMX on a whole song: (channels, time_frames, bins), stems first."""
    shown = nn.Variable.from_numpy_array(magnitudes.transpose(1, 0, 2)[:, np.newaxis])
    masks = networks.make_xumx(shown, stems=STEMS, **XUMX)
    masks.forward(clear_buffer=True)
    return np.asarray(masks.d[:, :, 0].transpose(0, 2, 1, 3) * magnitudes)


def estimate_d3net(magnitudes: np.ndarray) -> np.ndarray:
    """Run D3Net stem by stem, patch by patch, without overlap."""
    frames = magnitudes.shape[1]
    padded = np.pad(magnitudes, ((0, 0), (0, -frames % PATCH_FRAMES), (0, 0)))
    patch = nn.Variable((1, len(padded), PATCH_FRAMES, padded.shape[2]))
    stems = []
    for stem in STEMS:
        with nn.parameter_scope(stem):
            given = networks.make_d3net(patch, D3NET, D3NET_SPLIT)
        patches = []
        for start in range(0, padded.shape[1], PATCH_FRAMES):
            patch.d = padded[np.newaxis, :, start : start + PATCH_FRAMES]
            given.forward(clear_no_need_grad=True)
            patches.append(given.d[0].copy())
        stems.append(np.concatenate(patches, axis=1)[:, :frames])
    return np.stack(stems)


def main() -> None:
    """Do what the command line says."""
    command, family, folder, *paths = sys.argv[1:]
    estimate = {"xumx": estimate_xumx, "d3net": estimate_d3net}[family]
    parameters = str(Path(folder) / "net.h5")
    if command == "make":
        magnitudes = np.abs(signals.transform(case.make_mixture(WINDOW), WINDOW))
        estimate(magnitudes[:, :1])
        signals.fill_parameters(0, magnitudes)
        nn.save_parameters(parameters)
        return
    song, target = map(Path, paths)
    nn.load_parameters(parameters)
    mixture, sample_rate_hz = soundfile.read(song, dtype="float32", always_2d=True)
    spectra = signals.transform(mixture.T, WINDOW)
    magnitudes = np.abs(spectra)
    stems = estimate(magnitudes) / np.maximum(magnitudes, np.finfo(np.float32).tiny) * spectra
    target.mkdir(exist_ok=True)
    for stem, samples in zip(STEMS, signals.invert(stems, len(mixture)), strict=True):
        soundfile.write(target / f"{stem}.wav", samples.T, sample_rate_hz, "PCM_24")


if __name__ == "__main__":
    main()
