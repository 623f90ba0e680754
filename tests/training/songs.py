"""A tiny data set: hits of noise and a low tone, which a small network can tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 44100
CONFIG = """
name = "tiny"
output = "run"

[data]
train = ["songs"]
validation = ["songs"]
excerpt_frames = 64
workers = 1

[stems]
drums = ["drums"]
bass = ["bass"]

[network]
encoder_filters = [4, 8, 8, 8, 8, 8]
decoder_filters = [8, 8, 8, 8, 8, 4]
mask_exponent = 1

[augmentation]
remix = 0.5
production = 0
lossy = 0
speed = 0
absent = 0
layered = 0

[optimiser]
steps = {steps}
batch = 2
learning_rate = 0.01
warmup_steps = 5
average_decay = 0.9
norm_momentum = 0.3
validate_every_steps = {every}
"""


def write_songs(folder: Path, *, seconds: float = 5) -> None:
    """Write two songs of drums and bass."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    for number, tone_hz in enumerate((60, 80)):
        song = folder / f"song{number}"
        song.mkdir(parents=True)
        hits = np.exp(-20 * (time % (0.3 + 0.1 * number)))
        drums = 0.2 * hits * rng.standard_normal((2, len(time)))
        bass = 0.3 * np.sin(2 * np.pi * tone_hz * time) * np.ones((2, 1))
        for name, stem in (("drums", drums), ("bass", bass)):
            soundfile.write(song / f"{name}.wav", stem.T, RATE_HZ, subtype="PCM_16")


def write_training(folder: Path, *, steps: int, every: int) -> Path:
    """Write the songs and a configuration, and return its path."""
    write_songs(folder / "songs")
    config = folder / "tiny.toml"
    config.write_text(CONFIG.format(steps=steps, every=every))
    return config
