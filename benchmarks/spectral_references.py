"""The reference implementation of MDX23C and SCNet; `benchmarks.families` runs this.

python spectral_references.py make FAMILY FOLDER                 a checkpoint of published size
python spectral_references.py separate FAMILY FOLDER SONG STEMS  a song to one file a stem

The variable ``TRAINING`` names a checkout of github.com/ZFTurbo/Music-Source-Separation-Training,
whose ``demix`` cuts the song.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import soundfile
import torch

STEMS = ["drums", "bass", "other", "vocals"]
SAMPLE_RATE_HZ = 44_100


def _tables(stems: list[str], audio: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration; each sample is in two passages, as in the quickest published ones."""
    return {
        "audio": {"num_channels": 2, "sample_rate": SAMPLE_RATE_HZ, **audio},
        "model": model,
        "training": {"instruments": stems, "target_instrument": None},
        "inference": {"batch_size": 1, "num_overlap": 2},
    }


def _scnet(dims: list[int], pairs: int, shares: list[float]) -> dict[str, Any]:
    layout = {
        "sources": STEMS, "audio_channels": 2, "dims": dims, "nfft": 4096, "hop_size": 1024,
        "win_size": 4096, "normalized": True, "band_SR": shares, "band_stride": [1, 4, 16],
        "band_kernel": [3, 4, 16], "conv_depths": [3, 2, 1], "compress": 4, "conv_kernel": 3,
        "num_dplayer": pairs, "expand": 1,
    }  # fmt: skip
    return _tables(STEMS, {"chunk_size": 485_100}, layout)


MDX23C = _tables(
    ["vocals", "instrumental"],
    {"chunk_size": 261_120, "n_fft": 8192, "hop_length": 1024, "dim_f": 4096},
    {
        "act": "gelu", "norm": "InstanceNorm", "num_subbands": 4, "num_scales": 5, "scale": [2, 2],
        "num_channels": 128, "growth": 128, "num_blocks_per_scale": 2, "bottleneck_factor": 4,
    },
)  # fmt: skip
SMALL = _scnet([4, 32, 64, 128], 6, [0.175, 0.392, 0.433])
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "mdx23c": ("models.mdx23c_tfc_tdf_v3", MDX23C),
    "scnet": ("models.scnet.scnet", SMALL),
    "scnet xl": ("models.scnet.scnet", _scnet([4, 64, 128, 256], 8, [0.23, 0.37, 0.4])),
    "scnet masked": ("models.scnet.scnet_masked", SMALL),
}


def make_network(family: str) -> tuple[Any, Any]:
    """Return a network of random weights, and its configuration as the reference has it."""
    training = Path(os.environ["TRAINING"])
    for name in ("utils", "models", "models.scnet"):
        _find_package(name, training.joinpath(*name.split(".")))
    reference, tables = FAMILIES[family]
    configuration = import_module("ml_collections").ConfigDict(tables)
    module = import_module(reference)
    if hasattr(module, "TFC_TDF_net"):
        return module.TFC_TDF_net(configuration).eval(), configuration
    return module.SCNet(**tables["model"]).eval(), configuration


def _find_package(name: str, folder: Path) -> None:
    """Make a folder a package whose own ``__init__`` is not run, as it loads all that there is."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = module_from_spec(spec)


def main() -> None:
    """Do what the command line says."""
    torch.manual_seed(0)
    command, family, folder, *paths = sys.argv[1:]
    checkpoint = Path(folder) / "net.ckpt"
    network, configuration = make_network(family)
    if command == "make":
        torch.save(network.state_dict(), checkpoint)
        tables = json.dumps(FAMILIES[family][1])  # JSON is YAML, too
        checkpoint.with_suffix(".yaml").write_text(tables, "utf-8")
        return
    song, target = map(Path, paths)
    network.load_state_dict(torch.load(checkpoint))
    samples, _ = soundfile.read(song, dtype="float32", always_2d=True)
    demix = import_module("utils.model_utils").demix
    stems = demix(configuration, network, samples.T, torch.device("cpu"), "generic")
    target.mkdir(exist_ok=True)
    for name, stem in stems.items():
        soundfile.write(target / f"{name}.wav", stem.T, SAMPLE_RATE_HZ, "FLOAT")


if __name__ == "__main__":
    main()
