"""The VR architecture as audio-separator runs it; `benchmarks.families` runs this where that is.

python vr_references.py make FAMILY FOLDER                   a checkpoint of real size
python vr_references.py separate FAMILY FOLDER SONG STEMS    a song to one file a stem
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
reference: Any = import_module("tests.golden.generate_vr")

SAMPLE_RATE_HZ = 44_100
PARAMETERS = {"vr 5": "4band_44100", "vr 5.1": "4band_v3"}
ARCHITECTURE = 123821
"""Of the networks of version 5 that most were trained of."""


def make_network(family: str, nets: Any, nets_new: Any, bins: int) -> Any:
    """Return a network of published size."""
    torch.manual_seed(0)
    if family == "vr 5.1":
        return nets_new.CascadedNet(2 * bins, nout=32, nout_lstm=128)
    return nets.determine_model_capacity(2 * bins, ARCHITECTURE)


def main() -> None:
    """Do what the command line says."""
    command, family, folder, *paths = sys.argv[1:]
    nets, nets_new, *separator = reference.import_alone()
    package = Path(nets.__file__).with_name("modelparams")
    told = json.loads((package / f"{PARAMETERS[family]}.json").read_text("utf-8"))
    told["primary_stem"] = "Vocals"
    checkpoint = Path(folder) / "net.pth"
    network = make_network(family, nets, nets_new, told["bins"])
    if command == "make":
        torch.save(network.state_dict(), checkpoint)
        checkpoint.with_suffix(".json").write_text(json.dumps(told), "utf-8")
        return
    network.load_state_dict(torch.load(checkpoint))
    song, target = map(Path, paths)
    stems = reference.run(separator, told, network.eval(), song)
    target.mkdir(exist_ok=True)
    for number, stem in enumerate(np.asarray(stems)):
        soundfile.write(target / f"{number}.wav", stem.T, SAMPLE_RATE_HZ, "PCM_24")


if __name__ == "__main__":
    main()
