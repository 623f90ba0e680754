from __future__ import annotations

import math

import numpy as np
import pytest

from daw_bridge.evaluation.nulls import NullMeter
from tests.conftest import make_noise


def test_a_null_is_the_level_of_the_residual() -> None:
    noise = make_noise(1000).samples
    meter = NullMeter()
    for start in range(0, 1000, 100):
        block = noise[:, start : start + 100]
        meter.add(block, block * np.float32(0.001))
    assert meter.null_db() == pytest.approx(-60, abs=1e-3)
    assert meter.null_db(gain=0.5) == pytest.approx(-60, abs=1e-3)


def test_stems_are_subtracted_in_double_precision() -> None:
    mixture = make_noise(20_000).samples
    meter = NullMeter()
    meter.add_stems(mixture, np.stack([mixture, np.full_like(mixture, -(2.0**-40))]))
    level = 20 * math.log10(2.0**-40 / np.sqrt(np.mean(np.square(mixture))))
    assert meter.null_db() == pytest.approx(level, abs=1e-3)


def test_rounding_adds_up_in_the_worst_way() -> None:
    meter = NullMeter()
    meter.add(np.ones((1, 100), np.float32), np.zeros((1, 100), np.float32))
    rounding = [100 * 0.01**2] * 2
    assert meter.null_db(rounding_energy=rounding) == pytest.approx(20 * math.log10(0.02))
    assert meter.null_db() == -math.inf
