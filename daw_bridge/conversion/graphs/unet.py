"""Weights of U-Nets → ONNX graphs from magnitudes to masks.

Three networks are made of the same layers: a U-Net a stem (Spleeter's), one U-Net whose output is a
mask itself, and one encoder that the stems' decoders share.

In all of them time_frames and bins are multiples of 2**6. Widths are read from the weights.

Architecture: Jansson et al., "Singing voice separation with deep U-Net convolutional networks",
ISMIR 2017, with Spleeter's layers (Hennequin et al., JOSS 5(50), 2154, 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.conversion.graphs.graph import MAGNITUDES, GraphBuilder
from daw_bridge.library.activations import DEFAULT_ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.graphs.graph import Weights
    from daw_bridge.library.activations import Activation, Activations

    Maps = str
    """The name of a value (1, filters, time_frames, bins); each level halves the last two"""
    MaskMaps = str
    """The name of a value (1, channels, time_frames, bins), as magnitudes are"""

DEPTH = 6
NORM_ARRAYS = ("gamma", "beta", "mean", "variance")
NORM_EPSILON = 1e-3
LEAKY_RELU_SLOPE = 0.2
MASK_EPSILON = 1e-10
# 'same' padding of a 5 by 5 kernel with stride 2 is uneven: one before, two after.
_HALVE: Mapping[str, Any] = {"kernel_shape": [5, 5], "strides": [2, 2], "pads": [1, 1, 2, 2]}
# Output 2m of a transposed convolution with stride 2, cropped by (1, 2), takes taps 3 and 1 of the
# kernel on inputs m - 1 and m; output 2m + 1 takes taps 4, 2 and 0 on m - 1, m and m + 1.
_PHASE_TAPS = ([3, 1], [4, 2, 0])
_PHASE_PADS = ((1, 0), (1, 1))


def build_separate_unets(
    unets: Sequence[Weights],
    *,
    activations: Activations = DEFAULT_ACTIVATIONS,
    mask_exponent: float = 2,
    half: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Build a network of one U-Net a stem, whose outputs share the mixture.

    Each estimates s = sigmoid(logits) · magnitudes, or with a softmax of the U-Nets' logits in
    place of the sigmoid. Masks are (sᵖ + ε/n) / (Σ sᵖ + ε): in [0, 1], summing to 1 over the stems,
    equal shares of silence. An exponent p of 1 shares amplitudes, 2 shares energies.

    Raises:
        WeightsError: an array is missing.
    """
    scopes = [f"unet{number}." for number in range(len(unets))]
    weights = {
        f"{scope}{name}": array
        for scope, unet in zip(scopes, unets, strict=True)
        for name, array in unet.items()
    }
    graph = GraphBuilder(weights, half=half)
    logits = []
    for scope in scopes:
        skips = _add_encoder(graph, scope, activation=activations.encoder)
        signal = _add_decoder(
            graph,
            skips.pop(),
            skips,
            scope=scope,
            levels=range(1, DEPTH + 1),
            activation=activations.decoder,
        )
        logits.append(_add_logits(graph, signal, scope))
    add_output = _add_softmax if activations.output == "softmax" else _add_sigmoids
    masks = _add_ratio_masks(graph, add_output(graph, logits), mask_exponent)
    return graph.mask_model(masks, channels=_count_channels(unets[0]), metadata=metadata)


def build_mask_unet(
    weights: Weights,
    *,
    mask_exponent: float = 1,
    half: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Build a network of one U-Net, whose sigmoid s is the first stem's share, 1 - s the other's.

    Masks are sᵖ / (sᵖ + (1 - s)ᵖ) and what that leaves: the sigmoid of p · logits.

    Raises:
        WeightsError: an array is missing.
    """
    scaled = {
        name: np.float32(mask_exponent) * array
        for name, array in weights.items()
        if name.startswith("output.")
    }
    graph = GraphBuilder({**weights, **scaled}, half=half)
    skips = _add_encoder(graph)
    signal = _add_decoder(graph, skips.pop(), skips, levels=range(1, DEPTH + 1))
    (mask,) = _add_sigmoids(graph, [_add_logits(graph, signal)])
    one = graph.constant("mask.one", np.array(1, np.float32))
    masks = [mask, graph.add("Sub", [one, mask])]
    return graph.mask_model(masks, channels=_count_channels(weights), metadata=metadata)


def build_shared_unet(
    weights: Weights,
    stems: Sequence[str],
    *,
    mask_exponent: float = 2,
    half: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Build a network of one encoder and a decoder a stem; masks as in build_separate_unets().

    Layers that all stems share are named ``encoder1`` … and ``decoder1`` … for as many levels of
    the decoder as they share, perhaps none; those of a stem, ``<stem>.decoder1`` … and
    ``<stem>.output``.

    Raises:
        WeightsError: an array is missing.
    """
    graph = GraphBuilder(weights, half=half)
    skips = _add_encoder(graph)
    shared = sum(f"decoder{level}.kernel" in weights for level in range(1, DEPTH + 1))
    trunk = _add_decoder(graph, skips.pop(), skips, levels=range(1, shared + 1))
    logits = []
    for stem in stems:
        levels = range(shared + 1, DEPTH + 1)
        signal = _add_decoder(graph, trunk, skips, scope=f"{stem}.", levels=levels)
        logits.append(_add_logits(graph, signal, f"{stem}."))
    masks = _add_ratio_masks(graph, _add_sigmoids(graph, logits), mask_exponent)
    return graph.mask_model(masks, channels=_count_channels(weights), metadata=metadata)


def _add_ratio_masks(
    graph: GraphBuilder, outputs: Sequence[MaskMaps], exponent: float
) -> list[MaskMaps]:
    """Add the masks, from the outputs of all stems' U-Nets."""
    powers = estimates = [graph.add("Mul", [output, MAGNITUDES]) for output in outputs]
    if exponent == 2:
        powers = [graph.add("Mul", [s, s]) for s in estimates]
    elif exponent != 1:
        power = graph.constant("mask.exponent", np.array(exponent, np.float32))
        powers = [graph.add("Pow", [s, power]) for s in estimates]
    share = graph.constant("mask.share", np.array(MASK_EPSILON / len(estimates), np.float32))
    shares = [graph.add("Add", [power, share]) for power in powers]
    total = graph.add("Sum", shares)
    return [graph.add("Div", [numerator, total]) for numerator in shares]


def _count_channels(weights: Weights) -> int:
    return weights["encoder1.kernel"].shape[1]


def _add_encoder(
    graph: GraphBuilder, scope: str = "", *, activation: Activation = DEFAULT_ACTIVATIONS.encoder
) -> list[Maps]:
    """Add the layers that halve time and bins; return the raw convolutions, finest first."""
    skips = []
    signal = MAGNITUDES
    for level in range(1, DEPTH + 1):
        layer = f"{scope}encoder{level}"
        skips.append(graph.add("Conv", [signal, *graph.weights(layer, "kernel", "bias")], **_HALVE))
        if level < DEPTH:
            normal = _add_norm(graph, skips[-1], graph.weights(layer, *NORM_ARRAYS))
            signal = _add_activation(graph, normal, activation)
    return skips


def _add_decoder(
    graph: GraphBuilder,
    signal: Maps,
    skips: Sequence[Maps],
    *,
    levels: Iterable[int],
    scope: str = "",
    activation: Activation = DEFAULT_ACTIVATIONS.decoder,
) -> Maps:
    """Add some of the layers that double time and bins, each but the finest joined by its skip.

    The first one's signal is the last, never normalised convolution of the encoder; ``skips`` are
    the others, finest first.
    """
    for level in levels:
        signal = _add_doubling(graph, signal, f"{scope}decoder{level}", activation)
        if level < DEPTH:
            signal = graph.add("Concat", [skips[-level], signal], axis=1)
    return signal


def _add_doubling(graph: GraphBuilder, signal: Maps, layer: str, activation: Activation) -> Maps:
    """Add a transposed convolution with stride 2, its activation and its normalisation."""
    kernel = graph.array(f"{layer}.kernel")
    filters = kernel.shape[1]
    if filters == 1:  # is faster in one piece
        inputs = [signal, *graph.weights(layer, "kernel", "bias")]
        whole = graph.add("ConvTranspose", inputs, **_HALVE)
        active = _add_activation(graph, whole, activation)
        return _add_norm(graph, active, graph.weights(layer, *NORM_ARRAYS))
    phases = _add_phase_kernels(graph, layer, kernel)
    bias, *norm = graph.weights(layer, "bias", *NORM_ARRAYS)
    rows = _add_rows(graph, signal, phases, bias=bias, activation=activation, norm=norm)
    return graph.reshape(graph.add("Concat", rows, axis=2), [1, filters, -1, 0])


def _add_phase_kernels(
    graph: GraphBuilder, layer: str, kernel: NDArray[np.float32]
) -> list[list[str]]:
    """Cut the kernel of a transposed convolution into those of even and odd rows and columns.

    Of (channels, filters, 5, 5), each has (filters, channels, 2 or 3, 2 or 3).
    """
    return [
        [
            graph.constant(
                f"{layer}.kernel{row}{column}",
                kernel[:, :, _PHASE_TAPS[row]][..., _PHASE_TAPS[column]].transpose(1, 0, 2, 3),
            )
            for column in (0, 1)
        ]
        for row in (0, 1)
    ]


def _add_rows(
    graph: GraphBuilder,
    signal: Maps,
    phases: list[list[str]],
    *,
    bias: str,
    activation: Activation,
    norm: list[str],
) -> list[str]:
    """Add the convolutions that double time and bins, phase by phase.

    Even and odd rows and columns of its output are plain convolutions with just the taps that reach
    them; ONNX Runtime runs four of those faster than one ConvTranspose. Columns are interleaved by
    a transposition. Even and odd rows are returned apart: (filters, time_frames, 1, bins · 2) each.
    """
    rows = []
    for row in (0, 1):
        columns = []
        for column in (0, 1):
            (top, bottom), (left, right) = _PHASE_PADS[row], _PHASE_PADS[column]
            inputs = [signal, phases[row][column], bias]
            phase = graph.add("Conv", inputs, pads=[top, left, bottom, right])
            columns.append(_add_norm(graph, _add_activation(graph, phase, activation), norm))
        stacked = graph.add("Concat", columns, axis=0)  # (column, filters, time_frames, bins)
        paired = graph.add("Transpose", [stacked], perm=[1, 2, 3, 0])
        rows.append(graph.reshape(paired, [0, 0, 1, -1]))
    return rows


def _add_norm(graph: GraphBuilder, signal: Maps, norm: Sequence[str]) -> Maps:
    return graph.add("BatchNormalization", [signal, *norm], epsilon=NORM_EPSILON)


def _add_activation(graph: GraphBuilder, signal: Maps, activation: Activation) -> Maps:
    match activation:
        case "leaky_relu":
            return graph.add("LeakyRelu", [signal], alpha=LEAKY_RELU_SLOPE)
        case "relu":
            return graph.add("Relu", [signal])
        case "elu":
            return graph.add("Elu", [signal])


def _add_logits(graph: GraphBuilder, signal: Maps, scope: str = "") -> MaskMaps:
    """Add the last layer."""
    inputs = [signal, *graph.weights(f"{scope}output", "kernel", "bias")]
    return graph.add("Conv", inputs, kernel_shape=[4, 4], dilations=[2, 2], pads=[3, 3, 3, 3])


def _add_sigmoids(graph: GraphBuilder, logits: Sequence[MaskMaps]) -> list[MaskMaps]:
    return [graph.add("Sigmoid", [each]) for each in logits]


def _add_softmax(graph: GraphBuilder, logits: Sequence[MaskMaps]) -> list[MaskMaps]:
    """Add a softmax across the logits, which stay apart: stacking and moving them costs more."""
    peak = graph.add("Max", logits)
    powers = [graph.add("Exp", [graph.add("Sub", [each, peak])]) for each in logits]
    total = graph.add("Sum", powers)
    return [graph.add("Div", [power, total]) for power in powers]
