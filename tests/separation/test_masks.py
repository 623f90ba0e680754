from __future__ import annotations

import numpy as np

from daw_bridge.separation.framing import CrossFade
from daw_bridge.separation.masks import apply_masks


def test_cross_fade_passes_equal_masks_through_and_loses_no_frame() -> None:
    masks = np.random.default_rng(0).random((2, 1, 30, 4)).astype(np.float32)
    fade = CrossFade(4)
    parts = [
        fade.push(masks[:, :, 0:12].copy(), last=False),
        fade.push(masks[:, :, 8:20].copy(), last=False),
        fade.push(masks[:, :, 16:30].copy(), last=True),
    ]
    assert np.allclose(np.concatenate(parts, axis=2), masks, atol=1e-7)


def test_cross_fade_is_linear_and_keeps_the_sum_of_masks() -> None:
    zeros, ones = np.zeros((1, 1, 8, 1), np.float32), np.ones((1, 1, 8, 1), np.float32)
    fade = CrossFade(4)
    fade.push(zeros, last=False)
    rising = fade.push(ones.copy(), last=True)[0, 0, :, 0]
    assert np.allclose(rising, [0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1])


def test_cross_fade_leaves_context_alone() -> None:
    zeros, ones = np.zeros((1, 1, 8, 1), np.float32), np.ones((1, 1, 8, 1), np.float32)
    for overlap, expected in ((6, [0, 0, 0.25, 0.75, 1, 1, 1, 1]), (4, [0, 0, 1, 1, 1, 1, 1, 1])):
        fade = CrossFade(overlap, context_frames=2)
        fade.push(zeros, last=False)
        assert fade.push(ones.copy(), last=True)[0, 0, :, 0].tolist() == expected


def test_ratio_shares_the_upper_band_by_energy() -> None:
    masks = np.zeros((2, 1, 1, 4), np.float32)
    masks[0, 0, 0] = [1, 1, 1, 0]
    masks[1] = 1 - masks[0]
    mixture = np.array([[[5, 5, 3, 4j, 10]]], np.complex64)  # upper half: energies 9 and 16
    stems = apply_masks(masks, mixture, "ratio")
    assert np.allclose(stems[:, 0, 0, 4], [10 * 9 / 25, 10 * 16 / 25])
    assert np.allclose(stems.sum(axis=0), mixture)


def test_ratio_of_a_silent_band_is_the_mean_of_its_masks() -> None:
    masks = np.full((1, 1, 1, 4), 0.25, np.float32)
    mixture = np.array([[[0, 0, 0, 0, 8]]], np.complex64)
    assert np.allclose(apply_masks(masks, mixture, "ratio")[..., 4], 2)


def test_zeros_leave_nothing_above_the_band() -> None:
    masks = np.ones((1, 1, 1, 4), np.float32)
    mixture = np.ones((1, 1, 6), np.complex64)
    assert apply_masks(masks, mixture, "zeros")[0, 0, 0].tolist() == [1, 1, 1, 1, 0, 0]
