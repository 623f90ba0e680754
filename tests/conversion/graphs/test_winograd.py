"""Convolutions in tiles against torch's."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from daw_bridge.conversion.graphs.winograd import convolve_tiles, is_worthwhile
from tests.conftest import level_db
from tests.conversion.graphs.parity import arrays_of, in_torch, random_input, randomise, run

EXACT_DB = -110


SIZES = [(8, 12), (9, 13), (10, 14), (3, 3), (1, 7), (81, 262)]
"""The last are more tiles than a strip holds."""


@pytest.mark.parametrize("sizes", SIZES)
def test_convolutions_in_tiles_are_torchs(sizes: tuple[int, int]) -> None:
    module = randomise(nn.Conv2d(96, 6, 3, padding=1))
    shown = random_input(1, 96, *sizes)
    parts = slice(2), slice(2, None)
    ours = run(
        lambda layers, x: tuple(convolve_tiles(layers, x, "layer", parts)),
        arrays_of(module, "layer"),
        shown,
    )
    (theirs,) = in_torch(module, shown)
    for part, mine in zip(parts, ours, strict=True):
        assert level_db(mine - theirs[:, part], theirs[:, part]) <= EXACT_DB


def test_tiles_are_for_many_channels_but_not_too_many_and_kernels_of_3_by_3() -> None:
    for shape, worthwhile in {
        (8, 95, 3, 3): False, (8, 96, 3, 3): True, (8, 384, 3, 3): True, (8, 385, 3, 3): False,
        (8, 96, 1, 1): False, (8, 96, 3): False,
    }.items():  # fmt: skip
        assert is_worthwhile(np.zeros(shape, np.float32)) == worthwhile
