"""Make the golden file of Open-Unmix: what the package openunmix gives for random networks.

python tests/golden/generate_openunmix.py [--workspace FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.openunmix_case import (
    CAUSAL,
    GIVEN,
    STEMS,
    WINDOW_SAMPLES,
    make_magnitudes,
    make_mixture,
    make_target,
    thin_out,
)
from tests.golden.songs import excerpts

OPENUNMIX = "openunmix==1.3.0"


def make_network(model: Any, arrays: dict[str, np.ndarray], **widths: int) -> Any:
    """Fill a network of the reference, in double precision."""
    import torch

    network = model.OpenUnmix(
        nb_bins=len(arrays["output_mean"]), max_bin=len(arrays["input_mean"]), **widths
    )
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or not all(name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"the reference has other arrays: {missing}, {unexpected}")
    return network.double().eval()


def estimate(network: Any, magnitudes: np.ndarray) -> np.ndarray:
    """Run a network of the reference: magnitudes to magnitudes (channels, time_frames, bins)."""
    import torch

    mixture = torch.from_numpy(magnitudes).double().permute(0, 2, 1)[np.newaxis]
    return network(mixture)[0].permute(0, 2, 1).numpy()


def separate(model: Any, networks: dict[str, Any], iterations: int) -> np.ndarray:
    """Separate the mixture: (stems, channels, samples).

    The reference centres its frames and mirrors the signal at its ends. Zeros before and after
    bring its frames to where ours lie, and leave only zeros to be mirrored.
    """
    import torch

    separator = model.Separator(networks, niter=iterations).double()
    mixture = make_mixture().samples
    padded = np.pad(mixture, ((0, 0), (WINDOW_SAMPLES // 2, WINDOW_SAMPLES // 4)))
    stems = separator(torch.from_numpy(padded).double()[np.newaxis])[0].numpy()
    return stems[..., WINDOW_SAMPLES // 2 :][..., : mixture.shape[-1]]


def main() -> None:
    """Make the golden file."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "openunmix")
    folder = parser.parse_args().workspace
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
    subprocess.run([*install, "--target", folder, OPENUNMIX], check=True)
    (folder / "torchaudio.py").touch()  # is imported, and used for what is not done here
    sys.path.insert(0, str(folder))
    model = import_module("openunmix.model")
    networks = {
        stem: make_network(model, make_target(seed), nb_channels=2, hidden_size=32)
        for seed, stem in enumerate(STEMS)
    }
    causal = make_network(
        model, make_target(5, **CAUSAL),
        nb_channels=1, hidden_size=12, nb_layers=2, unidirectional=True,
    )  # fmt: skip
    with torch.no_grad():
        seen = make_magnitudes(2, 2049)
        golden = {
            "estimates": thin_out(np.stack([estimate(each, seen) for each in networks.values()])),
            "causal": thin_out(estimate(causal, make_magnitudes(1, CAUSAL["bins"]))),
            "unrefined": excerpts(separate(model, networks, 0)),
            "refined": excerpts(separate(model, networks, 1)),
        }
    single = {name: array.astype(np.float32) for name, array in golden.items()}
    np.savez_compressed(GIVEN, **single)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
