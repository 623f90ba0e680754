"""The layers of Demucs's networks, each against torch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor, nn

from daw_bridge.conversion.graphs.layers import Layers, Value
from tests.conftest import level_db
from tests.conversion.graphs.parity import (
    EXACT_DB,
    arrays_of,
    in_torch,
    random_input,
    randomise,
    run,
)

Case = tuple[Callable[[], nn.Module], Callable[[Layers, Value], Value], tuple[int, ...]]

LINE, GRID = (2, 6, 40), (1, 6, 24, 10)
EVEN, STRIDE, PADDING = (8, 1), (4, 1), (2, 0)


class Gained(nn.Linear):
    """A dense layer with a gain for each output."""

    def __init__(self) -> None:
        super().__init__(6, 5)
        self.scale = nn.Parameter(self.bias.detach().clone())

    def forward(self, rows: Tensor) -> Tensor:
        return super().forward(rows) * self.scale


CASES: dict[str, Case] = {
    "convolve": (
        lambda: nn.Conv1d(6, 5, 3, padding=1),
        lambda layers, x: layers.convolve(x, "layer"),
        LINE,
    ),
    "convolve-dilated": (
        lambda: nn.Conv1d(6, 5, 3, padding=4, dilation=4),
        lambda layers, x: layers.convolve(x, "layer", dilation=4),
        LINE,
    ),
    "convolve-grid": (
        lambda: nn.Conv2d(6, 5, 3, padding=1),
        lambda layers, x: layers.convolve(x, "layer"),
        GRID,
    ),
    "downsample": (
        lambda: nn.Conv1d(6, 5, 8, 4, 2),
        lambda layers, x: layers.downsample(x, "layer", 4, (2, 2)),
        LINE,
    ),
    "downsample-grid": (
        lambda: nn.Conv2d(6, 5, EVEN, STRIDE, PADDING),
        lambda layers, x: layers.downsample(x, "layer", 4, (2, 2)),
        GRID,
    ),
    "upsample": (
        lambda: nn.ConvTranspose1d(6, 5, 8, 4, 2),
        lambda layers, x: layers.upsample(x, "layer", 4, (2, 2)),
        LINE,
    ),
    "upsample-grid": (
        lambda: nn.ConvTranspose2d(6, 5, EVEN, STRIDE, PADDING),
        lambda layers, x: layers.upsample(x, "layer", 4, (2, 2)),
        GRID,
    ),
    "dense": (lambda: nn.Linear(40, 5), lambda layers, x: layers.dense(x, "layer"), LINE),
    "dense-gained": (
        Gained,
        lambda layers, x: layers.dense(x, "layer", gain="layer.scale"),
        (2, 40, 6),
    ),
    "norm": (
        lambda: nn.GroupNorm(1, 6),
        lambda layers, x: layers.group_norm(x, "layer", 1),
        LINE,
    ),
    "norm-groups": (
        lambda: nn.GroupNorm(3, 6),
        lambda layers, x: layers.group_norm(x, "layer", 3),
        GRID,
    ),
    "gelu": (nn.GELU, Layers.gelu, LINE),
    "glu": (lambda: nn.GLU(1), Layers.glu, GRID),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_torchs(name: str) -> None:
    make, add, shape = CASES[name]
    module, shown = randomise(make()), random_input(*shape)
    (ours,) = run(lambda layers, x: (add(layers, x),), arrays_of(module, "layer"), shown)
    (theirs,) = in_torch(module, shown)
    assert level_db(ours - theirs, theirs) <= EXACT_DB
