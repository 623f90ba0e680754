"""Derivatives of the phase: what theory says of sounds that are known, and networks see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import SeparationOptions, Separator
from daw_bridge.errors import ManifestError
from daw_bridge.library.models import load_manifest
from daw_bridge.separation.phase import derive
from daw_bridge.stft import Stft
from tests.conftest import level_db, make_noise
from tests.phased_model import BOTH, install_phased

if TYPE_CHECKING:
    from pathlib import Path

STFT = Stft(4096, 1024)


def wrapped(radians: np.ndarray) -> np.ndarray:
    return (radians + np.pi) % (2 * np.pi) - np.pi


def test_the_papers_formulas() -> None:
    """Differences of unwrapped angles, corrected and wrapped, are what is derived."""
    spectra = STFT.forward(make_noise(40_000).samples)
    phase = np.angle(spectra.astype(np.complex128))
    bins = np.arange(STFT.bins)
    along_time = np.diff(phase, axis=1) - 2 * np.pi * bins * STFT.hop_samples / STFT.window_samples
    time = derive("time-derivative", spectra, STFT)
    assert np.abs(wrapped(time[:, 1:] - along_time)).max() < 1e-4
    assert not time[:, 0].any()
    along_frequency = np.diff(phase, axis=2) + np.pi
    frequency = derive("frequency-derivative", spectra, STFT)
    assert np.abs(wrapped(frequency[..., 1:] - along_frequency)).max() < 1e-4
    assert not frequency[..., 0].any()
    assert max(np.abs(time).max(), np.abs(frequency).max()) <= np.float32(np.pi)


def test_along_time_a_tone_tells_how_far_it_is_from_its_bin() -> None:
    offset_bins = 0.3
    cycles = (100 + offset_bins) / STFT.window_samples * np.arange(20_000)
    tone = np.sin(2 * np.pi * cycles).astype(np.float32)[np.newaxis]
    derivative = derive("time-derivative", STFT.forward(tone), STFT)
    expected = 2 * np.pi * offset_bins * STFT.hop_samples / STFT.window_samples
    assert np.allclose(derivative[0, 1:, 100], expected, atol=1e-4)


def test_along_frequency_a_click_tells_how_far_it_is_from_its_frames_middle() -> None:
    late_samples = 300
    frame = np.zeros((1, STFT.window_samples), np.float32)
    frame[0, STFT.window_samples // 2 + late_samples] = 1
    derivative = derive("frequency-derivative", STFT.forward(frame), STFT)
    expected = -2 * np.pi * late_samples / STFT.window_samples
    assert np.allclose(derivative[0, 0, 1:], expected, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_network_sees_the_planes_in_their_order(home: Path, channels: int) -> None:
    """Across seams too, where a frame of context is enough."""
    install_phased(home)
    mixture = make_noise(100_000, channels=channels)
    with Separator("phased", provider="cpu") as separator:
        stem = separator.separate(mixture, SeparationOptions(extension="zeros"))["a"]
    padded = np.pad(mixture.samples, ((0, 0), (4096, 4096)))
    spectra = STFT.forward(padded)
    masks = np.square(derive("time-derivative", spectra, STFT)) * np.float32(0.1)
    masks[..., 1500:] = 0
    expected = STFT.inverse(spectra * masks)[:, 4096 : 4096 + mixture.frames]
    kept = slice(0, mixture.frames - 8192)
    assert level_db(stem.samples[:, kept] - expected[:, kept], expected) < -100


def test_a_network_of_other_planes_is_refused(home: Path) -> None:
    install_phased(home, planes=2)
    with pytest.raises(
        ManifestError, match="takes 2 planes, but the manifest of phased gives it 6"
    ):
        Separator("phased", provider="cpu")


@pytest.mark.parametrize(
    ("features", "more", "message"),
    [
        (["phase"], "", "phase"),
        (BOTH, "[[stages]]\nof = 'a'\nparts = ['c', 'd']\nmodel = 'x'\n", "features are for a net"),
    ],
)
def test_features_that_cannot_be_are_refused(
    features: list[str], more: str, message: str, home: Path
) -> None:
    install_phased(home, features=features, more=more)
    with pytest.raises(ManifestError, match=message):
        load_manifest("phased")
