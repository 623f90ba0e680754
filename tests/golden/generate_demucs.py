"""Make the golden files of Hybrid Demucs: networks that demucs saved, and what it gives for them.

python tests/golden/generate_demucs.py [--workspace FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.demucs_case import (
    FOLDER,
    GIVEN,
    MORE_SOURCES,
    SAMPLE_RATE_HZ,
    SHORT_SAMPLES,
    SOURCES,
    WEIGHTS,
    make_mixture,
    vary,
)
from tests.golden.songs import excerpts

PACKAGES = (
    "demucs==4.0.1", "dora-search==0.1.13", "einops==0.8.2", "julius==0.2.8", "omegaconf==2.4.0",
    "openunmix==1.3.0", "antlr4-python3-runtime==4.9.3", "retrying==1.4.2", "submitit==1.5.4",
    "cloudpickle==3.1.2", "treetable==0.2.6",
)  # fmt: skip
NETWORKS: dict[str, dict[str, Any]] = {
    "HTDemucs": {
        "channels": 4, "nfft": 1024, "depth": 3, "dconv_comp": 2,
        "bottom_channels": 8, "t_layers": 3, "t_heads": 2, "t_hidden_scale": 1.5,
    },
    "HDemucs": {
        "channels": 8, "growth": 1, "nfft": 256, "depth": 4, "norm_starts": 2, "dconv_comp": 2,
        "dconv_attn": 2, "dconv_lstm": 2,
    },
}  # fmt: skip
"""Narrow, and of fewer layers: a window of so many samples needs no more."""


def make_network(demucs: Any, kind: str) -> Any:
    """Return a network of the reference whose every layer counts, in half precision."""
    import torch

    torch.manual_seed(0)
    sizes = {"samplerate": SAMPLE_RATE_HZ, "segment": Fraction(7, 10), **NETWORKS[kind]}
    network = getattr(demucs.apply, kind)(sources=list(SOURCES), **sizes)
    with torch.no_grad():
        for name, array in network.named_parameters():
            if name.endswith("scale"):
                array.uniform_(0.3, 0.8)
            elif name.endswith("bias"):
                array.uniform_(-0.3, 0.3)
            elif "norm" in name or array.ndim == 1:
                array.uniform_(0.5, 1.5)
            elif "embedding" not in name:  # as loud as what it is given
                array.normal_(0, (2 * len(array) / array.numel()) ** 0.5)
            array.copy_(array.half())
    return network.eval()


def remake(network: Any, seed: int, sources: tuple[str, ...] = SOURCES) -> Any:
    """Return a network of the reference with the arrays that :func:`vary` makes of another's."""
    import torch

    arrays = {name: array.numpy() for name, array in network.state_dict().items()}
    settings = {**network._init_args_kwargs[1], "sources": list(sources)}
    made = type(network)(**settings)
    varied = vary(arrays, seed, len(sources))
    made.load_state_dict({name: torch.from_numpy(array).float() for name, array in varied.items()})
    return made.eval()


def separate(demucs: Any, network: Any) -> np.ndarray:
    """Separate the mixture as demucs does, without its random shifts: (stems, 2, samples)."""
    import torch

    mixture = torch.from_numpy(make_mixture().samples)[np.newaxis]
    return demucs.apply.apply_model(network, mixture, shifts=0)[0].numpy()


def begin(network: Any) -> np.ndarray:
    """Separate a short passage, and leave out what the next fades into: (stems, 2, samples)."""
    import torch

    network.segment = Fraction(SHORT_SAMPLES, SAMPLE_RATE_HZ)
    mixture = torch.from_numpy(make_mixture().samples[:, :SHORT_SAMPLES])
    return network(mixture[np.newaxis])[0, :, :, : SHORT_SAMPLES // 2].numpy()


def main() -> None:
    """Make the golden files."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "demucs")
    folder = parser.parse_args().workspace
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    subprocess.run([*install, "--target", folder, *PACKAGES], check=True)
    (folder / "torchaudio.py").touch()  # is imported, and used for what is not done here
    sys.path.insert(0, str(folder))
    demucs = import_module("demucs")
    states = import_module("demucs.states")
    training = import_module("omegaconf").OmegaConf.create({"dset": {"samplerate": SAMPLE_RATE_HZ}})
    import_module("demucs.apply")
    golden = {}
    with torch.no_grad():
        for kind in NETWORKS:
            network = make_network(demucs, kind)
            torch.save(states.serialize_model(network, training), FOLDER / f"{kind.lower()}.th")
            golden[kind] = excerpts(separate(demucs, network))
            golden[f"{kind} at first"] = excerpts(begin(network))[..., ::4, :]
        network = make_network(demucs, "HTDemucs")
        golden["six"] = excerpts(separate(demucs, remake(network, 1, MORE_SOURCES)))
        bag = demucs.apply.BagOfModels([network, remake(network, 2)], WEIGHTS)
        golden["bag"] = excerpts(separate(demucs, bag))
    single = {name: array.astype(np.float32) for name, array in golden.items()}
    np.savez_compressed(GIVEN, **single)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
