"""Make the golden files of MDX23C and SCNet: what the references give for networks drawn here.

python tests/golden/generate_spectral.py TRAINING SCNET [--workspace FOLDER]

The arguments are checkouts of github.com/ZFTurbo/Music-Source-Separation-Training, whose ``demix``
cuts the song for all networks, and of github.com/starrytong/SCNet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.spectral_case import CASES, GIVEN, SHAPES, Case, choose, draw, make_mixture

PACKAGES = ("ml_collections==1.1.0", "absl-py==2.3.1", "tqdm==4.67.1")


def find_package(name: str, folder: Path) -> None:
    """Make a folder a package whose own ``__init__`` is not run, as it loads all that there is."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = module_from_spec(spec)


def make_network(case: Case, configuration: Any) -> Any:
    """Return a network of the reference, with the weights that tests draw as well."""
    import torch

    module = import_module(case.reference)
    if hasattr(module, "TFC_TDF_net"):
        network = module.TFC_TDF_net(configuration)
    else:
        network = module.SCNet(**case.configuration["model"])
    shapes = {name: tuple(array.shape) for name, array in network.state_dict().items()}
    arrays = {name: torch.from_numpy(array) for name, array in draw(shapes).items()}
    network.load_state_dict(arrays)
    return network.eval()


def main() -> None:
    """Make the golden files."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("training", type=Path)
    parser.add_argument("scnet", type=Path)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "spectral")
    arguments = parser.parse_args()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    subprocess.run([*install, "--target", arguments.workspace, *PACKAGES], check=True)
    sys.path.append(str(arguments.workspace))
    find_package("utils", arguments.training / "utils")
    find_package("models", arguments.training / "models")
    find_package("models.scnet", arguments.training / "models" / "scnet")
    find_package("scnet", arguments.scnet / "scnet")
    demix = import_module("utils.model_utils").demix
    mixture = torch.from_numpy(make_mixture().samples)
    shapes, golden = {}, {}
    for name, case in CASES.items():
        configuration = import_module("ml_collections").ConfigDict(case.configuration)
        network = make_network(case, configuration)
        shapes[name] = {key: list(array.shape) for key, array in network.state_dict().items()}
        stems = demix(configuration, network, mixture, torch.device("cpu"), "generic")
        for stem, samples in stems.items():
            golden[f"{name}/{stem}"] = choose(samples).astype(np.float32)
    SHAPES.write_text(json.dumps(shapes) + "\n")
    np.savez_compressed(GIVEN, **golden)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
