"""Ideal masks: they are shares, and better than doing nothing."""

from __future__ import annotations

import numpy as np
import pytest

from daw_bridge.evaluation.bss_eval import song_sdr_db
from daw_bridge.evaluation.oracle import separate_ideally
from daw_bridge.stft import Stft
from tests.conftest import SONGS, level_db, make_noise

STFT = Stft(4096, 1024)


@pytest.mark.parametrize("frames", [100, 4096, 70_000])
def test_stems_are_as_long_as_the_mixture_and_sum_to_it(frames: int) -> None:
    references = np.stack([make_noise(frames, seed=seed).samples for seed in range(3)])
    mixture = references.sum(axis=0)
    stems = separate_ideally(references, mixture, STFT)
    assert stems.shape == references.shape
    assert stems.dtype == np.float32
    assert level_db(stems.sum(axis=0) - mixture, mixture) < -120


def test_masks_that_know_the_stems_beat_the_mixture() -> None:
    from daw_bridge import Audio

    songs = [Audio.read(SONGS / f"{name}.ogg").samples for name in ("rubidium", "sodium")]
    references = np.stack([song[:, :100_000] for song in songs])
    mixture = references.sum(axis=0)
    for reference, stem in zip(
        references, separate_ideally(references, mixture, STFT), strict=True
    ):
        assert song_sdr_db(reference, stem) > song_sdr_db(reference, mixture) + 5


def test_tones_that_do_not_overlap_are_told_apart() -> None:
    time = np.arange(50_000) / 44_100
    references = np.stack(
        [np.tile(np.sin(2 * np.pi * hz * time), (2, 1)) for hz in (440, 3000)]
    ).astype(np.float32)
    stems = separate_ideally(references, references.sum(axis=0), STFT)
    assert level_db(stems - references, references) < -30
