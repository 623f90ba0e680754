"""X-UMX and D3Net by the papers, made of nnabla's own layers; runs where nnabla is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nnabla as nn
import numpy as np
from nnabla import functions, parametric_functions
from nnabla.parameter import get_parameter_or_create, parameter_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def make_xumx(
    mixture: Any, *, stems: Sequence[str], seen_bins: int, hidden: int, layers: int
) -> Any:
    """Return X-UMX's masks (stems, time_frames, 1, channels, bins) of magnitudes of that shape."""
    frames, _, channels, bins = mixture.shape
    encoded = []
    for stem in stems:
        shown = mixture[..., :seen_bins] + _row(f"input_mean_{stem}", (seen_bins,))
        shown = shown * _row(f"input_scale_{stem}", (seen_bins,))
        encoded.append(functions.tanh(_dense_rows(shown, hidden, f"fc1_{stem}")))
    crossed = sum(encoded[1:], encoded[0]) / len(stems)
    joined = [
        functions.concatenate(own, _recur(crossed, hidden, layers, f"lstm_{stem}"), axis=2)
        for stem, own in zip(stems, encoded, strict=True)
    ]
    crossed = sum(joined[1:], joined[0]) / len(stems)
    masks = []
    for stem in stems:
        decoded = functions.relu(_dense_rows(crossed, hidden, f"fc2_{stem}"))
        decoded = _dense_rows(decoded, channels * bins, f"fc3_{stem}")
        decoded = functions.reshape(decoded, (frames, 1, channels, bins))
        decoded = decoded * _row(f"output_scale_{stem}", (bins,))
        masks.append(functions.relu(decoded + _row(f"output_mean_{stem}", (bins,))))
    return functions.stack(*masks, axis=0)


def make_d3net(mixture: Any, recipe: Mapping[str, Any], split: int) -> Any:
    """Return the magnitudes that D3Net gives for (1, channels, time_frames, bins)."""
    _, channels, _, bins = mixture.shape
    seen_bins = recipe["seen_bins"]
    shown = mixture - _row("in_offset", (1, 1, 1, bins))
    shown = shown / _row("in_scale", (1, 1, 1, bins))
    edges = {"low": (0, split), "middle": (split, seen_bins)}
    widest = max(recipe[band]["k"][-1] for band in edges)
    bands = []
    for number, (band, (start, end)) in enumerate(edges.items()):
        planes = _convolve(
            shown[..., start:end], recipe[band]["init"], 3, f"features_init/{number}"
        )
        planes = _scales(planes, recipe[band], f"dense_band/{number}")
        if planes.shape[1] < widest:
            planes = _norm(planes, f"match_fm_conv/{number}/norm")
            planes = _convolve(planes, widest, 1, f"match_fm_conv/{number}/conv")
        bands.append(planes)
    full = _convolve(shown[..., :seen_bins], recipe["full"]["init"], 3, "features_init_full")
    full = _scales(full, recipe["full"], "dense_full")
    joined = functions.concatenate(functions.concatenate(*bands, axis=3), full, axis=1)
    with parameter_scope("final_dense"):
        planes = _d2(joined, recipe["k"], recipe["layers"])
    with parameter_scope("out_gate"):
        planes = _norm(planes, "bn")
        gate = functions.sigmoid(_convolve(planes, channels, 1, "conv_gate/conv"))
        estimate = gate * _convolve(planes, channels, 1, "conv_filt/conv")
    estimate = estimate * _row("decode_scale", (1, 1, 1, seen_bins))
    estimate = functions.relu(estimate + _row("decode_bias", (1, 1, 1, seen_bins)))
    return functions.concatenate(estimate, mixture[..., seen_bins:], axis=3)


def _row(name: str, shape: tuple[int, ...]) -> Any:
    """Return a parameter that has a value for each bin."""
    return functions.reshape(get_parameter_or_create(name, shape), (1, 1, 1, shape[-1]))


def _dense_rows(signal: Any, width: int, name: str) -> Any:
    rows = parametric_functions.affine(signal, width, base_axis=2, with_bias=False, name=name)
    return parametric_functions.batch_normalization(rows, axes=[2], batch_stat=False, name=name)


def _recur(rows: Any, hidden: int, layers: int, name: str) -> Any:
    still = nn.Variable.from_numpy_array(np.zeros((layers, 2, 1, hidden // 2)))
    states, _, _ = parametric_functions.lstm(
        rows, still, still, num_layers=layers, bidirectional=True, training=False, name=name
    )
    return states


def _scales(planes: Any, plan: Mapping[str, Any], name: str) -> Any:
    sizes = list(zip(plan["k"], plan["layers"], plan["blocks"], strict=True))
    depth, passed = len(sizes) // 2, []
    with parameter_scope(f"{name}/ds_layers"):
        for level in range(depth):
            with parameter_scope(f"dense_block{level}"):
                passed.append(_d3(planes, *sizes[level]))
            planes = functions.average_pooling(passed[-1], (2, 2), stride=(2, 2))
    with parameter_scope(f"{name}/bottleneck_block"):
        planes = _d3(planes, *sizes[depth])
    with parameter_scope(f"{name}/us_layers"):
        for level in range(depth):
            with parameter_scope(f"upsample{level}/upsample"):
                planes = parametric_functions.deconvolution(
                    _norm(planes, "norm"), planes.shape[1], (2, 2), stride=(2, 2), name="transconv"
                )
            planes = functions.concatenate(planes, passed.pop(), axis=1)
            with parameter_scope(f"dense_block{depth + 1 + level}"):
                planes = _d3(planes, *sizes[depth + 1 + level])
    return planes


def _d3(planes: Any, k: int, layers: int, blocks: int) -> Any:
    """Let dense blocks follow each other as the layers of one do."""
    with parameter_scope("initial_block"):
        first = _d2(planes, k * blocks, layers)
    return _share_out(first, k, blocks, lambda part, width, _: _d2(part, width, layers))


def _d2(planes: Any, k: int, layers: int) -> Any:
    """Let convolutions follow each other, each dilated twice as much as the one before it."""
    with parameter_scope("initial_layer"):
        first = _layer(planes, k * layers, 0)
    return _share_out(first, k, layers, _layer)


def _share_out(first: Any, k: int, count: int, make: Callable[[Any, int, int], Any]) -> Any:
    """Let each part of the planes add to all parts after it; return the last."""
    parts = [first[:, at * k : (at + 1) * k] for at in range(count)]
    for number in range(1, count):
        with parameter_scope(f"layers/layer{number}"):
            made = make(parts[number - 1], k * (count - number), number)
        for at in range(count - number):
            parts[number + at] = parts[number + at] + made[:, at * k : (at + 1) * k]
    return parts[-1]


def _layer(planes: Any, width: int, number: int) -> Any:
    with parameter_scope("bottleneck"):
        shown = functions.relu(_norm(planes, "norm1"))
        return _convolve(shown, width, 3, "conv1", 2**number)


def _norm(planes: Any, name: str) -> Any:
    return parametric_functions.batch_normalization(planes, batch_stat=False, name=name)


def _convolve(planes: Any, count: int, size: int, name: str, dilation: int = 1) -> Any:
    pad = size // 2 * dilation
    return parametric_functions.convolution(
        planes, count, (size,) * 2, pad=(pad,) * 2, dilation=(dilation,) * 2, name=name
    )
