"""Make the golden files of RoFormers: the arrays that their packages have, and what these give.

git clone https://github.com/ZFTurbo/Music-Source-Separation-Training training
python tests/golden/generate_roformer.py training
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.golden.roformer_case import (
    GIVEN,
    NETWORKS,
    SHAPES,
    configuration,
    make_arrays,
    make_mixture,
)
from tests.golden.songs import excerpts

_SEPARATOR = "audio_separator.separator.uvr_lib_v5.roformer"
_MODULES = {
    "bs": f"{_SEPARATOR}.bs_roformer",
    "mel": f"{_SEPARATOR}.mel_band_roformer",
    "linear": f"{_SEPARATOR}.bs_roformer",
    "skips": "models.bs_roformer.mel_band_roformer",
    "values": "bs_roformer.bs_roformer",
}


def make_network(name: str) -> Any:
    """Return a network of the reference, whose arrays are random ones."""
    import torch

    module = import_module(_MODULES[name])
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in NETWORKS[name].items()}
    kind = module.MelBandRoformer if "num_bands" in settings else module.BSRoformer
    network = kind(**settings).eval()
    arrays = make_arrays({k: v.shape for k, v in network.state_dict().items()})
    network.load_state_dict({k: torch.from_numpy(v).float() for k, v in arrays.items()})
    return network


def separate(name: str, network: Any) -> np.ndarray:
    """Separate the mixture as the code does that trains such networks: (stems, channels, …)."""
    demix = import_module("utils.model_utils").demix
    settings = import_module("ml_collections").ConfigDict(configuration(name))
    mixture = make_mixture(mono=not NETWORKS[name]["stereo"])
    stems = demix(settings, network, mixture.samples, "cpu", "roformer")
    return np.stack(list(stems.values()))


def step_past(package: str) -> None:
    """Let a package's modules be imported without all that it imports itself."""
    names = package.split(".")
    for count in range(1, len(names) + 1):
        module = ModuleType(".".join(names[:count]))
        places = (Path(place, *names[:count]) for place in sys.path)
        module.__path__ = [str(place) for place in places if place.is_dir()]
        sys.modules[module.__name__] = module


def main() -> None:
    """Make the golden files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=Path, help="a checkout of the code that trains")
    sys.path.insert(0, str(parser.parse_args().training))
    step_past(_SEPARATOR)
    step_past("models.bs_roformer")
    networks = {name: make_network(name) for name in NETWORKS}
    given = {name: excerpts(separate(name, each)) for name, each in networks.items()}
    np.savez_compressed(GIVEN, **given)  # type: ignore[arg-type]
    shapes = {
        name: {key: list(array.shape) for key, array in each.state_dict().items()}
        for name, each in networks.items()
    }
    SHAPES.write_text(json.dumps(shapes, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main()
