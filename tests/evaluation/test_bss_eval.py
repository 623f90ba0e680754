"""BSS Eval: what is known of the figures, and that they are museval's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest

from daw_bridge.evaluation.bss_eval import (
    Figures,
    Sources,
    bss_eval,
    median_figures,
    score,
    song_sdr_db,
)
from tests.conftest import make_noise
from tests.programs import require

RATE = 8000
SDR, ISR, SIR, SAR = range(4)


def make_sources(count: int = 2, seconds: float = 3) -> Sources:
    frames = round(seconds * RATE)
    return np.stack([make_noise(frames, seed=seed).samples for seed in range(count)])


def ratios(references: Sources, estimates: Sources) -> np.ndarray:
    """Return the median over windows: (sources, 4)."""
    median: np.ndarray = np.median(bss_eval(references, [estimates], RATE)[0], axis=-1)
    return median


def with_museval(references: Sources, estimates: Sources) -> np.ndarray:
    require("ffmpeg")  # which it looks for when it is imported
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it loads much that it does not need
        from museval.metrics import bss_eval as peer
    theirs = peer(
        *(each.transpose(0, 2, 1).astype(np.float64) for each in (references, estimates)),
        window=RATE,
        hop=RATE,
    )
    return np.stack(theirs[:4], axis=1)


def estimate(references: Sources) -> Sources:
    """Return estimates with some of every kind of error."""
    mixture = references.sum(axis=0)
    noise = make_noise(references.shape[-1], seed=99).samples
    return (0.7 * np.roll(references, 3, axis=-1) + 0.2 * mixture + 0.1 * noise).astype(np.float32)


def as_mixture(references: Sources) -> Sources:
    return np.broadcast_to(references.sum(axis=0), references.shape)


@pytest.mark.parametrize(("channels", "estimates_of"), [(2, estimate), (1, as_mixture)])
def test_figures_are_musevals(channels: int, estimates_of: Callable[[Sources], Sources]) -> None:
    references = make_sources(seconds=2.3)[:, :channels]
    references[1, :, : RATE // 2] = 0
    estimates = estimates_of(references)
    (ours,) = bss_eval(references, [estimates], RATE)
    theirs = with_museval(references, estimates)
    audible = theirs < 120  # beyond, rounding is measured
    assert ours.shape == theirs.shape == (2, 4, 2)
    assert np.allclose(ours[audible], theirs[audible], rtol=0, atol=1e-4)
    assert (ours[~audible] > 120).all()


def test_mono_in_stereo_is_no_obstacle() -> None:
    references = make_sources()
    references[0, 1] = references[0, 0]
    references[1, 1] = 0
    estimates = estimate(references)
    noisy = references + np.float32(1e-6) * make_sources()
    found, nearly = bss_eval(references, [estimates], RATE), bss_eval(noisy, [estimates], RATE)
    assert np.allclose(found, nearly, rtol=0, atol=0.3)


def test_what_is_perfect_has_no_distortion() -> None:
    references = make_sources()
    found = ratios(references, references)
    assert (found[:, SDR] == math.inf).all()
    assert (found > 120).all()


def test_a_gain_or_an_echo_is_spatial_distortion_alone() -> None:
    references = make_sources()
    echoed = references + np.float32(0.1) * np.roll(references, 200, axis=-1)
    for estimates in (np.float32(0.9) * references, echoed):
        found = ratios(references, estimates)
        assert found[:, [SDR, ISR]] == pytest.approx(20, abs=0.2)
        assert (found[:, [SIR, SAR]] > 30).all()


def test_crosstalk_is_interference_alone() -> None:
    references = make_sources()
    found = ratios(references, references + np.float32(0.1) * references[::-1])
    assert found[:, [SDR, SIR]] == pytest.approx(20, abs=0.5)
    assert (found[:, ISR] > 30).all()  # what 512 taps make of noise that looks like other noise
    assert (found[:, SAR] > 80).all()


def test_noise_is_artifacts_alone() -> None:
    references = make_sources(seconds=6)
    noise = np.float32(0.1) * make_sources(4, seconds=6)[2:]
    found = ratios(references, references + noise)
    assert found[:, [SDR, SAR]] == pytest.approx(20, abs=0.5)
    assert (found[:, [ISR, SIR]] > 28).all()


def test_a_silent_second_or_estimate_has_no_figures() -> None:
    references = make_sources()
    references[1, :, RATE : 2 * RATE] = 0
    muted = estimate(references)
    muted[0] = 0
    found, of_muted = bss_eval(references, [estimate(references), muted], RATE)
    assert np.isnan(found[..., 1]).all()
    assert np.isfinite(found[..., [0, 2]]).all()
    assert np.isnan(of_muted).all()
    (scores,) = score(references, [muted], RATE)
    assert math.isnan(scores[0].figures.sdr_db)
    assert scores[0].figures.song_sdr_db == 0


def test_a_source_on_its_own_has_no_interference() -> None:
    references = make_sources(1)
    found = ratios(references, estimate(references))
    assert np.isnan(found[0, SIR])
    assert np.isfinite(found[0, [SDR, ISR, SAR]]).all()


def test_less_than_a_second_is_one_window() -> None:
    references = make_sources(seconds=0.5)
    assert bss_eval(references, [references], RATE).shape == (1, 2, 4, 1)


def test_medians_are_of_numbers_only() -> None:
    songs = [
        Figures(1, math.nan, 3, math.nan, 5),
        Figures(3, 7, 5, math.nan, 6),
        Figures(8, 9, math.inf, math.nan, 7),
    ]
    median = median_figures(songs)
    assert (median.sdr_db, median.isr_db, median.sir_db, median.song_sdr_db) == (3, 8, 5, 6)
    assert math.isnan(median.sar_db)
    assert math.isnan(median_figures([]).sdr_db)


def test_sdr_of_a_whole_song() -> None:
    reference = make_noise(1000).samples
    assert song_sdr_db(reference, np.float32(0.9) * reference) == pytest.approx(20, abs=1e-4)
    assert song_sdr_db(reference, reference) == math.inf
    assert math.isnan(song_sdr_db(np.zeros_like(reference), reference))
