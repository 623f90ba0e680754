"""RoFormers: transformers over time and over the bands of a spectrum, in turn.

W.-T. Lu, J.-C. Wang, Q. Kong and Y.-N. Hung, "Music source separation with band-split RoPE
transformer", ICASSP 2024; J.-C. Wang, W.-T. Lu and M. Won, "Mel-band RoFormer for music source
separation", ISMIR 2023 late-breaking. Layers are named as in the package BS-RoFormer and its forks.

What travels between layers is (bands, time_frames, features).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count, takewhile
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.conversion.graphs.attention import (
    Rotation,
    add_and_norm,
    attend,
    dense,
    gelu,
    make_rotation,
    project,
    rms_norm,
    rotate,
    weigh_heads,
)
from daw_bridge.conversion.graphs.layers import Value
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge.conversion.graphs.layers import Layers

_ROTARY_BASE = 10_000
_LINEAR_SCALE = 8
_LEAST_NORM = 1e-12
_GROUP_NUMBERS = 1 << 23
"""How many numbers the widest layer may give at a time: more sequences follow each other."""
_WIDENING = 4


@dataclass(frozen=True)
class Roformer:
    """What a network's arrays do not tell.

    Attributes:
        bands: the bins that each band sees; bands may overlap.
        channels: of the audio.
        bins: from 0 Hz to half the sample rate.
        frames: time frames that it sees at once.
        heads: of every attention.
        sums_blocks: each pair of transformers sees the sum of what all pairs before it gave.
        silences_dc: nothing is left at 0 Hz.
    """

    bands: Sequence[range]
    channels: int
    bins: int
    frames: int
    heads: int
    sums_blocks: bool = False
    silences_dc: bool = False

    @property
    def planes(self) -> int:
        """Real and imaginary parts of all channels."""
        return 2 * self.channels


def add_roformer(
    layers: Layers, settings: Roformer, spectrum: Value, order: Sequence[int]
) -> Value:
    """Add a network from a spectrum to those of its stems.

    Args:
        layers: of the network.
        settings: what its arrays do not tell.
        spectrum: (1, channels · 2, bins, time_frames), real parts before imaginary ones.
        order: the network's stems as they are to come out.

    Returns:
        the same of stems: (1, stems · channels · 2, bins, time_frames).

    Raises:
        WeightsError: arrays are missing, or do not fit the settings.
    """
    x = _add_blocks(layers, settings, _split_bands(layers, settings, spectrum))
    if layers.has("final_norm.gamma"):
        x = rms_norm(layers, x, "final_norm.gamma")
    each = layers.split(x, 0, [1] * len(settings.bands))
    masks = [_add_masks(scoped, settings, each) for scoped in _numbered(layers, "mask_estimators.")]
    if len(masks) != len(order):
        raise WeightsError(f"It makes {len(masks)} stems, not {len(order)}.")
    ordered = layers.join(*(masks[index] for index in order), axis=0)
    return _apply_masks(layers, settings, spectrum, ordered)


def find_bands(widths: Sequence[int]) -> list[range]:
    """Return the bins of bands of these widths that follow each other from 0 Hz."""
    ends = np.cumsum(widths).tolist()
    return [range(end - width, end) for end, width in zip(ends, widths, strict=True)]


def find_mel_bands(number: int, window_samples: int, sample_rate_hz: int) -> list[range]:
    """Return the bins that the triangles of a mel filter bank see, on the scale of Slaney.

    Slaney, "Auditory Toolbox, version 2", 1998: linear to 1 kHz, logarithmic above. The first band
    also has the bin at 0 Hz, the last that at half the sample rate.

    Raises:
        WeightsError: bands are so narrow that one sees no bin, or a bin is seen by none.
    """
    corners_hz = _mel_to_hz(np.linspace(0, _hz_to_mel(sample_rate_hz / 2), number + 2))
    bins_hz = np.fft.rfftfreq(window_samples, 1 / sample_rate_hz)
    seen = (bins_hz > corners_hz[:-2, np.newaxis]) & (bins_hz < corners_hz[2:, np.newaxis])
    seen[0, 0] = seen[-1, -1] = True
    if not seen.any(axis=0).all() or not seen.any(axis=1).all():
        raise WeightsError(f"{number} mel bands are too narrow for {len(bins_hz)} bins.")
    firsts = seen.argmax(axis=1)
    return [
        range(first, first + width)
        for first, width in zip(firsts.tolist(), seen.sum(axis=1).tolist(), strict=True)
    ]


def _hz_to_mel(hz: float) -> float:
    """Return a place on Slaney's scale, of a frequency from 1 kHz on, or below."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def _mel_to_hz(mels: np.ndarray) -> np.ndarray:
    """Return the frequencies of places on the scale, (…)."""
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))


def _numbered(layers: Layers, name: str = "") -> Iterator[Layers]:
    """Yield the layers of each part of a list, as long as there are parts."""
    scopes = (f"{layers.scope}{name}{number}." for number in count())
    found = takewhile(layers.graph.has_scope, scopes)
    return (replace(layers, scope=scope) for scope in found)


def _within(layers: Layers) -> Layers:
    """Return the layers of a transformer's attention, of which dense layers are the other half."""
    return replace(layers, scope=f"{layers.scope}0.")


def _split_bands(layers: Layers, settings: Roformer, spectrum: Value) -> Value:
    """Make features of the bins of each band: (bands, time_frames, features)."""
    planes = settings.planes
    bins_last = layers.transpose(spectrum, 0, 3, 2, 1)
    rows = layers.reshape(bins_last, (1, settings.frames, planes * settings.bins))
    features = []
    for number, band in enumerate(settings.bands):
        seen = layers.crop(rows, 2, planes * band.start, planes * len(band))
        layer = f"band_split.to_features.{number}"
        features.append(dense(layers, rms_norm(layers, seen, f"{layer}.0.gamma"), f"{layer}.1"))
    return layers.join(*features, axis=0)


def _add_blocks(layers: Layers, settings: Roformer, x: Value) -> Value:
    """Add the transformers, over time and bands in turn: (bands, time_frames, features) both."""
    times, bands = _Axis(settings.heads), _Axis(settings.heads)
    earlier: list[Value] = []
    for block in _numbered(layers, "layers."):
        *over_all, over_time, over_bands = _transformers_of(block)
        for transformer in over_all:
            x = _transform_linearly(transformer, x, settings.heads)
        for given in earlier:
            x = layers.apply("Add", x, given)
        x = layers.transpose(times.transform(over_time, x), 1, 0, 2)
        x = layers.transpose(bands.transform(over_bands, x), 1, 0, 2)
        earlier += [x] * settings.sums_blocks
    return x


def _transformers_of(block: Layers) -> list[Layers]:
    transformers = list(_numbered(block))
    if len(transformers) not in (2, 3):
        raise WeightsError(f"{block.scope} has {len(transformers)} transformers, not two or three.")
    return transformers


@dataclass
class _Axis:
    """Adds the transformers of one axis: each sequence, (sequences, rows, features), by itself.

    In some networks all but the first mix what the first one attended to into what they attend to
    (Z. Zhou et al., "Value residual learning", ACL 2025).

    Attributes:
        heads: of every attention.
        first_values: what the first one attended to, for each group of sequences.
    """

    heads: int
    first_values: dict[int, Value] = field(default_factory=dict)

    def transform(self, layers: Layers, x: Value) -> Value:
        """Add a transformer of (sequences, rows, features), some of the sequences at a time."""
        sequences, rows, features = x.shape
        at_a_time = max(_GROUP_NUMBERS // (_WIDENING * rows * features), 1)
        sizes = [min(at_a_time, sequences - start) for start in range(0, sequences, at_a_time)]
        groups = layers.split(x, 0, sizes) if len(sizes) > 1 else [x]
        given = [self._transform(layers, each, group) for group, each in enumerate(groups)]
        return layers.join(*given, axis=0) if len(given) > 1 else given[0]

    def _transform(self, layers: Layers, x: Value, group: int) -> Value:
        for layer in _numbered(layers, "layers."):
            x = _feed_forward(layer, x, self._attend(_within(layer), x, group))
        return _normalise_output(layers, x)

    def _attend(self, layers: Layers, x: Value, group: int) -> Value:
        """Add attention whose heads are weighed by gates: (sequences, rows, features) all."""
        seen = rms_norm(layers, x, "norm.gamma")
        width = layers.array("to_qkv.weight").shape[0] // 3
        queries, keys, values = (
            project(layers, seen, "to_qkv", slice(start, start + width))
            for start in (0, width, 2 * width)
        )
        rotation = _make_rotation(layers, width // self.heads, seen.shape[1])
        queries, keys = (rotate(layers, each, rotation, self.heads) for each in (queries, keys))
        mixed = _mix_values(layers, seen, values, self.first_values.setdefault(group, values))
        attended = attend(layers, queries, keys, mixed, heads=self.heads)
        gates = layers.apply("Sigmoid", dense(layers, seen, "to_gates"))
        if gates.shape[2] != self.heads:
            raise WeightsError(f"{layers.scope} has {gates.shape[2]} heads, not {self.heads}.")
        return project(layers, weigh_heads(layers, attended, gates), "to_out.0")


def _mix_values(layers: Layers, seen: Value, values: Value, first: Value) -> Value:
    """Mix the first one's values into (sequences, rows, features), if a layer has learnt how."""
    if not layers.has("to_value_residual_mix.weight"):
        return values
    share = layers.apply("Sigmoid", dense(layers, seen, "to_value_residual_mix"))
    change = layers.apply("Sub", first, values)
    return layers.apply("Add", values, weigh_heads(layers, change, share))


def _make_rotation(layers: Layers, features: int, rows: int) -> Rotation:
    if layers.has("rotary_embed.freqs"):
        return make_rotation(layers, layers.array("rotary_embed.freqs"), rows)
    rates = _ROTARY_BASE ** -(np.arange(0, features, 2) / features)
    return make_rotation(layers, rates.astype(np.float32), rows)


def _feed_forward(layers: Layers, x: Value, change: Value) -> Value:
    """Add what attention gave to (…, features), then what two dense layers make of the sum."""
    seen, x = add_and_norm(layers, x, change, "1.net.0.gamma")
    hidden = gelu(layers, dense(layers, seen, "1.net.1"))
    return layers.apply("Add", x, dense(layers, hidden, "1.net.4"))


def _normalise_output(layers: Layers, x: Value) -> Value:
    """Normalise (…, features), if the transformer has learnt gains for that."""
    return rms_norm(layers, x, "norm.gamma") if layers.has("norm.gamma") else x


def _transform_linearly(layers: Layers, x: Value, heads: int) -> Value:
    """Let all times and bands (bands, time_frames, features) show which features are alike.

    A. El-Nouby et al., "XCiT: cross-covariance image transformers", NeurIPS 2021.
    """
    rows = layers.reshape(x, (1, -1, x.shape[2]))
    for layer in _numbered(layers, "layers."):
        rows = _feed_forward(layer, rows, _attend_features(_within(layer), rows, heads))
    return layers.reshape(_normalise_output(layers, rows), x.shape)


def _attend_features(layers: Layers, rows: Value, heads: int) -> Value:
    """Let features of (1, rows, features) attend to each other, by how alike they are."""
    seen = rms_norm(layers, rows, "norm.gamma")
    width = layers.array("to_qkv.0.weight").shape[0] // 3
    queries, keys, values = (
        _by_features(layers, project(layers, seen, "to_qkv.0", slice(start, start + width)), heads)
        for start in (0, width, 2 * width)
    )
    warmth = np.exp(layers.array("temperature")) * _LINEAR_SCALE
    queries = layers.apply("Mul", _unit(layers, queries), layers.constant(warmth))
    alike = layers.matmul(queries, layers.transpose(_unit(layers, keys), 0, 2, 1))
    shares = layers.apply("Softmax", alike, axis=-1)
    attended = layers.reshape(layers.matmul(shares, values), (1, width, -1))
    return project(layers, layers.transpose(attended, 0, 2, 1), "to_out.1")


def _by_features(layers: Layers, rows: Value, heads: int) -> Value:
    """Turn (1, rows, heads · features) into (heads, features, rows)."""
    _, count_rows, width = rows.shape
    turned = layers.transpose(rows, 0, 2, 1)
    return layers.reshape(turned, (heads, width // heads, count_rows))


def _unit(layers: Layers, x: Value) -> Value:
    """Bring the norm along the last axis of (…) to 1."""
    norm = Value(
        layers.graph.add("ReduceL2", [x.name], axes=[len(x.shape) - 1]), (*x.shape[:-1], 1)
    )
    return layers.apply("Div", x, layers.apply("Max", norm, layers.constant(_LEAST_NORM)))


def _add_masks(layers: Layers, settings: Roformer, bands: Sequence[Value]) -> Value:
    """Estimate a stem's mask: (1, channels, 2, bins, time_frames)."""
    each = [
        _add_mask(layer, x) for layer, x in zip(_numbered(layers, "to_freqs."), bands, strict=True)
    ]
    seen = sum(len(band) for band in settings.bands)
    rows = layers.reshape(layers.join(*each, axis=2), (settings.frames, seen, settings.planes))
    masks = _average(layers, settings, layers.transpose(rows, 2, 1, 0))
    return layers.reshape(masks, (1, settings.channels, 2, settings.bins, settings.frames))


def _add_mask(layers: Layers, x: Value) -> Value:
    """Estimate the mask of one band: (1, time_frames, bins · planes)."""
    places = takewhile(lambda place: layers.has(f"0.{place}.weight"), count(0, 2))
    for place in places:
        x = dense(layers, layers.apply("Tanh", x) if place else x, f"0.{place}")
    half = x.shape[2] // 2
    mask, gate = layers.split(x, 2, [half, x.shape[2] - half])
    return layers.apply("Mul", mask, layers.apply("Sigmoid", gate))


def _average(layers: Layers, settings: Roformer, masks: Value) -> Value:
    """Average what bands that share a bin say of it: (planes, bins of bands, frames) → bins.

    No bin is in more than two bands.
    """
    starts = np.cumsum([0, *map(len, settings.bands)])
    places: list[list[int]] = [[] for _ in range(settings.bins)]
    for start, band in zip(starts.tolist(), settings.bands, strict=False):
        for place, bin_ in enumerate(band, start):
            places[bin_].append(place)
    first, last = ([each[end] for each in places] for end in (0, -1))
    if first == last:
        return masks
    gathered = [_gather(layers, masks, each) for each in (first, last)]
    return layers.apply("Mul", layers.apply("Add", *gathered), layers.constant(0.5))


def _gather(layers: Layers, x: Value, places: Sequence[int]) -> Value:
    """Take parts of the second axis: (…, size, …) → (…, places, …)."""
    at = layers.graph.unnamed(np.array(places))
    name = layers.graph.add("Gather", [x.name, at], axis=1)
    return Value(name, (x.shape[0], len(places), *x.shape[2:]))


def _apply_masks(layers: Layers, settings: Roformer, spectrum: Value, masks: Value) -> Value:
    """Multiply a spectrum (1, channels · 2, …) by complex masks (stems, channels, 2, …)."""
    stems, *rest = masks.shape
    seen = layers.reshape(spectrum, (1, *rest))
    if settings.silences_dc:
        kept = (np.arange(settings.bins) > 0).reshape(-1, 1)
        seen = layers.apply("Mul", seen, layers.constant(kept))
    (real, imaginary), (mask_real, mask_imaginary) = (
        layers.split(each, 2, [1, 1]) for each in (seen, masks)
    )

    def product(left: Value, right: Value) -> Value:
        return layers.apply("Mul", left, right)

    stem_real = layers.apply("Sub", product(real, mask_real), product(imaginary, mask_imaginary))
    stem_imaginary = layers.apply(
        "Add", product(real, mask_imaginary), product(imaginary, mask_real)
    )
    joined = layers.join(stem_real, stem_imaginary, axis=2)
    return layers.reshape(joined, (1, stems * settings.planes, *spectrum.shape[2:]))
