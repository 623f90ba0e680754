from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest
import soxr

from daw_bridge import Audio
from daw_bridge.loudness import Oversampler, _k_weighting
from tests.conftest import SONGS, make_noise
from tests.levels import lufs, peak_db, sine


def test_the_filters_are_those_of_the_standard_at_48_khz() -> None:
    """BS.1770-4, annex 1, tables 1 and 2."""
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    np.testing.assert_allclose(
        _k_weighting(48_000),
        [
            [*shelf, 1, -1.69065929318241, 0.73248077421585],
            [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
        ],
        atol=1e-9,
    )


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_the_standards_reference_tone(rate: int) -> None:
    """A full-scale sine of 997 Hz in one channel reads -3.01 LUFS."""
    assert lufs(sine(997, rate=rate), rate) == pytest.approx(-3.01, abs=0.02)


def test_weights() -> None:
    tone = sine(997, rate=48_000)
    six = np.repeat(tone, 6, axis=0) * np.float32(0.1)
    expected = -23.01 + 10 * math.log10(3 + 2 * 1.41)
    assert lufs(six, 48_000, 1, 1, 1, 0, 1.41, 1.41) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name", ["hydrogen", "rubidium", "sodium"])
def test_songs_read_as_pyloudnorm_reads_them(name: str) -> None:
    song = Audio.read(SONGS / f"{name}.ogg")
    theirs = pyloudnorm.Meter(song.sample_rate_hz, filter_class="DeMan")
    expected = theirs.integrated_loudness(song.samples.T.astype(np.float64))
    assert lufs(song.samples, song.sample_rate_hz) == pytest.approx(expected, abs=0.005)


def test_gates_leave_out_silence_and_what_is_far_softer() -> None:
    loud = make_noise(48_000 * 10, sample_rate_hz=48_000).samples
    alone = lufs(loud, 48_000)
    for softer in (0, 0.05):
        assert lufs(np.hstack([loud, softer * loud]), 48_000) == pytest.approx(alone, abs=0.2)


def test_loudness_does_not_depend_on_the_blocks() -> None:
    noise = make_noise(50_000).samples
    expected = lufs(noise, 44_100, block_frames=50_000)
    for block_frames in (777, 4410):
        assert lufs(noise, 44_100, block_frames=block_frames) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("frames", [0, 100, 44_100])
def test_silence_has_no_loudness_and_no_peak(frames: int) -> None:
    silence = np.zeros((2, frames), np.float32)
    assert lufs(silence, 44_100) == -math.inf
    assert peak_db(silence) == -math.inf


def test_a_peak_between_samples_is_found() -> None:
    """At a quarter of the sample rate and 45 degrees, samples are 3 dB below the peak."""
    between = sine(12_000, rate=48_000, phase=math.pi / 4)
    assert 20 * math.log10(np.abs(between).max()) == pytest.approx(-3.01, abs=0.02)
    assert peak_db(between[:, 1000:-1000]) == pytest.approx(0, abs=0.2)  # annex 2: within 0.55 dB


def test_a_lone_sample_at_either_end_is_not_missed() -> None:
    for position in (0, 99):
        click = np.zeros((2, 100), np.float32)
        click[1, position] = 0.5
        assert peak_db(click, block_frames=7) == pytest.approx(-6.02, abs=0.01)


def test_songs_peak_where_a_finer_meter_says() -> None:
    song = Audio.read(SONGS / "rubidium.ogg")
    fine = soxr.resample(song.samples.T.astype(np.float64), 1, 16, quality="VHQ")
    expected = 20 * math.log10(np.abs(fine).max())
    assert peak_db(song.samples) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("floor", [0.3, 0.7, 1.2])
def test_peaks_above_a_floor_are_those_without_one(floor: float) -> None:
    song = Audio.read(SONGS / "rubidium.ogg").samples
    block = song / np.abs(song).max()
    peaks, found = (Oversampler(2).push(block, floor=each) for each in (0.0, floor))
    is_high = peaks > floor
    assert np.array_equal(found[is_high], peaks[is_high])
    assert not (found > peaks).any()


def test_an_empty_block_has_no_peaks() -> None:
    assert Oversampler(2).push(np.empty((2, 0), np.float32)).shape == (0,)
