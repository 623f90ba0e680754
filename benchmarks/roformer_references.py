"""RoFormers as people run them in torch; `benchmarks.roformer` runs this.

python roformer_references.py make NETWORK FOLDER                   a checkpoint, random weights
python roformer_references.py separate NETWORK FOLDER SONG STEM     a song to its stem
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
import torch

MODULES = "audio_separator.separator.uvr_lib_v5.roformer"
SAMPLE_RATE_HZ = 44_100
CHUNK_SAMPLES = 352_800
OVERLAPS = 2
_COMMON: dict[str, Any] = {
    "stereo": True, "num_stems": 1, "time_transformer_depth": 1, "freq_transformer_depth": 1,
    "dim_head": 64, "heads": 8, "stft_hop_length": 441, "mask_estimator_depth": 2,
}  # fmt: skip
NETWORKS: dict[str, dict[str, Any]] = {
    "mel 384 x 6": {**_COMMON, "dim": 384, "depth": 6, "num_bands": 60},
    "bs 384 x 8": {**_COMMON, "dim": 384, "depth": 8},
    "bs 512 x 12": {**_COMMON, "dim": 512, "depth": 12},
}
"""As those that are published."""


def step_past(package: str) -> None:
    """Let a package's modules be imported without all that it imports itself."""
    names = package.split(".")
    for count in range(1, len(names) + 1):
        module = ModuleType(".".join(names[:count]))
        places = (Path(place, *names[:count]) for place in sys.path)
        module.__path__ = [str(place) for place in places if place.is_dir()]
        sys.modules[module.__name__] = module


def make_network(name: str) -> Any:
    """Return a network of the reference."""
    step_past(MODULES)
    if name.startswith("mel"):
        kind = import_module(f"{MODULES}.mel_band_roformer").MelBandRoformer
    else:
        kind = import_module(f"{MODULES}.bs_roformer").BSRoformer
    return kind(**NETWORKS[name]).eval()


def make(name: str, folder: Path) -> None:
    """Write a checkpoint and its configuration."""
    torch.save(make_network(name).state_dict(), folder / "net.ckpt")
    configuration = {
        "audio": {"chunk_size": CHUNK_SAMPLES, "sample_rate": SAMPLE_RATE_HZ},
        "model": NETWORKS[name],
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
        "inference": {"num_overlap": OVERLAPS},
    }
    (folder / "net.yaml").write_text(json.dumps(configuration), "utf-8")  # which YAML is


def separate(network: Any, mixture: np.ndarray) -> np.ndarray:
    """Average overlapping passages of a song (channels, samples), which is mirrored at its ends."""
    stride = CHUNK_SAMPLES // OVERLAPS
    border, fade = CHUNK_SAMPLES - stride, CHUNK_SAMPLES // 10
    around = np.pad(mixture, ((0, 0), (border, border)), mode="reflect")
    total, weights = np.zeros_like(around), np.zeros(around.shape[1], np.float32)
    rise = np.linspace(0, 1, fade, dtype=np.float32)
    for start in range(0, around.shape[1], stride):
        part = around[:, start : start + CHUNK_SAMPLES]
        length = part.shape[1]
        shown = np.pad(part, ((0, 0), (0, CHUNK_SAMPLES - length)))
        window = np.ones(CHUNK_SAMPLES, np.float32)
        window[:fade], window[-fade:] = rise, rise[::-1]
        stem = network(torch.from_numpy(shown[np.newaxis]))[0].numpy()
        total[:, start : start + length] += stem[:, :length] * window[:length]
        weights[start : start + length] += window[:length]
    return (total / np.maximum(weights, 1e-9))[:, border:-border]


def main() -> None:
    """Do what the command line says."""
    torch.manual_seed(0)
    command, name, folder, *paths = sys.argv[1:]
    if command == "make":
        make(name, Path(folder))
        return
    song, target = map(Path, paths)
    network = make_network(name)
    network.load_state_dict(torch.load(Path(folder) / "net.ckpt"))
    samples, _ = soundfile.read(song, dtype="float32", always_2d=True)
    with torch.no_grad():
        stem = separate(network, samples.T)
    soundfile.write(target, stem.T, SAMPLE_RATE_HZ, "PCM_24")


if __name__ == "__main__":
    main()
