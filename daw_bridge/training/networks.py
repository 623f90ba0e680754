"""The U-Nets, in torch; layers, names and shapes are those of :mod:`daw_bridge.conversion`.

Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR 2017, as
Spleeter built it; and the same with one encoder that a decoder for each stem shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import torch
from torch import nn
from torch.nn import functional

from daw_bridge.conversion.graphs.unet import DEPTH, LEAKY_RELU_SLOPE, MASK_EPSILON, NORM_EPSILON
from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from daw_bridge.conversion.graphs.graph import Weights
    from daw_bridge.training.config import NetworkConfig

    MagnitudeBatch = Tensor
    """float32 (b, channels, time_frames, bins)"""
    PartBatch = Tensor
    """float32 (stems or parts, b, channels, time_frames, bins)"""
    MapBatch = Tensor
    """float32 (b, filters, time_frames, bins); each level halves the last two"""

_CHANNELS = 2
_ARRAY_NAMES = {
    "kernel": "convolution.weight",
    "bias": "convolution.bias",
    "gamma": "norm.weight",
    "beta": "norm.bias",
    "mean": "norm.running_mean",
    "variance": "norm.running_var",
}


class _Level(nn.Module):
    """A convolution and the batch norm that follows its activation, or precedes it."""

    def __init__(
        self, convolution: nn.Conv2d | nn.ConvTranspose2d, filters: int, momentum: float
    ) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(filters, NORM_EPSILON, momentum)


class _Output(nn.Module):
    def __init__(self, filters: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(filters, _CHANNELS, 4, dilation=2, padding=3)


class Encoder(nn.Module):
    """Halves time and frequency six times; gives the raw convolutions, which skips carry."""

    def __init__(self, config: NetworkConfig, momentum: float) -> None:
        super().__init__()
        inputs = (_CHANNELS, *config.encoder_filters)
        for level, filters in enumerate(config.encoder_filters, 1):
            convolution = nn.Conv2d(inputs[level - 1], filters, 5, stride=2)
            self.add_module(f"encoder{level}", _Level(convolution, filters, momentum))

    def forward(self, magnitudes: MagnitudeBatch) -> list[MapBatch]:
        """Return six levels, the finest first."""
        skips = []
        signal = magnitudes
        for level in cast("Iterable[_Level]", self.children()):
            skips.append(level.convolution(functional.pad(signal, (1, 2, 1, 2))))
            if len(skips) < DEPTH:  # the last one's norm feeds nothing
                signal = functional.leaky_relu(level.norm(skips[-1]), LEAKY_RELU_SLOPE)
        return skips


class Decoder(nn.Module):
    """Levels ``first`` … ``last`` of the way back up; with the sixth, also the sigmoid output."""

    def __init__(self, config: NetworkConfig, momentum: float, *, first: int, last: int) -> None:
        super().__init__()
        encoder, decoder = config.encoder_filters, config.decoder_filters
        self.first = first
        for level in range(first, last + 1):
            inputs = encoder[-1] if level == 1 else decoder[level - 2] + encoder[-level]
            filters = decoder[level - 1]
            convolution = nn.ConvTranspose2d(inputs, filters, 5, stride=2)
            self.add_module(f"decoder{level}", _Level(convolution, filters, momentum))
        if last == DEPTH:
            self.output = _Output(decoder[-1])

    def forward(self, signal: MapBatch, skips: Sequence[MapBatch]) -> MapBatch:
        """Go up; ``signal`` is what the level below gave, ``skips`` are the encoder's levels."""
        for number, layer in enumerate(self.children(), self.first):
            if isinstance(layer, _Output):
                return torch.sigmoid(layer.convolution(signal))
            level = cast("_Level", layer)
            if number > 1:
                signal = torch.cat([skips[-number], signal], dim=1)
            raised = level.convolution(signal)[:, :, 1:-2, 1:-2]
            signal = level.norm(functional.relu(raised))
        return signal


class SharedUnet(nn.Module):
    """One encoder, ``shared_levels`` common levels of decoder, and a head for each stem."""

    def __init__(self, stems: Sequence[str], config: NetworkConfig, momentum: float = 0.1) -> None:
        super().__init__()
        shared = config.shared_levels if len(stems) > 1 else 0
        self.encoder = Encoder(config, momentum)
        self.trunk = Decoder(config, momentum, first=1, last=shared)
        self.heads = nn.ModuleDict(
            {stem: Decoder(config, momentum, first=shared + 1, last=DEPTH) for stem in stems}
        )

    def forward(self, magnitudes: MagnitudeBatch) -> PartBatch:
        """Return the stems' sigmoids."""
        skips = self.encoder(magnitudes)
        signal = self.trunk(skips[-1], skips)
        return torch.stack([head(signal, skips) for head in self.heads.values()])

    def arrays(self) -> Weights:
        """Return a copy of the weights, by the names that the converters use."""
        return {_array_name(key): state.numpy().copy() for key, state in self._states()}

    def load_arrays(self, arrays: Weights) -> None:
        """Take weights; a name without a stem is every head's.

        Raises:
            OptionError: an array is missing, or has another shape.
        """
        for key, state in self._states():
            name = _array_name(key)
            array = arrays.get(name, arrays.get(name.partition(".")[2]))
            if array is None or array.shape != state.shape:
                raise OptionError(f"The weights to start from have no {name} of {[*state.shape]}.")
            state.copy_(torch.from_numpy(array.copy()))

    def _states(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the names and the weights of torch's modules, of any shape."""
        for key, state in self.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                yield key, state.detach().cpu()


class Unets(nn.Module):
    """Spleeter's arrangement: a whole U-Net for each stem."""

    def __init__(self, stems: Sequence[str], config: NetworkConfig, momentum: float = 0.1) -> None:
        super().__init__()
        unets = {stem: SharedUnet((stem,), config, momentum) for stem in stems}
        self.unets = cast("Mapping[str, SharedUnet]", nn.ModuleDict(unets))

    def forward(self, magnitudes: MagnitudeBatch) -> PartBatch:
        """Return the stems' sigmoids."""
        return torch.cat([unet(magnitudes) for unet in self.unets.values()])


UnetFamily: TypeAlias = SharedUnet | Unets


def ratio_masks(estimates: PartBatch, exponent: float) -> PartBatch:
    """Return each estimate's share of them all: masks of magnitudes."""
    powers = estimates.clamp(min=MASK_EPSILON) ** exponent  # has a finite slope everywhere
    share = MASK_EPSILON / len(estimates)
    return (powers + share) / (powers.sum(dim=0) + MASK_EPSILON)


def _array_name(key: str) -> str:
    module, _, parameter = key.rpartition(".")
    module, _, layer = module.rpartition(".")
    array = next(k for k, v in _ARRAY_NAMES.items() if v == f"{layer}.{parameter}")
    place = module.removeprefix("encoder.").removeprefix("trunk.").removeprefix("heads.")
    return f"{place}.{array}"
