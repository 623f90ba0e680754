"""Networks of complex spectra: how they are laid out, their weights, and what they separate."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from daw_bridge import Audio
from tests.golden.songs import GOLDEN, SONG, excerpts

FOLDER = GOLDEN / "spectral"
GIVEN = FOLDER / "stems.npz"
SHAPES = FOLDER / "shapes.json"

STEMS = ("drums", "bass", "other", "vocals")
_SAMPLES = 9_000


class Case(NamedTuple):
    """A network, and how a song is cut for it.

    Attributes:
        reference: the module of the reference that has the network.
        configuration: what its training was given.
    """

    reference: str
    configuration: dict[str, Any]


def _mdx23c(
    instruments: tuple[str, ...], *, target: str | None = None, overlaps: int = 4, **model: Any
) -> Case:
    audio = {"chunk_size": 1984, "n_fft": 256, "hop_length": 64, "dim_f": 96, "num_channels": 2}
    layout = {
        "act": "gelu", "norm": "InstanceNorm", "num_subbands": 4, "num_scales": 2, "scale": [2, 2],
        "num_channels": 8, "growth": 4, "num_blocks_per_scale": 2, "bottleneck_factor": 4,
    }  # fmt: skip
    return Case(
        "models.mdx23c_tfc_tdf_v3",
        {
            "audio": audio,
            "model": {**layout, **model},
            "training": {"instruments": list(instruments), "target_instrument": target},
            "inference": {"batch_size": 1, "num_overlap": overlaps},
        },
    )


def _scnet(
    reference: str, stems: tuple[str, ...] = STEMS, *, overlaps: int = 4, **model: Any
) -> Case:
    layout = {
        "sources": list(stems), "audio_channels": 2, "dims": [4, 8, 12], "nfft": 256,
        "hop_size": 64, "win_size": 256, "normalized": True, "num_dplayer": 2,
    }  # fmt: skip
    return Case(
        reference,
        {
            "audio": {"chunk_size": 2100, "num_channels": 2},
            "model": {**layout, **model},
            "training": {"instruments": list(stems), "target_instrument": None},
            "inference": {
                "batch_size": 1, "num_overlap": overlaps, "normalize": reference == AUTHORS,
            },
        },
    )  # fmt: skip


AUTHORS = "scnet.SCNet"
"""The module of SCNet's authors, whose network normalises each passage itself."""

MDX23C = {
    "instance norm": _mdx23c(("Vocals", "Other", "Bass")),
    "batch norm": _mdx23c(
        ("Similarity", "Difference"), target="Similarity", overlaps=2,
        norm="BatchNorm", act="relu", scale=[2, 1], num_blocks_per_scale=1,
    ),
    "group norm": _mdx23c(
        ("No Reverb", "Reverb"), overlaps=3,
        norm="GroupNorm2", act="elu0.7", num_subbands=1, num_scales=1, growth=2,
    ),
}  # fmt: skip
SCNET = {
    "scnet": _scnet("models.scnet.scnet"),
    "masks": _scnet("models.scnet.scnet_masked", overlaps=2),
    "authors": _scnet(AUTHORS, overlaps=2),
    "other sizes": _scnet(
        "models.scnet.scnet", STEMS[:2], overlaps=1, normalized=False, dims=[4, 6, 8, 8],
        band_SR=[0.225, 0.372, 0.403], band_stride=[1, 2, 3], band_kernel=[5, 2, 3],
        conv_depths=[2, 1, 1], conv_kernel=5, compress=2, num_dplayer=4, expand=2,
    ),
}  # fmt: skip
CASES = {**MDX23C, **SCNET}


def make_mixture() -> Audio:
    """Return several passages of a song, and some of one more."""
    song = Audio.read(SONG)
    return Audio(song.samples[:, 40_000 : 40_000 + _SAMPLES].copy(), song.sample_rate_hz)


def read_shapes(case: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays that the reference has for a case, by its names."""
    told = json.loads(SHAPES.read_text("utf-8"))
    return {name: tuple(shape) for name, shape in told[case].items()}


def draw(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return random arrays of such names and shapes; every layer's output is as loud as its input.

    Arrays of no dimensions count how often a layer was trained.
    """
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        if not shape:
            arrays[name] = np.array(1)
        elif name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
            arrays[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        elif len(shape) == 1 or name == "pos_embed_f":
            arrays[name] = rng.uniform(-0.1, 0.1, shape).astype(np.float32)
        else:
            deviation = (1.2 / np.prod(shape[1:])) ** 0.5
            arrays[name] = rng.normal(0, deviation, shape).astype(np.float32)
    return arrays


def choose(stem: np.ndarray) -> np.ndarray:
    """Keep some samples of a stem (2, samples)."""
    return excerpts(stem)[..., ::4]
