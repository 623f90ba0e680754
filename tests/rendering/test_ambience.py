"""Sounds whose direct and ambient parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from daw_bridge.rendering.ambience import Image, Imaging
from daw_bridge.stft import Stft
from tests.conftest import level_db, make_noise

STFT = Stft(4096, 1024)
DIRECT = make_noise(200_000, channels=1, seed=1).samples
AMBIENCE = make_noise(200_000, channels=2, seed=2).samples


def split(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a stereo sound's spectra, and those of its common part and its ambience."""
    spectra = STFT.forward(samples.astype(np.float32))
    common, ambience = parts_of(spectra, Imaging(0.79).push(spectra))
    return spectra[:, 20:], common[20:], ambience[:, 20:]


def parts_of(spectra: np.ndarray, image: Image) -> tuple[np.ndarray, np.ndarray]:
    gains = np.minimum(image.ambience_gains(), 1)
    return image.common_share() * spectra.sum(axis=0) / 2, gains * spectra


def test_what_is_in_the_middle_is_common() -> None:
    spectra, common, ambience = split(np.repeat(DIRECT, 2, axis=0))
    assert level_db(np.abs(common - spectra[0]), np.abs(spectra[0])) < -60
    assert level_db(np.abs(ambience), np.abs(spectra)) < -60


@pytest.mark.parametrize("gains", [(1, 0), (0, 1), (1, 0.5)])
def test_what_is_panned_is_no_ambience(gains: tuple[float, float]) -> None:
    spectra, common, ambience = split(DIRECT * np.array(gains)[:, np.newaxis])
    assert level_db(np.abs(ambience), np.abs(spectra)) < -60
    if 0 in gains:
        assert level_db(np.abs(common), np.abs(spectra)) < -60


def test_what_is_in_antiphase_is_not_common() -> None:
    spectra, common, _ = split(DIRECT * np.array([[1], [-1]]))
    assert level_db(np.abs(common), np.abs(spectra)) < -60


def test_what_is_uncorrelated_is_mostly_ambience() -> None:
    spectra, common, ambience = split(AMBIENCE)
    assert level_db(np.abs(ambience), np.abs(spectra)) > -8
    assert level_db(np.abs(common), np.abs(spectra[0])) < -12


def test_more_ambience_gives_more_ambience() -> None:
    levels = [
        level_db(np.abs(split(DIRECT + amount * AMBIENCE)[2]), np.abs(STFT.forward(AMBIENCE)))
        for amount in (0.1, 0.3, 1)
    ]
    assert levels == sorted(levels)


def test_what_is_left_of_a_channel_is_the_channel_turned_down() -> None:
    spectra, _, ambience = split(DIRECT + AMBIENCE)
    gains = ambience / spectra
    assert np.abs(gains.imag).max() < 1e-3
    assert gains.real.min() > -1e-3
    assert gains.real.max() < 1 + 1e-3


def test_pieces_give_the_same() -> None:
    spectra = STFT.forward(AMBIENCE)
    _, whole = parts_of(spectra, Imaging(0.79).push(spectra))
    imaging = Imaging(0.79)
    pieces = [spectra[:, start : start + 7] for start in range(0, 192, 7)]
    parts = [parts_of(piece, imaging.push(piece))[1] for piece in pieces]
    together = np.concatenate(parts, axis=1)
    assert level_db(np.abs(together - whole), np.abs(whole)) < -120


def test_silence_is_silence() -> None:
    _, common, ambience = split(np.zeros((2, 50_000)))
    assert not common.any()
    assert not ambience.any()
