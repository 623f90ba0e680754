"""What the layers of a U-Net end with, by the names that manifests use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Activation: TypeAlias = Literal["leaky_relu", "relu", "elu"]
OutputActivation: TypeAlias = Literal["sigmoid", "softmax"]


@dataclass(frozen=True)
class Activations:
    """Those of one network.

    Attributes:
        encoder: of the layers that halve time and bins.
        decoder: of those that double them.
        output: of the last: each U-Net's own sigmoid, or a softmax across the U-Nets.
    """

    encoder: Activation
    decoder: Activation
    output: OutputActivation


DEFAULT_ACTIVATIONS = Activations("leaky_relu", "relu", "sigmoid")
"""Those of Jansson et al., ISMIR 2017, and of the networks that are trained here."""
