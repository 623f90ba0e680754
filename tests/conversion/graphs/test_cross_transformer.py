"""The transformer between branches against the same put together of torch's layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from daw_bridge.conversion.graphs.cross_transformer import (
    Attention,
    add_transformer,
    embed_grid,
    embed_line,
)
from tests.conftest import level_db
from tests.conversion.graphs.parity import (
    EXACT_DB,
    arrays_of,
    in_torch,
    random_input,
    randomise,
    run,
)

WIDTH, HEADS, HIDDEN = 8, 2, 12
BINS, FRAMES, SAMPLES = 3, 5, 11
PERIOD = 100.0


class Itself(nn.TransformerEncoderLayer):
    """Attention of rows to themselves."""

    def __init__(self, activation: str) -> None:
        super().__init__(
            WIDTH, HEADS, HIDDEN, 0.0, activation, batch_first=True, norm_first=True
        )  # fmt: skip

    def forward(self, rows: Tensor, others: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(rows)


class Scale(nn.Module):
    """A gain for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(WIDTH))


class Other(nn.Module):
    """Attention of rows to others, with gains and a last normalisation."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = {"gelu": nn.GELU(), "relu": nn.ReLU()}[activation]
        self.cross_attn = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.linear1, self.linear2 = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.gamma_1, self.gamma_2 = Scale(), Scale()
        self.norm_out = nn.GroupNorm(1, WIDTH)

    def forward(self, rows: Tensor, others: Tensor) -> Tensor:
        keys = self.norm2(others)
        rows = rows + self.gamma_1.scale * self.cross_attn(self.norm1(rows), keys, keys)[0]
        hidden = self.activation(self.linear1(self.norm3(rows)))
        rows = rows + self.gamma_2.scale * self.linear2(hidden)
        normed: Tensor = self.norm_out(rows.transpose(1, 2)).transpose(1, 2)
        return normed


class Transformer(nn.Module):
    """Layers for both branches, each of which sees the other as it was before the layer."""

    def __init__(self, kinds: tuple[type[Itself | Other], ...], activation: str) -> None:
        super().__init__()
        self.norm_in, self.norm_in_t = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(kind(activation) for kind in kinds)
        self.layers_t = nn.ModuleList(kind(activation) for kind in kinds)

    def forward(self, spectrum: Tensor, signal: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.norm_in(spectrum.permute(0, 3, 2, 1).flatten(1, 2))
        rows_t = self.norm_in_t(signal.transpose(1, 2))
        for layer, layer_t in zip(self.layers, self.layers_t, strict=True):
            rows, rows_t = layer(rows, rows_t), layer_t(rows_t, rows)
        return rows.unflatten(1, (FRAMES, BINS)).permute(0, 3, 2, 1), rows_t.transpose(1, 2)


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize(
    "kinds",
    [(), (Itself,), (Other,), (Itself, Other, Itself)],
    ids=["norm", "itself", "other", "all"],
)
def test_layers_are_torchs(kinds: tuple[type[Itself | Other], ...], activation: str) -> None:
    module = randomise(Transformer(kinds, activation))
    shown = random_input(1, WIDTH, BINS, FRAMES), random_input(1, WIDTH, SAMPLES, seed=1)
    attention = Attention(HEADS, activation == "gelu", PERIOD, position_weight=0)
    ours = run(
        lambda layers, spectrum, signal: add_transformer(layers, spectrum, signal, attention),
        arrays_of(module, "crosstransformer"),
        *shown,
    )
    for mine, theirs in zip(ours, in_torch(module, *shown), strict=True):
        assert level_db(mine - theirs, theirs) <= EXACT_DB


def test_positions_are_waves_of_periods_from_one_to_the_longest() -> None:
    place, half = np.arange(20)[:, np.newaxis], WIDTH // 2
    periods = PERIOD ** np.linspace(0, 1, half)
    expected = np.hstack([np.cos(place / periods), np.sin(place / periods)])
    np.testing.assert_allclose(embed_line(20, WIDTH, PERIOD), expected, atol=2e-6)


def test_positions_in_a_grid_are_of_the_frame_and_then_of_the_bin() -> None:
    half = WIDTH // 2

    def waves(place: int) -> list[float]:
        turns = (place / PERIOD ** (2 * pair / half) for pair in range(half // 2))
        return [wave(turn) for turn in turns for wave in (np.sin, np.cos)]

    expected = [waves(frame) + waves(each) for frame in range(FRAMES) for each in range(BINS)]
    np.testing.assert_allclose(embed_grid(FRAMES, BINS, WIDTH, PERIOD), expected, atol=2e-6)


def test_positions_are_added_to_what_comes_in() -> None:
    arrays = arrays_of(randomise(Transformer((), "relu")), "crosstransformer")
    shown = random_input(1, WIDTH, BINS, FRAMES), random_input(1, WIDTH, SAMPLES, seed=1)

    def place(weight: float) -> list[np.ndarray]:
        attention = Attention(HEADS, gelu=True, max_period=PERIOD, position_weight=weight)
        return run(
            lambda layers, spectrum, signal: add_transformer(layers, spectrum, signal, attention),
            arrays,
            *shown,
        )

    grid = embed_grid(FRAMES, BINS, WIDTH, PERIOD).reshape(FRAMES, BINS, WIDTH)
    line = embed_line(SAMPLES, WIDTH, PERIOD)
    for placed, plain, positions in zip(place(0.5), place(0), (grid, line), strict=True):
        np.testing.assert_allclose((placed - plain)[0], positions.T / 2, atol=1e-6)
