"""How loud signals are, measured block by block."""

from __future__ import annotations

import numpy as np

from daw_bridge.loudness import LoudnessMeter, TruePeakMeter


def sine(frequency_hz: float, *, rate: int, seconds: float = 4, phase: float = 0) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * frequency_hz * time + phase).astype(np.float32)[np.newaxis]


def lufs(samples: np.ndarray, rate: int, *weights: float, block_frames: int = 10_007) -> float:
    meter = LoudnessMeter(rate, weights or [1.0] * len(samples))
    for start in range(0, samples.shape[1], block_frames):
        meter.add(samples[:, start : start + block_frames])
    return meter.integrated_lufs


def peak_db(samples: np.ndarray, *, block_frames: int = 10_007) -> float:
    meter = TruePeakMeter(len(samples))
    for start in range(0, samples.shape[1], block_frames):
        meter.add(samples[:, start : start + block_frames])
    return meter.peak_db
