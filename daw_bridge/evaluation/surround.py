"""What is in a surround mix: its channels, what to draw of them, and what it folds down to."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import AudioError
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.files.blocks import Fifo
from daw_bridge.files.reading import log_warnings, open_audio
from daw_bridge.files.speakers import (
    BACKS,
    FRONTS,
    SIDES,
    Speaker,
    find_speakers,
    fold_matrix,
    loudness_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reading import Reader
    from daw_bridge.files.speakers import Speakers

LFE_LIMIT_HZ = 120.0
"""Where the LFE of films ends: above it, there should be next to nothing."""

GONIOMETER_BINS = 513
_SPECTRUM_FRAMES = 8192
_STEP_S = 0.4


class ChannelMeter:
    """Measures the channels of a surround mix that comes in blocks.

    Args:
        speakers: which loudspeaker each channel is for.
        sample_rate_hz: frames a second.
    """

    def __init__(self, speakers: Speakers, sample_rate_hz: int) -> None:
        self.speakers = speakers
        self.names = tuple(str(each.name) for each in speakers)
        self.sample_rate_hz = sample_rate_hz
        self._pairs = {
            "/".join(self.names[index] for index in pair): pair
            for kind in (FRONTS, SIDES, BACKS)
            if (pair := [i for i, each in enumerate(speakers) if each & kind])
        }
        self._lfe = speakers.index(Speaker.LFE) if Speaker.LFE in speakers else None
        self._frames = 0
        self._peaks = np.zeros(len(speakers))
        self._energies = np.zeros(len(speakers))
        self._products = dict.fromkeys(self._pairs, 0.0)
        self._low = Fifo(np.empty((1, 0), np.float32))
        self._window = np.hanning(_SPECTRUM_FRAMES)
        self._spectrum = np.zeros(_SPECTRUM_FRAMES // 2 + 1)

    def add(self, block: Block) -> None:
        """Take a block: float32 (channels, frames)."""
        self._frames += block.shape[1]
        self._peaks = np.maximum(self._peaks, np.abs(block).max(axis=1, initial=0))
        self._energies += np.einsum("cn,cn->c", block, block)
        for name, (left, right) in self._pairs.items():
            self._products[name] += float(np.einsum("n,n->", block[left], block[right]))
        if self._lfe is not None:
            self._low.push(block[self._lfe : self._lfe + 1])
            while self._low.frames >= _SPECTRUM_FRAMES:
                frame = self._low.take(_SPECTRUM_FRAMES)[0] * self._window
                self._spectrum += np.square(np.abs(np.fft.rfft(frame)))

    @property
    def levels_db(self) -> dict[str, float]:
        """Each channel's level: the mean square, where a full-scale square wave has 0 dB."""
        powers = self._energies / max(self._frames, 1)
        return dict(zip(self.names, map(_db, powers), strict=True))

    @property
    def peaks_db(self) -> dict[str, float]:
        """Each channel's highest sample, relative to full scale."""
        return dict(zip(self.names, map(_db, np.square(self._peaks)), strict=True))

    @property
    def correlations(self) -> dict[str, float]:
        """How alike left and right are, -1 … 1, by pair; 0 for silence."""
        found = {}
        for name, (left, right) in self._pairs.items():
            scale = math.sqrt(self._energies[left] * self._energies[right])
            found[name] = self._products[name] / scale if scale else 0.0
        return found

    @property
    def lfe_excess_db(self) -> float | None:
        """What the LFE has above LFE_LIMIT_HZ, relative to all of it; None for no or silent LFE."""
        total = self._spectrum.sum()
        if not total:
            return None
        return _db(self._spectrum[self.spectrum_hz > LFE_LIMIT_HZ].sum() / total)

    @property
    def spectrum_hz(self) -> NDArray[np.floating]:
        """The frequencies of :attr:`lfe_spectrum_db`: (bins,)."""
        return np.fft.rfftfreq(_SPECTRUM_FRAMES, 1 / self.sample_rate_hz)

    @property
    def lfe_spectrum_db(self) -> NDArray[np.float64]:
        """The LFE's spectrum, relative to its highest bin: (bins,)."""
        highest = max(float(self._spectrum.max()), 1e-30)
        spectrum: NDArray[np.float64] = 10 * np.log10(self._spectrum / highest + 1e-12)
        return spectrum


class ChannelPicture(ChannelMeter):
    """Measures what is drawn of them too."""

    def __init__(self, speakers: Speakers, sample_rate_hz: int) -> None:
        super().__init__(speakers, sample_rate_hz)
        self._clouds = {name: np.zeros(GONIOMETER_BINS**2, np.intp) for name in self._pairs}
        self._step_frames = round(_STEP_S * sample_rate_hz)
        self._waiting = Fifo(np.empty((len(speakers), 0), np.float32))
        self._powers: list[NDArray[np.float32]] = []

    def add(self, block: Block) -> None:
        """Take a block: float32 (channels, frames)."""
        super().add(block)
        for name, pair in self._pairs.items():
            self._clouds[name] += _cloud(*block[pair])
        self._waiting.push(block)
        while self._waiting.frames >= self._step_frames:
            step = self._waiting.take(self._step_frames)
            self._powers.append(np.square(step).mean(axis=1))

    @property
    def level_steps_db(self) -> NDArray[np.float64]:
        """Each channel's level over time, in steps of 400 ms: (channels, steps)."""
        powers = np.array(self._powers, np.float64).reshape(-1, len(self.names)).T
        steps: NDArray[np.float64] = 10 * np.log10(powers + 1e-12)
        return steps

    @property
    def step_s(self) -> float:
        """The length of a step of :attr:`level_steps_db`."""
        return self._step_frames / self.sample_rate_hz

    @property
    def goniometers(self) -> dict[str, NDArray[np.intp]]:
        """By pair: how often a sample lies where, (middle bins, side bins); silence is central."""
        square = (GONIOMETER_BINS, GONIOMETER_BINS)
        return {name: cloud.reshape(square) for name, cloud in self._clouds.items()}


@dataclass(frozen=True)
class SurroundReport:
    """What was measured of a surround mix, beside the stereo that it is for.

    Attributes:
        null_db: how far below the stereo lies what its fold-down does not add up to.
        stereo_lufs: integrated loudness of the stereo.
        surround_lufs: integrated loudness of the surround mix.
        levels_db: the level of each channel.
        peaks_db: the highest sample of each channel.
        correlations: of left and right, by pair.
        lfe_excess_db: what the LFE has above 120 Hz, relative to all of it.
    """

    null_db: float
    stereo_lufs: float
    surround_lufs: float
    levels_db: dict[str, float]
    peaks_db: dict[str, float]
    correlations: dict[str, float]
    lfe_excess_db: float | None


def check_surround(surround: Path, stereo: Path) -> tuple[SurroundReport, ChannelPicture]:
    """Measure a surround file, whoever made it, beside the stereo that it is for.

    Raises:
        AudioError: a file cannot be read, which loudspeakers its channels are for is not known, or
            the two are not equally long.
    """
    from daw_bridge.loudness import check_rate  # slow to load

    with open_audio(surround) as mix, open_audio(stereo) as original:
        check_stereo(original)
        check_rate(original)
        if mix.sample_rate_hz != original.sample_rate_hz:
            raise AudioError(f"{mix.name} has not the sample rate of {original.name}.")
        speakers = find_speakers(surround, mix.channels)
        meter = ChannelPicture(speakers, mix.sample_rate_hz)
        report = measure_surround(mix, original.blocks(), meter)
        log_warnings(mix, original)
        return report, meter


def measure_surround(
    surround: Reader, stereo: Iterable[Block], meter: ChannelMeter, *, gain: float = 1.0
) -> SurroundReport:
    """Measure a surround mix beside its stereo.

    Args:
        surround: the mix.
        stereo: blocks of float32 (2, frames), cut as those of the mix are.
        meter: for the mix's loudspeakers and rate, still unused.
        gain: what the mix was turned down by.

    Raises:
        AudioError: the two are not equally long, or cannot be read.
    """
    from daw_bridge.loudness import LoudnessMeter  # slow to load

    rate = surround.sample_rate_hz
    null, fold = NullMeter(), fold_matrix(meter.speakers).astype(np.float64)
    stereo_loudness = LoudnessMeter(rate, [1, 1])
    surround_loudness = LoudnessMeter(rate, loudness_weights(meter.speakers))
    with ThreadPoolExecutor(2) as pool:
        for block, original in zip_longest(surround.blocks(), stereo):
            if block is None or original is None or block.shape[1] != original.shape[1]:
                raise AudioError(f"{surround.name} is not as long as its stereo.")
            beside = [
                pool.submit(surround_loudness.add, block),
                pool.submit(stereo_loudness.add, original),
            ]
            null.add(original * gain, original * gain - np.einsum("fc,cn->fn", fold, block))
            meter.add(block)
            for each in beside:
                each.result()
    return SurroundReport(
        null_db=null.null_db(),
        stereo_lufs=stereo_loudness.integrated_lufs,
        surround_lufs=surround_loudness.integrated_lufs,
        levels_db=meter.levels_db,
        peaks_db=meter.peaks_db,
        correlations=meter.correlations,
        lfe_excess_db=meter.lfe_excess_db,
    )


def check_stereo(reader: Reader) -> None:
    """Raise :class:`AudioError` unless a source has two channels."""
    if reader.channels != 2:
        raise AudioError(
            f"{reader.name} has {reader.channels} channel{'s' * (reader.channels != 1)};"
            " only stereo can be mixed up."
        )


def _cloud(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.intp]:
    """Count samples (frames,) by (left + right) / 2 and (right - left) / 2: (middle · side bins,).

    Full scale is at the edges.
    """
    half = GONIOMETER_BINS // 2
    middle, side = (
        np.clip(np.rint(each * (half / 2)), -half, half).astype(np.int64) + half
        for each in (left + right, right - left)
    )
    return np.bincount(middle * GONIOMETER_BINS + side, minlength=GONIOMETER_BINS**2)


def _db(power: float) -> float:
    return 10 * math.log10(power) if power else -math.inf
