"""Graphs against the same networks in PyTorch, and against each other."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch.nn import functional

from daw_bridge.conversion.graphs.unet import (
    DEPTH,
    build_mask_unet,
    build_separate_unets,
    build_shared_unet,
)
from daw_bridge.errors import WeightsError
from daw_bridge.library.activations import DEFAULT_ACTIVATIONS, Activations
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from tests.conftest import level_db
from tests.mini_model import make_layer, make_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daw_bridge.conversion.graphs.graph import Weights
    from daw_bridge.separation.network import Magnitudes, Masks

STEMS = ("drums", "bass", "other")
EXACT_DB = -90
HALF_DB = -55
"""Float16 keeps 11 bits of each of the weights: -66 dB, added up over the layers."""


def random_magnitudes() -> Magnitudes:
    rng = np.random.default_rng(7)
    return np.square(rng.standard_normal((2, 128, 192))).astype(np.float32)


def run(graph: onnx.ModelProto, folder: Path) -> Masks:
    """Run a graph, from a file as in life, on random magnitudes."""
    onnx.checker.check_model(graph, full_check=True)
    (folder / "network.onnx").write_bytes(graph.SerializeToString())
    return PlainNetwork(OnnxGraph(folder / "network.onnx", provider="cpu"))(random_magnitudes())


def make_shared_weights(shared: int, *, last_filters: int) -> dict[str, np.ndarray]:
    """Return random weights of one encoder and of three narrower heads above a shared trunk."""
    rng = np.random.default_rng(shared)
    weights: dict[str, np.ndarray] = {}
    skips = [3, 4, 5, 6, 7, 8]
    for level, (narrow, wide) in enumerate(zip([2, *skips], skips, strict=False), 1):
        weights |= make_layer(rng, f"encoder{level}", (wide, narrow, 5, 5), wide)
    for head in STEMS:
        filters = 0
        for level in range(1, DEPTH + 1):
            layer = f"decoder{level}" if level <= shared else f"{head}.decoder{level}"
            inputs = skips[-level] + filters
            filters = last_filters if level == DEPTH else 4 if level <= shared else 2
            weights |= make_layer(rng, layer, (inputs, filters, 5, 5), filters)
        weights |= make_layer(rng, f"{head}.output", (2, filters, 4, 4), 2, norm=False)
    return weights


ACTIVATE: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "leaky_relu": partial(functional.leaky_relu, negative_slope=0.2),
    "relu": functional.relu,
    "elu": functional.elu,
}


class TorchUnet:
    """The layers as PyTorch has them, on weights by name; Spleeter's padding spelt out."""

    def __init__(self, weights: Weights, activations: Activations = DEFAULT_ACTIVATIONS) -> None:
        self._weights = {name: torch.from_numpy(array) for name, array in weights.items()}
        self._encode = ACTIVATE[activations.encoder]
        self._decode = ACTIVATE[activations.decoder]

    def sigmoid(self, magnitudes: Magnitudes, head: str = "") -> torch.Tensor:
        return torch.sigmoid(self.logits(magnitudes, head))

    def logits(self, magnitudes: Magnitudes, head: str = "") -> torch.Tensor:
        signal = torch.from_numpy(magnitudes)[None]
        skips: list[torch.Tensor] = []
        for level in range(1, DEPTH + 1):
            kernel, bias = self._affine(f"encoder{level}")
            padded = functional.pad(signal, (1, 2, 1, 2))
            skips.append(functional.conv2d(padded, kernel, bias, stride=2))
            signal = self._encode(self._norm(f"encoder{level}", skips[-1]))
        signal = skips.pop()
        for level in range(1, DEPTH + 1):
            layer = f"decoder{level}"
            layer = layer if f"{layer}.kernel" in self._weights else f"{head}.{layer}"
            kernel, bias = self._affine(layer)
            whole = functional.conv_transpose2d(signal, kernel, bias, stride=2)
            signal = self._norm(layer, self._decode(whole[..., 1:-2, 1:-2]))
            if skips:
                signal = torch.cat([skips.pop(), signal], dim=1)
        kernel, bias = self._affine(f"{head}.output" if head else "output")
        padded = functional.pad(signal, (3, 3, 3, 3))
        return functional.conv2d(padded, kernel, bias, dilation=2)[0]

    def _affine(self, layer: str) -> tuple[torch.Tensor, torch.Tensor]:
        return self._weights[f"{layer}.kernel"], self._weights[f"{layer}.bias"]

    def _norm(self, layer: str, signal: torch.Tensor) -> torch.Tensor:
        gamma, beta, mean, variance = (
            self._weights[f"{layer}.{name}"] for name in ("gamma", "beta", "mean", "variance")
        )
        return functional.batch_norm(signal, mean, variance, gamma, beta, eps=1e-3)


def ratio_masks(outputs: list[torch.Tensor] | torch.Tensor, exponent: float) -> Masks:
    powers = (torch.stack([*outputs]) * torch.from_numpy(random_magnitudes())) ** exponent
    masks: Masks = ((powers + 1e-10 / len(outputs)) / (powers.sum(0) + 1e-10)).numpy()
    return masks


@pytest.mark.parametrize("exponent", [0.75, 1, 2])
@pytest.mark.parametrize(("shared", "last_filters"), [(0, 1), (2, 3), (5, 2)])
def test_a_shared_encoder_is_what_pytorch_makes_of_it(
    shared: int, last_filters: int, exponent: float, tmp_path: Path
) -> None:
    weights = make_shared_weights(shared, last_filters=last_filters)
    masks = run(build_shared_unet(weights, STEMS, mask_exponent=exponent), tmp_path)
    unet = TorchUnet(weights)
    expected = ratio_masks([unet.sigmoid(random_magnitudes(), stem) for stem in STEMS], exponent)
    assert masks.shape == (3, *random_magnitudes().shape)
    assert level_db(masks - expected, expected) < EXACT_DB
    assert np.ptp(masks) > 0.1  # the stems do differ
    assert np.allclose(masks.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("exponent", [0.75, 1, 2])
def test_separate_unets_are_what_pytorch_makes_of_them(exponent: float, tmp_path: Path) -> None:
    unets = [make_weights(seed) for seed in range(3)]
    masks = run(build_separate_unets(unets, mask_exponent=exponent), tmp_path)
    sigmoids = [TorchUnet(weights).sigmoid(random_magnitudes()) for weights in unets]
    expected = ratio_masks(sigmoids, exponent)
    assert level_db(masks - expected, expected) < EXACT_DB


@pytest.mark.parametrize(
    "activations",
    [
        Activations("elu", "elu", "sigmoid"),
        Activations("elu", "elu", "softmax"),
        Activations("relu", "leaky_relu", "softmax"),
    ],
)
def test_activations_are_those_of_pytorch(activations: Activations, tmp_path: Path) -> None:
    unets = [make_weights(seed) for seed in range(3)]
    masks = run(build_separate_unets(unets, activations=activations), tmp_path)
    logits = [TorchUnet(unet, activations).logits(random_magnitudes()) for unet in unets]
    normalise = partial(torch.softmax, dim=0) if activations.output == "softmax" else torch.sigmoid
    expected = ratio_masks(normalise(torch.stack(logits)), exponent=2)
    assert level_db(masks - expected, expected) < EXACT_DB
    with_defaults = run(build_separate_unets(unets), tmp_path)
    assert level_db(masks - with_defaults, masks) > -40


@pytest.mark.parametrize("exponent", [0.75, 1])
def test_one_unets_sigmoid_is_a_share_and_the_rest_is_the_other_stems(
    exponent: float, tmp_path: Path
) -> None:
    weights = make_weights(0)
    masks = run(build_mask_unet(weights, mask_exponent=exponent), tmp_path)
    share = TorchUnet(weights).sigmoid(random_magnitudes())
    expected = ratio_masks([share, 1 - share], exponent)[0]
    assert level_db(masks[0] - expected, expected) < EXACT_DB
    assert np.array_equal(masks[1], 1 - masks[0])


def test_equal_unets_share_equally_and_so_is_silence_shared(tmp_path: Path) -> None:
    graph = build_separate_unets([make_weights(0)] * 3)
    assert np.allclose(run(graph, tmp_path), 1 / 3)
    silence = np.zeros((2, 64, 128), np.float32)
    unequal = build_separate_unets([make_weights(seed) for seed in range(3)])
    (tmp_path / "network.onnx").write_bytes(unequal.SerializeToString())
    assert np.allclose(
        PlainNetwork(OnnxGraph(tmp_path / "network.onnx", provider="cpu"))(silence), 1 / 3
    )


def test_half_precision_halves_kernels_and_keeps_the_masks(tmp_path: Path) -> None:
    weights = make_shared_weights(2, last_filters=1)
    whole, half = (build_shared_unet(weights, STEMS, half=half) for half in (False, True))
    assert {
        (len(array.dims) == 4, array.data_type == TensorProto.FLOAT16)
        for array in half.graph.initializer
    } == {(True, True), (False, False)}
    expected = run(whole, tmp_path)
    assert level_db(run(half, tmp_path) - expected, expected) < HALF_DB


def test_what_half_precision_cannot_hold_is_refused() -> None:
    weights = make_weights(0)
    weights["encoder1.kernel"] = weights["encoder1.kernel"] * np.float32(1e6)
    with pytest.raises(WeightsError, match=r"encoder1\.kernel is too large for half"):
        build_mask_unet(weights, half=True)


def test_a_missing_array_is_named() -> None:
    weights = make_shared_weights(1, last_filters=1)
    del weights["bass.decoder4.mean"]
    with pytest.raises(WeightsError, match=r"lacks bass\.decoder4\.mean"):
        build_shared_unet(weights, STEMS)


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    metadata = {"stems": "vocals,accompaniment", "licence": "MIT"}
    graph = build_mask_unet(make_weights(0), metadata=metadata)
    onnx.save(graph, tmp_path / "network.onnx")
    read = onnx.load(tmp_path / "network.onnx").metadata_props
    assert {entry.key: entry.value for entry in read} == metadata
