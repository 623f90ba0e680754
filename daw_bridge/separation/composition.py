"""Networks made of networks: a model's stages, each splitting what an earlier one left."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daw_bridge.separation.network import Magnitudes, MaskNetwork, Masks


class Split(NamedTuple):
    """One part of the mixture, the parts that it is split into, and the network that does it."""

    of: str
    parts: tuple[str, ...]
    network: MaskNetwork


class _Composition:
    """What compositions have in common: they run where their networks run."""

    def __init__(self, networks: Sequence[MaskNetwork]) -> None:
        self.provider = "cuda" if any(each.provider == "cuda" for each in networks) else "cpu"
        self.concurrent_runs = min(each.concurrent_runs for each in networks)


class Cascade(_Composition):
    """Splits parts of the mixture one after the other.

    A part's mask is the product of those that led to it, so masks sum to 1 if each split's do. A
    network sees the part's magnitudes: those of the mixture times its mask.

    Args:
        splits: in order; the first splits the mixture, each other what an earlier one made.
        stems: the parts that are left whole, in the order of the masks that are returned.
    """

    def __init__(self, splits: Sequence[Split], stems: Sequence[str]) -> None:
        super().__init__([split.network for split in splits])
        self._splits = splits
        self._stems = stems

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        """Return the stems' masks in [0, 1] for one segment."""
        masks: dict[str, Magnitudes] = {}
        for of, parts, network in self._splits:
            whole = masks.pop(of, None)
            if whole is None:  # the mixture
                shares = network(magnitudes)
            else:
                shares = network(whole * magnitudes)
                shares *= whole
            masks.update(zip(parts, shares, strict=True))
        return np.stack([masks[stem] for stem in self._stems])


class Blend(_Composition):
    """Averages the masks of several networks that make the same parts.

    S. Uhlich et al., "Improving music source separation based on deep neural networks through data
    augmentation and network blending", ICASSP 2017.

    Args:
        networks: whose masks are averaged.
        weights: how much each counts; only their ratios matter.
    """

    def __init__(self, networks: Sequence[MaskNetwork], weights: Sequence[float]) -> None:
        super().__init__(networks)
        total = sum(weights)
        self._voices = [
            (network, np.float32(weight / total))
            for network, weight in zip(networks, weights, strict=True)
        ]

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        """Return averaged masks in [0, 1] for one segment."""
        (network, weight), *others = self._voices
        blended = network(magnitudes)
        blended *= weight
        for network, weight in others:
            masks = network(magnitudes)
            masks *= weight
            blended += masks
        return blended
