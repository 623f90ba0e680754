"""What is done to a source before it goes into an example.

Remixing, gains and channel swaps are Uhlich et al., "Improving music source separation based on
deep neural networks through data augmentation and network blending", ICASSP 2017. The production
chains make clean sources sound like records: amplifiers, compression, equalisers, rooms, coding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pedalboard as pb
import soxr

from daw_bridge.files.blocks import energy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daw_bridge.files.blocks import Block
    from daw_bridge.training.config import Augmentation

    Random = np.random.Generator
    Effect = Callable[[Random], pb.Plugin]

_TARGET_RMS = 0.07
_SILENT_RMS = 1e-3
_LOSSY_VBR = (2.0, 9.0)  # LAME's qualities, about 190 … 65 kbit/s


def _compressor(random: Random) -> pb.Plugin:
    return pb.Compressor(
        threshold_db=random.uniform(-35, -12),
        ratio=random.uniform(2, 8),
        attack_ms=random.uniform(1, 30),
        release_ms=random.uniform(40, 250),
    )


def _limiter(random: Random) -> pb.Plugin:
    return pb.Limiter(threshold_db=random.uniform(-20, -6), release_ms=random.uniform(50, 300))


def _exciter(random: Random) -> pb.Plugin:
    """Overtones of what is high: sampled instruments are duller than recorded ones."""
    overtones = [
        pb.HighpassFilter(random.uniform(1500, 5000)),
        pb.Distortion(random.uniform(10, 30)),
        pb.HighpassFilter(random.uniform(3000, 6000)),
        pb.Gain(random.uniform(-18, -3)),
    ]
    return pb.Mix([pb.Gain(0), pb.Chain(overtones)])


def _room(random: Random) -> pb.Plugin:
    return pb.Reverb(
        room_size=random.uniform(0.05, 0.8),
        damping=random.uniform(0.2, 0.9),
        wet_level=random.uniform(0.02, 0.3),
        dry_level=random.uniform(0.7, 1),
        width=random.uniform(0.3, 1),
    )


def _drive(low_db: float, high_db: float) -> Effect:
    return lambda random: pb.Distortion(drive_db=random.uniform(low_db, high_db))


def _low_pass(low_hz: float, high_hz: float) -> Effect:
    return lambda random: pb.LowpassFilter(
        float(np.exp(random.uniform(*np.log([low_hz, high_hz]))))
    )


def _shelf(random: Random) -> pb.Plugin:
    return pb.HighShelfFilter(
        cutoff_frequency_hz=random.uniform(2500, 8000), gain_db=random.uniform(-8, 12)
    )


def _bell(random: Random) -> pb.Plugin:
    return pb.PeakFilter(
        cutoff_frequency_hz=float(100 * 40 ** random.random()),
        gain_db=random.uniform(-8, 8),
        q=random.uniform(0.4, 1.5),
    )


def _modulation(random: Random) -> pb.Plugin:
    kind = pb.Chorus if random.random() < 0.7 else pb.Phaser
    return kind(rate_hz=random.uniform(0.3, 2), mix=random.uniform(0.1, 0.45))


def _echo(random: Random) -> pb.Plugin:
    return pb.Delay(
        delay_seconds=random.uniform(0.06, 0.5),
        feedback=random.uniform(0, 0.4),
        mix=random.uniform(0.05, 0.25),
    )


_TONE: Sequence[tuple[float, Effect]] = ((0.5, _shelf), (0.5, _bell))
_CHAINS: Mapping[str, Sequence[tuple[float, Effect]]] = {
    "drums": (
        (0.2, _drive(0, 14)),
        (0.5, _compressor),
        (0.5, _room),
        *_TONE,
        (0.3, _limiter),
    ),
    "bass": ((0.4, _drive(0, 22)), (0.5, _low_pass(500, 6000)), (0.6, _compressor), *_TONE),
    "": (
        (0.35, _drive(0, 35)),
        (0.4, _exciter),
        (0.3, _low_pass(2000, 9000)),
        (0.3, _compressor),
        (0.25, _modulation),
        (0.25, _echo),
        (0.5, _room),
        *_TONE,
        (0.2, _limiter),
    ),
}
"""By stem (the last: any other): how often an effect is in the chain, and how it is set."""


def produce(source: Block, stem: str, sample_rate_hz: int, random: Random) -> Block:
    """Send a source (2, frames) through a random production chain for its kind of stem."""
    chain = _CHAINS.get(stem, _CHAINS[""])
    for share, make in chain:
        if random.random() < share:
            source = make(random)(source, sample_rate_hz)
    return source


def code(source: Block, sample_rate_hz: int, random: Random) -> Block:
    """Code a source (2, frames) as MP3 and decode it."""
    quality = float(random.uniform(*_LOSSY_VBR))
    return pb.MP3Compressor(vbr_quality=quality)(source, sample_rate_hz)


def change_speed(source: Block, frames: int) -> Block:
    """Play a longer or shorter passage in (2, frames), pitch and tempo together."""
    played = soxr.resample(source.T, source.shape[1], frames, "LQ").T
    return np.ascontiguousarray(np.pad(played, ((0, 0), (0, 1)))[:, :frames])


def place(source: Block, stem: str, random: Random) -> Block:
    """Change the width of a source (2, frames), and its place between left and right."""
    middle = source.mean(axis=0, keepdims=True)
    if stem == "bass" and random.random() < 0.7:
        return np.repeat(middle, 2, axis=0)
    pan = random.uniform(-0.6, 0.6) if stem not in ("bass", "drums") else random.uniform(-0.1, 0.1)
    sides = np.array([[1 - pan], [1 + pan]], np.float32)
    return (middle + (source - middle) * np.float32(random.uniform(0, 1.4))) * sides


def vary(
    source: Block, stem: str, sample_rate_hz: int, augmentation: Augmentation, random: Random
) -> Block:
    """Do to a source (2, frames) what the augmentation asks for, at random."""
    if _rms(source) < _SILENT_RMS:
        return source
    if random.random() < augmentation.production:
        source = produce(source, stem, sample_rate_hz, random)
    if random.random() < augmentation.lossy:
        source = code(source, sample_rate_hz, random)
    if random.random() < augmentation.swap:
        source = source[::-1]
    if random.random() < augmentation.pan:
        source = place(source, stem, random)
    if random.random() < augmentation.normalise:
        source = source * np.float32(_TARGET_RMS / max(_rms(source), _SILENT_RMS))
    gain_db = random.normal(0, augmentation.gain_db)
    return source * np.float32(10 ** (gain_db / 20))


def _rms(source: Block) -> float:
    return float(np.sqrt(energy(source) / source.size))
