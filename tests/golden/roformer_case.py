"""RoFormers' case: the song, the networks' configurations, and random arrays of theirs."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge import Audio
from tests.golden.songs import GOLDEN, SONG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GIVEN = GOLDEN / "roformer.npz"
SHAPES = GOLDEN / "roformer.json"
"""The shapes of each network's arrays, by their names."""

WINDOW, HOP = 256, 64
CHUNK_SAMPLES = 240 * HOP
SAMPLES = 5 * CHUNK_SAMPLES // 2
OVERLAPS = 4

_COMMON: dict[str, Any] = {
    "dim": 16, "depth": 2, "stereo": True, "num_stems": 1, "time_transformer_depth": 1,
    "freq_transformer_depth": 1, "dim_head": 8, "heads": 2, "attn_dropout": 0.1,
    "ff_dropout": 0.1, "flash_attn": True, "dim_freqs_in": 129, "stft_n_fft": WINDOW,
    "stft_hop_length": HOP, "stft_win_length": WINDOW, "stft_normalized": False,
    "mask_estimator_depth": 2,
}  # fmt: skip
_BANDS = {"freqs_per_bands": [2, 2, 4, 8, 16, 32, 65]}
_MEL = {"num_bands": 12, "sample_rate": 44_100}
NETWORKS: dict[str, dict[str, Any]] = {
    "bs": {**_COMMON, **_BANDS, "mlp_expansion_factor": 2, "sage_attention": False},
    "mel": {**_COMMON, **_MEL, "match_input_audio_length": True},
    "linear": {
        **_COMMON, **_BANDS, "linear_transformer_depth": 1, "num_stems": 2, "stereo": False,
        "stft_normalized": True, "time_transformer_depth": 2, "mask_estimator_depth": 1,
    },
    "skips": {
        **_COMMON, **_MEL, "depth": 3, "skip_connection": True, "zero_dc": True, "num_stems": 4,
        "mask_estimator_depth": 3, "mlp_expansion_factor": 1, "freq_transformer_depth": 2,
    },
    "values": {**_COMMON, **_BANDS, "depth": 3},
}  # fmt: skip
INSTRUMENTS = {
    "bs": ("Vocals", "Instrumental"),
    "mel": ("No Reverb", "Reverb"),
    "linear": ("drums", "bass"),
    "skips": ("drums", "bass", "other", "vocals"),
    "values": ("Vocals", "Instrumental"),
}


def configuration(name: str) -> dict[str, Any]:
    """Return what the configuration of a network says."""
    instruments = INSTRUMENTS[name]
    target = instruments[0] if NETWORKS[name]["num_stems"] == 1 else None
    return {
        "audio": {"chunk_size": CHUNK_SAMPLES, "sample_rate": 44_100, "num_channels": 2},
        "model": NETWORKS[name],
        "training": {"instruments": list(instruments), "target_instrument": target},
        "inference": {"batch_size": 1, "dim_t": 7, "num_overlap": OVERLAPS},
    }


def make_arrays(shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Return random arrays in half precision, each of which counts."""
    return {
        name: _make_array(name, tuple(shape)).astype(np.float16) for name, shape in shapes.items()
    }


def make_mixture(*, mono: bool) -> Audio:
    """Return two and a half passages of a song, and some noise.

    Each band is brought to one loudness before it is seen. Where a song has nothing, that is the
    rounding of the transform, which makes a difference of -40 dB in the reference itself.
    """
    song = Audio.read(SONG)
    noise = np.random.default_rng(0).normal(0, 1e-3, (2, SAMPLES)).astype(np.float32)
    samples = song.samples[:, 20_000 : 20_000 + SAMPLES] + noise
    return Audio(samples[:1] if mono else samples, song.sample_rate_hz)


def _make_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one array, which follows from its name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("rotary_embed.freqs"):
        return 1 / 100 ** (np.arange(shape[0]) / shape[0])
    if name.endswith("gamma"):
        return rng.uniform(0.5, 1.5, shape)
    if len(shape) == 1:
        return rng.uniform(-0.3, 0.3, shape)
    return rng.normal(0, 1.5 / max(shape[-1], 4) ** 0.5, shape)
