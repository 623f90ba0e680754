"""nnabla's parameters and its transform, and what is made of spectra; runs where nnabla is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nnabla as nn
import numpy as np


def fill_parameters(seed: int, magnitudes: np.ndarray) -> None:
    """Give every parameter of the current scope random values, or statistics of (…, bins).

    Inputs are brought to unit variance, gates lie between open and closed, and estimates take many
    values. Half precision leaves zeros, which pack well.
    """
    rng = np.random.default_rng(seed)
    mean = magnitudes.reshape(-1, magnitudes.shape[-1]).mean(axis=0)
    spectrum = np.maximum(mean, 1e-3)
    draws: dict[str, Callable[[tuple[int, ...]], Any]] = {
        "input_mean": lambda shape: -spectrum[: shape[-1]],
        "input_scale": lambda shape: 1 / spectrum[: shape[-1]],
        "in": lambda shape: spectrum,
        "decode": lambda shape: mean[: shape[-1]] * rng.uniform(0.03, 0.1, shape),
        "output_mean": lambda shape: rng.uniform(0.2, 0.6, shape),
        "output_scale": lambda shape: rng.uniform(0.2, 0.6, shape),
        "gamma": lambda shape: rng.uniform(0.5, 1.5, shape),
        "var": lambda shape: rng.uniform(0.3, 1, shape),
        "W": lambda shape: rng.normal(size=shape) / np.prod(_inputs(shape)) ** 0.5,
        "weight": lambda shape: rng.normal(size=shape) / shape[-1] ** 0.5,
    }
    for name, variable in sorted(nn.get_parameters(grad_only=False).items()):
        kind = name.rpartition("/")[2]
        draw = draws.get(kind) or draws.get(kind.rpartition("_")[0])
        values = draw(variable.shape) if draw else rng.uniform(-0.5, 0.5, variable.shape)
        variable.d = np.float16(values).astype(np.float32).reshape(variable.shape)


def _inputs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of a kernel that are summed over."""
    return shape[1:] if len(shape) == 4 else shape[:1]


def transform(samples: np.ndarray, window: int) -> np.ndarray:
    """Return spectra (channels, time_frames, bins) of a signal with a window of zeros before it.

    nnabla's transform, which the networks were trained on, gives them in single precision.
    """
    hop = window // 4
    padded = np.pad(samples, ((0, 0), (window, window - hop)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]
    spectra = np.fft.rfft(frames * _hann(window))
    given = nn.functions.stft(
        nn.Variable.from_numpy_array(padded), window, hop, window, center=False
    )
    nn.forward_all(given)
    real, imaginary = (each.d.transpose(0, 2, 1) for each in given)
    if not np.allclose(real + 1j * imaginary, spectra, atol=1e-3):
        raise ValueError("nnabla transforms otherwise")
    return spectra


def _hann(window: int) -> np.ndarray:
    return np.hanning(window + 1)[:-1]


def invert(spectra: np.ndarray, samples: int) -> np.ndarray:
    """Return the signals (…, samples) of spectra (…, time_frames, bins)."""
    frames, window = spectra.shape[-2], 2 * (spectra.shape[-1] - 1)
    hop = window // 4
    signals = np.zeros((*spectra.shape[:-2], (frames + 3) * hop))
    for frame, part in enumerate(np.moveaxis(np.fft.irfft(spectra) * _hann(window) / 1.5, -2, 0)):
        signals[..., frame * hop : frame * hop + window] += part
    return signals[..., window:][..., :samples]
