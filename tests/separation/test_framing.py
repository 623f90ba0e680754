"""Signals are cut and put together as the programs do that today's networks were trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge.audio import Audio
from daw_bridge.library.manifest import PassageShape, WaveformModel
from daw_bridge.separation.framing import Mirrors, WeightedAverage, cut_segments
from daw_bridge.separation.options import SeparationOptions, make_plan
from daw_bridge.separation.signals import Overlapping
from daw_bridge.separation.synthesis import Synthesis
from tests.conftest import level_db

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.separation.network import StemSignals
    from daw_bridge.stft import Signal

RATE_HZ = 44_100
CHUNK = 4_000


class Warped:
    """A network whose two stems depend on where in a passage a sample lies."""

    provider = "cpu"
    concurrent_runs = 1
    stems = 2

    def __call__(self, samples: Signal) -> StemSignals:
        place = np.cos(np.linspace(0, 9, samples.shape[1], dtype=np.float32))
        return np.stack([samples * place, np.roll(samples, 7, axis=1)])


def noise(frames: int) -> Signal:
    return np.random.default_rng(1).normal(0, 0.1, (2, frames)).astype(np.float32)


def separate(mixture: Signal, manifest: WaveformModel, block: int) -> NDArray[np.float32]:
    options = SeparationOptions(extension="zeros")
    plan = make_plan(manifest, options, Audio(mixture, RATE_HZ))
    estimator = Overlapping(plan, Warped(), manifest)
    blocks = (mixture[:, start : start + block] for start in range(0, mixture.shape[1], block))
    synthesis = Synthesis(plan, estimator)
    parts = [
        stems.samples
        for segment in cut_segments(blocks, plan, estimator.cut)
        for stems in synthesis.push(segment, estimator.estimate(segment))
    ]
    return np.concatenate(parts, axis=2)


def separate_at_once(mixture: Signal, overlaps: int) -> NDArray[np.float64]:
    """Do the same with the whole signal in memory.

    Facts: Music-Source-Separation-Training, utils/model_utils.py, demix in its generic mode.
    """
    step, fade = CHUNK // overlaps, CHUNK // 10
    border = CHUNK - step
    frames = mixture.shape[1]
    is_long = frames > 2 * border > 0
    around = np.pad(mixture, ((0, 0), (border, border)), "reflect") if is_long else mixture
    total, weights = np.zeros((2, *around.shape)), np.zeros(around.shape[1])
    for start in range(0, around.shape[1], step):
        part = around[:, start : start + CHUNK]
        length = part.shape[1]
        estimate = Warped()(fill(part))
        weight = np.ones(CHUNK)
        if start:
            weight[:fade] = np.linspace(0, 1, fade)
        if start + step < around.shape[1]:
            weight[-fade:] = np.linspace(1, 0, fade)
        total[..., start : start + length] += (estimate * weight)[..., :length]
        weights[start : start + length] += weight[:length]
    whole: NDArray[np.float64] = total / weights
    return whole[..., border:-border] if is_long else whole


def fill(part: Signal) -> Signal:
    """Return a passage that is begun as a whole one."""
    missing = ((0, 0), (0, CHUNK - part.shape[1]))
    is_short = part.shape[1] <= CHUNK // 2
    return np.pad(part, missing) if is_short else np.pad(part, missing, "reflect")


def model(overlaps: int, *, mirrored: bool = True) -> WaveformModel:
    return WaveformModel(
        name="warped",
        version="1",
        summary="For tests.",
        stems=("one", "other"),
        sample_rate_hz=RATE_HZ,
        channels=2,
        licence="MIT",
        attribution="us",
        overlap=1 - 1 / overlaps,
        passage=PassageShape(samples=CHUNK, mirrored=mirrored, fade_samples=CHUNK // 10),
    )


@pytest.mark.parametrize("overlaps", [2, 3, 4, 8])
@pytest.mark.parametrize("frames", [20_000, 8_001, 33_333])
def test_passages_are_averaged_as_the_reference_does(overlaps: int, frames: int) -> None:
    mixture = noise(frames)
    made = separate(mixture, model(overlaps), block=1_000)
    assert made.shape == (2, 2, frames)
    assert level_db(made - separate_at_once(mixture, overlaps), made) < -120


@pytest.mark.parametrize("frames", [1, 700, 2_500, 4_000])
def test_a_signal_of_one_passage_is_seen_once(frames: int) -> None:
    mixture = noise(frames)
    made = separate(mixture, model(2), block=300)
    alone = Warped()(fill(mixture))[..., :frames]
    assert np.allclose(made, alone, atol=1e-6)


@pytest.mark.parametrize("mirrored", [True, False])
def test_blocks_do_not_matter(mirrored: bool) -> None:
    mixture = noise(21_000)
    first, *others = (
        separate(mixture, model(4, mirrored=mirrored), block) for block in (1, 4_000, 21_000)
    )
    assert all(np.array_equal(first, other) for other in others)


def test_a_weighted_average_passes_equal_estimates_through() -> None:
    signal = noise(30)[np.newaxis]
    average = WeightedAverage(12, 4, fade_frames=3)
    starts = range(0, 20, 4)
    parts = [
        average.push(signal[..., start : start + 12].copy(), last=start == 16) for start in starts
    ]
    assert np.allclose(np.concatenate(parts, axis=2)[..., :28], signal[..., :28], atol=1e-7)


def test_a_signal_too_short_to_be_mirrored_is_left_alone() -> None:
    mirrors = Mirrors(5)
    pieces = iter([noise(0), noise(4), noise(6)])
    whole = np.concatenate(list(mirrors.surround(pieces)), axis=1)
    assert (whole.shape[1], mirrors.before) == (10, 0)


@pytest.mark.parametrize("frames", [1, 700, 65_536, 131_072])
def test_no_block_of_stems_is_empty(frames: int) -> None:
    manifest, mixture = model(2), noise(frames)
    plan = make_plan(manifest, SeparationOptions(extension="zeros"), Audio(mixture, RATE_HZ))
    estimator = Overlapping(plan, Warped(), manifest)
    synthesis = Synthesis(plan, estimator)
    for segment in cut_segments([mixture], plan, estimator.cut):
        for stems in synthesis.push(segment, estimator.estimate(segment)):
            assert stems.mixture.size
