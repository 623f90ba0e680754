from __future__ import annotations

import numpy as np
import pytest

from daw_bridge.stft import Stft, StreamingForward, StreamingInverse
from tests.conftest import level_db


def test_forward_is_the_transform_of_windowed_frames() -> None:
    stft = Stft(4096, 1024)
    samples = np.random.default_rng(0).standard_normal((2, stft.count_samples(40)))
    spectra = stft.forward(samples.astype(np.float32))
    assert spectra.shape == (2, 40, 2049)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4096) / 4096)
    expected = np.fft.rfft(samples[1, 37 * 1024 : 37 * 1024 + 4096] * window)
    assert level_db(np.abs(spectra[1, 37] - expected), np.abs(expected)) < -110


def test_a_rectangular_window_leaves_samples_as_they_are() -> None:
    stft = Stft(4096, 1024, "rectangular")
    samples = np.random.default_rng(0).standard_normal((2, stft.count_samples(40)))
    spectra = stft.forward(samples.astype(np.float32))
    expected = np.fft.rfft(samples[1, 37 * 1024 : 37 * 1024 + 4096])
    assert level_db(np.abs(spectra[1, 37] - expected), np.abs(expected)) < -110
    restored = stft.inverse(spectra)[:, 4096:-4096]
    assert level_db(restored - samples[:, 4096:-4096], restored) < -120


@pytest.mark.parametrize("pieces", [[50], [1, 2, 47], [17, 33]])
@pytest.mark.parametrize(("window", "hop"), [(4096, 1024), (2048, 512), (4096, 512)])
def test_inverse_in_pieces_gives_the_signal_back(pieces: list[int], window: int, hop: int) -> None:
    stft = Stft(window, hop)
    signal = np.random.default_rng(0).standard_normal((2, 50 * hop - window)).astype(np.float32)
    margin = np.zeros((2, window), np.float32)
    spectra = stft.forward(np.concatenate([margin, signal, margin], axis=1))
    inverse = StreamingInverse(stft)
    ends = np.cumsum(pieces)
    parts = [inverse.push(spectra[:, end - n : end]) for n, end in zip(pieces, ends, strict=True)]
    restored = np.concatenate(parts, axis=1)[:, : signal.shape[1]]
    assert level_db(restored - signal, signal) < -120


@pytest.mark.parametrize("pieces", [[51_200], [1, 1023, 4096, 46_080], [17_000, 34_200]])
def test_forward_in_pieces_gives_the_same_frames(pieces: list[int]) -> None:
    stft = Stft(4096, 1024)
    signal = np.random.default_rng(0).standard_normal((2, 51_200)).astype(np.float32)
    whole = stft.forward(np.concatenate([np.zeros((2, 4096), np.float32), signal], axis=1))
    forward = StreamingForward(stft)
    parts = [forward.push(part) for part in np.split(signal, np.cumsum(pieces)[:-1], axis=1)]
    assert level_db(np.abs(np.concatenate(parts, axis=1) - whole), np.abs(whole)) < -130
