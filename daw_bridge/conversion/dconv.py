"""The residual branches of Demucs's layers: dilated convolutions over time in few channels.

A. Défossez, "Hybrid spectrogram and waveform source separation", MDX Workshop at ISMIR 2021; layers
as in demucs.py of the package demucs 4.0.1.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from daw_bridge.conversion.demucs_layers import Layers, Value


def add_dconv(layers: Layers, x: Value, name: str) -> Value:
    """Add the branches that a network has under a name, if any.

    Args:
        layers: of the network.
        x: (batch, channels, time), or (1, channels, bins, time): bins are then taken one by one.
        name: of the branches.
    """
    branches = [
        f"{name}.layers.{number}"
        for number in takewhile(lambda n: layers.has(f"{name}.layers.{n}.0.weight"), count())
    ]
    if len(x.shape) == 4 and branches:
        turned = layers.transpose(x, 0, 2, 1, 3)
        rows = add_dconv(layers, layers.reshape(turned, turned.shape[1:]), name)
        return layers.transpose(layers.reshape(rows, turned.shape), 0, 2, 1, 3)
    for number, branch in enumerate(branches):
        inner = layers.convolve(x, f"{branch}.0", dilation=2**number)
        inner = layers.gelu(layers.group_norm(inner, f"{branch}.1", 1))
        x = layers.apply("Add", x, _widen(layers, inner, branch))
    return x


def _widen(layers: Layers, x: Value, branch: str) -> Value:
    """Add what ends a branch: a convolution of width 1, a normalisation, the gate and a gain.

    Mean and variance of the convolution's many outputs follow from the means and covariances of its
    few inputs. So the normalisation becomes part of the convolution, and outputs are written once.
    """
    kernel = layers.array(f"{branch}.3.weight")[:, :, 0]  # (2 · channels, inputs)
    bias, weight, shift, gain = (
        layers.array(f"{branch}.{name}")[:, np.newaxis]
        for name in ("3.bias", "4.weight", "4.bias", "6.scale")
    )
    gains = np.concatenate([gain, np.ones_like(gain)])  # the gate has none
    batch, _, length = x.shape

    means = layers.mean(x, 2)
    around = layers.apply("Sub", x, means)
    products = layers.matmul(around, layers.transpose(around, 0, 2, 1))
    covariances = layers.apply("Div", products, layers.constant(length))
    within = layers.apply(
        "Mul", layers.matmul(layers.constant(kernel), covariances), layers.constant(kernel)
    )
    levels = layers.apply(
        "Add", layers.matmul(layers.constant(kernel), means), layers.constant(bias)
    )
    between = layers.apply("Sub", levels, layers.mean(levels, 1))
    inputs = layers.constant(len(kernel[0]))
    squares = layers.apply("Mul", between, between)
    sums = layers.apply("Mul", layers.mean(within, 2), inputs)
    variance = layers.mean(layers.apply("Add", sums, squares), 1)
    root = layers.root(variance)

    kernels = layers.apply("Div", layers.constant(gains * weight * kernel), root)
    scaled = layers.apply(
        "Mul", layers.apply("Div", between, root), layers.constant(gains * weight)
    )
    shifts = layers.apply("Add", scaled, layers.constant(gains * shift))
    rows = layers.join(kernels, shifts, axis=2)
    seen = layers.join(around, layers.full(1, (batch, 1, length)), axis=1)
    signal, gate = (
        layers.matmul(layers.crop(rows, 1, start, len(gain)), seen) for start in (0, len(gain))
    )
    return layers.apply("Mul", signal, layers.apply("Sigmoid", gate))
