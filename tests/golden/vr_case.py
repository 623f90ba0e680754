"""The VR architecture's case: narrow networks of random weights, and the bands that they see."""

from __future__ import annotations

import json
import zlib
from typing import Any, NamedTuple

import numpy as np
import soundfile

from tests.golden.songs import GOLDEN, SONG

FOLDER = GOLDEN / "vr"
GIVEN = FOLDER / "stems.npz"
_SECONDS = 2.5


class Flavour(NamedTuple):
    """A network of the reference, and its parameters.

    Attributes:
        bands: as tuples of rate, hop, window, first and last bin, low-pass, high-pass, resampling.
        architecture: the number by which the reference tells how its network is built; None: the
            one with LSTMs.
    """

    bands: tuple[tuple[Any, ...], ...]
    bins: int
    pre_filter: tuple[int, int]
    architecture: int | None
    primary_stem: str
    more: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it

    @property
    def sample_rate_hz(self) -> int:
        """Of the highest band."""
        return int(self.bands[-1][0])

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as they are published, in JSON."""
        keys = ("sr", "hl", "n_fft", "crop_start", "crop_stop")
        bands = {}
        for number, band in enumerate(self.bands, 1):
            edges = [("lpf_start", "lpf_stop"), ("hpf_start", "hpf_stop")]
            told = dict(zip(keys, band, strict=False))
            for names, values in zip(edges, band[5:7], strict=True):
                told |= dict(zip(names, values or (-1, -1), strict=True))
            bands[str(number)] = {**told, "res_type": band[7]}
        if self.more.get("convert_channels"):
            for number, way in self.more["convert_channels"].items():
                bands[number]["convert_channels"] = way
        start, stop = self.pre_filter
        rest = {key: value for key, value in self.more.items() if key != "convert_channels"}
        return {
            "bins": self.bins, "band": bands, "sr": self.sample_rate_hz, "unstable_bins": 8,
            "reduction_bins": 9, "pre_filter_start": start, "pre_filter_stop": stop, **rest,
        }  # fmt: skip


FLAVOURS = {
    "one-band": Flavour(
        ((44100, 64, 256, 0, 128, None, None, "sinc_best"),), 128, (120, 126), 31191, "Vocals"
    ),
    "two-bands": Flavour(
        (
            (6000, 33, 256, 0, 120, (30, 59), None, "sinc_fastest"),
            (32000, 176, 512, 11, 252, None, (22, 12), "sinc_medium"),
        ),
        384, (350, 361), 129605, "Instrumental",
    ),
    "three-bands": Flavour(
        (
            (11025, 32, 192, 0, 70, (7, 35), None, "polyphase"),
            (22050, 64, 192, 4, 80, (70, 78), (18, 4), "polyphase"),
            (44100, 128, 192, 33, 78, None, (39, 36), "sinc_medium"),
        ),
        192, (182, 192), 33966, "Instrumental", {"mid_side": True},
    ),
    "four-bands": Flavour(
        (
            (7350, 20, 160, 0, 21, (6, 13), None, "polyphase"),
            (7350, 20, 80, 1, 22, (8, 16), (6, 3), "polyphase"),
            (14700, 40, 128, 4, 54, (35, 52), (12, 6), "polyphase"),
            (44100, 120, 240, 20, 96, None, (33, 22), "kaiser_fast"),
        ),
        192, (160, 168), None, "Vocals", {"convert_channels": {"2": "mid_side", "4": "stereo_n"}},
    ),
}  # fmt: skip
"""Each generation and depth, each way to filter, to resample and to see left and right."""
WIDTH, LSTM_WIDTH = 8, 12


def make_mixture(name: str) -> np.ndarray:
    """Return the beginning of a song, (channels, samples), at whatever rate a flavour has."""
    count = round(_SECONDS * FLAVOURS[name].sample_rate_hz) + 77
    samples, _ = soundfile.read(SONG, count, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T)


def shapes_of(name: str) -> dict[str, list[int]]:
    """Return the shapes of a flavour's arrays by their names, as the reference has them."""
    shapes: dict[str, list[int]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return shapes


def make_arrays(shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return random weights, whose network gives masks from almost 0 to almost 1."""
    arrays = {}
    for name, shape in shapes.items():
        twin = name.replace(".conv6.", ".conv7.")  # the reference uses one layer twice
        arrays[name] = _make_array(twin if twin in shapes else name, shape)
    return arrays


def _make_array(name: str, shape: list[int]) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.array(1)
    if kind == "running_var":
        array = rng.uniform(0.5, 1.5, shape)
    elif len(shape) > 1:
        array = rng.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5
    else:
        array = rng.uniform(0.6, 1.4, shape) if kind == "weight" else rng.normal(0, 0.2, shape)
    return (array * (4 if name == "out.weight" else 1)).astype(np.float32)
