"""Residual branches against the same put together of torch's layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from daw_bridge.conversion.graphs.dconv import add_dconv
from daw_bridge.conversion.graphs.recurrent import stack_all_gates
from tests.conftest import level_db
from tests.conversion.graphs.parity import (
    EXACT_DB,
    arrays_of,
    in_torch,
    random_input,
    randomise,
    run,
)

CHANNELS, INNER, HEADS, RATES = 6, 8, 4, 4


class Remembers(nn.Module):
    """An LSTM of two directions and a dense layer; 200 steps at a time, of which middles count."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(INNER, INNER, 2, bidirectional=True)
        self.linear = nn.Linear(2 * INNER, INNER)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[2]
        if length <= 200:
            return x + self._run(x)
        kept = torch.zeros_like(x)
        for start in range(0, length, 100):
            piece = x[..., start : start + 200]
            made = self._run(functional.pad(piece, (0, 200 - piece.shape[2])))
            first = 0 if start == 0 else 50
            place = slice(start + first, min(start + 150, length))
            kept[..., place] = made[..., first : first + max(0, place.stop - place.start)]
        return x + kept

    def _run(self, x: Tensor) -> Tensor:
        made: Tensor = self.linear(self.lstm(x.permute(2, 0, 1))[0]).permute(1, 2, 0)
        return made


class Attends(nn.Module):
    """Attention to other times, which fades with their distance."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.content, self.proj = (nn.Conv1d(INNER, INNER, 1) for _ in "qkcp")
        self.query_decay = nn.Conv1d(INNER, HEADS * RATES, 1)

    def forward(self, x: Tensor) -> Tensor:
        def by_heads(layer: nn.Module) -> Tensor:  # (batch, heads, time, channels)
            return layer(x).unflatten(1, (HEADS, -1)).transpose(2, 3)

        times = torch.arange(x.shape[2])
        slopes = torch.arange(1, RATES + 1, dtype=x.dtype) / (2 * RATES**0.5)
        fading = torch.sigmoid(by_heads(self.query_decay)) @ slopes[:, None]
        mask = -fading * (times[:, None] - times).abs()
        mask.diagonal(dim1=2, dim2=3).fill_(-torch.inf)
        queries, keys, contents = map(by_heads, (self.query, self.key, self.content))
        seen = functional.scaled_dot_product_attention(queries, keys, contents, mask)
        made: Tensor = x + self.proj(seen.transpose(2, 3).flatten(1, 2))
        return made


class Scale(nn.Module):
    """A gain for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[:, None]


class Branches(nn.Module):
    """Branches that are added one after the other; bins of a spectrum are taken one by one."""

    def __init__(self, count: int, *middles: type[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(CHANNELS, INNER, 3, dilation=2**number, padding=2**number),
                nn.GroupNorm(1, INNER),
                nn.GELU(),
                *(middle() for middle in middles),
                nn.Conv1d(INNER, 2 * CHANNELS, 1),
                nn.GroupNorm(1, 2 * CHANNELS),
                nn.GLU(1),
                Scale(),
            )
            for number in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 4:
            return self.forward(x[0].transpose(0, 1)).transpose(0, 1)[None]
        for layer in self.layers:
            x = x + layer(x)
        return x


@pytest.mark.parametrize(
    ("count", "middles", "shape"),
    [
        (1, (), (2, CHANNELS, 50)),
        (3, (), (2, CHANNELS, 50)),
        (2, (), (1, CHANNELS, 5, 50)),
        (1, (Remembers,), (2, CHANNELS, 200)),
        (1, (Remembers,), (2, CHANNELS, 201)),
        (1, (Remembers,), (2, CHANNELS, 450)),
        (1, (Attends,), (2, CHANNELS, 50)),
        (2, (Remembers, Attends), (1, CHANNELS, 3, 210)),
    ],
    ids=[
        "one", "dilated", "bins", "recurrent", "cut", "cut-often", "attention", "everything"
    ],
)  # fmt: skip
def test_branches_are_torchs(
    count: int, middles: tuple[type[nn.Module], ...], shape: tuple[int, ...]
) -> None:
    module, shown = randomise(Branches(count, *middles)), random_input(*shape)
    arrays = stack_all_gates(arrays_of(module, "dconv"))
    (ours,) = run(lambda layers, x: (add_dconv(layers, x, "dconv"),), arrays, shown)
    (theirs,) = in_torch(module, shown)
    assert level_db(ours - theirs, theirs - shown) <= EXACT_DB


def test_a_layer_without_branches_is_left_as_it_is() -> None:
    shown = random_input(1, CHANNELS, 9)
    (ours,) = run(
        lambda layers, x: (layers.apply("Identity", add_dconv(layers, x, "dconv")),), {}, shown
    )
    assert (ours == shown).all()
