"""Open-Unmix's case: random targets, what they are shown, and what is kept of what they give."""

from __future__ import annotations

import numpy as np

from daw_bridge import Audio
from tests.golden.songs import GOLDEN, SONG

GIVEN = GOLDEN / "openunmix.npz"

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
