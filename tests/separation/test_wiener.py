"""Against norbert itself."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from daw_bridge.separation.wiener import refine
from tests.conftest import level_db

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of scipy, on behalf of norbert
    import norbert


EPSILON = 2**-23


@pytest.mark.parametrize("iterations", [1, 2])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("gain", [1, 300])
def test_refinement_is_norberts(iterations: int, channels: int, gain: float) -> None:
    rng = np.random.default_rng(0)
    shape = (3, channels, 20, 65)  # stems, channels, frames, bins
    images = rng.standard_normal((*shape, 2)).view(np.complex128)[..., 0] * gain
    mixture = images.sum(axis=0)
    masks = rng.dirichlet(np.ones(3), size=shape[1:]).transpose(3, 0, 1, 2)
    estimates = masks * mixture
    ours = refine(
        estimates.astype(np.complex64),
        mixture.astype(np.complex64),
        iterations=iterations,
        epsilon=EPSILON,
    )
    # norbert counts (frames, bins, channels, stems)
    scale = max(1, np.abs(mixture).max() / 10)
    expected, _, _ = norbert.expectation_maximization(
        estimates.transpose(2, 3, 1, 0) / scale,
        mixture.transpose(1, 2, 0) / scale,
        iterations,
        eps=EPSILON,
    )
    expected = expected.transpose(3, 2, 0, 1) * scale
    assert level_db(np.abs(ours - expected), np.abs(expected)) < -60


def test_two_equal_channels_are_refined_as_one_is() -> None:
    rng = np.random.default_rng(1)
    mono = (rng.standard_normal((1, 20, 65, 2)) * 300).view(np.complex128)[..., 0]
    masks = rng.dirichlet(np.ones(3), size=mono.shape).transpose(3, 0, 1, 2)
    one, two = (
        refine((masks * mixture).astype(np.complex64), mixture, iterations=1, epsilon=1e-10)
        for mixture in (mono.astype(np.complex64), mono.astype(np.complex64).repeat(2, axis=0))
    )
    assert level_db(np.abs(two - one), np.abs(one)) < -80
