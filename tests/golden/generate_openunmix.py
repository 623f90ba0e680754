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

from daw_bridge import Audio

GOLDEN = Path(__file__).with_name("openunmix.npz")
SONG = Path(__file__).parent.parent / "audio" / "rubidium.ogg"
OPENUNMIX = "openunmix==1.3.0"
STEMS = ("vocals", "drums", "bass", "other")
CAUSAL: dict[str, int] = {
    "channels": 1, "bins": 129, "seen_bins": 65, "hidden": 12, "layers": 2, "directions": 1
}  # fmt: skip
MIXTURE_SAMPLES = 120 * 1024
WINDOW_SAMPLES = 4096


def make_target(
    seed: int,
    *,
    channels: int = 2,
    bins: int = 2049,
    seen_bins: int = 1487,
    hidden: int = 32,
    layers: int = 3,
    directions: int = 2,
    forget_bias: float = 3,
) -> dict[str, np.ndarray]:
    """Return a target's arrays by the reference's names.

    Inputs are brought to unit variance, as statistics of music would, gates lie between open and
    closed, cells keep what they hold for up to ``1 / (1 - sigmoid(forget_bias))`` frames, and masks
    go from 0 to somewhat above 1.
    """
    rng = np.random.default_rng(seed)
    state = hidden // directions
    spectrum = 40 / (1 + np.arange(seen_bins) / 15)  # the mean magnitudes of a loud mix
    arrays = {
        "input_mean": -spectrum * rng.uniform(0.8, 1.2, seen_bins),
        "input_scale": 1 / (spectrum * rng.uniform(0.8, 1.2, seen_bins)),
        "output_mean": rng.uniform(0.2, 0.6, bins),
        "output_scale": rng.uniform(0.2, 0.6, bins),
    }
    for number, inputs, outputs in (
        (1, channels * seen_bins, hidden),
        (2, 2 * hidden, hidden),
        (3, hidden, channels * bins),
    ):
        arrays[f"fc{number}.weight"] = rng.standard_normal((outputs, inputs)) / inputs**0.5
        arrays[f"bn{number}.weight"] = rng.uniform(0.5, 1.5, outputs)
        arrays[f"bn{number}.bias"] = rng.uniform(-0.5, 0.5, outputs)
        arrays[f"bn{number}.running_mean"] = rng.uniform(-0.2, 0.2, outputs)
        arrays[f"bn{number}.running_var"] = rng.uniform(0.1, 0.5, outputs)
    for layer in range(layers):
        for direction in ("", "_reverse")[:directions]:
            suffix = f"_l{layer}{direction}"
            for name, inputs in (("weight_ih", hidden), ("weight_hh", state)):
                kernel = rng.standard_normal((4 * state, inputs)) / inputs**0.5
                arrays[f"lstm.{name}{suffix}"] = kernel
            for name in ("bias_ih", "bias_hh"):
                bias = rng.uniform(-0.3, 0.3, 4 * state)
                bias[state : 2 * state] += forget_bias / 2 * rng.random(state)
                arrays[f"lstm.{name}{suffix}"] = bias
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def make_mixture() -> Audio:
    """Return some seconds of a song, and silence for as long as a window."""
    song = Audio.read(SONG)
    samples = song.samples[:, :MIXTURE_SAMPLES].copy()
    samples[:, -WINDOW_SAMPLES:] = 0
    return Audio(samples, song.sample_rate_hz)


def make_magnitudes(channels: int, bins: int) -> np.ndarray:
    """Return magnitudes for a network: (channels, time_frames, bins)."""
    numbers = np.random.default_rng(9).standard_normal((channels, 60, bins))
    return np.abs(numbers * 50 / (1 + np.arange(bins) / 15)).astype(np.float32)


def thin_out(estimates: np.ndarray) -> np.ndarray:
    """Keep some frames and bins of (…, time_frames, bins)."""
    return estimates[..., ::7, ::19]


def excerpts(stems: np.ndarray) -> np.ndarray:
    """Keep some samples of (…, samples), those at both ends among them."""
    starts = np.linspace(0, stems.shape[-1] - 96, 10).astype(int)
    return np.stack([stems[..., start : start + 96] for start in starts], axis=-2)


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
    np.savez_compressed(GOLDEN, **single)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
