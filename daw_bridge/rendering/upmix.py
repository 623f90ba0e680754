"""Stereo stems → a loudspeaker layout whose stereo fold-down is their mixture, whatever is chosen.

    stems ─→ STFT → common part, ambience → inverse STFT ─→ C, surrounds ─┐
      │  └─→ low-pass ────────────────────────────────────→ LFE ──────────┤
      │                                                                   ↓
      └──────────────────────────→ L, R = what those leave ←── times a share, 1 nearly always

The layout chooses what goes to other loudspeakers; L and R keep what that leaves of the stems after
ITU-R BS.775's fold-down. The share that is moved varies slowly, and is the highest at which no
channel goes beyond full scale, or beyond the mixture where that does.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.biquads import Biquads, butterworth
from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import rechunk
from daw_bridge.files.speakers import BACKS, FOLD_GAIN, LEFTS, SIDES, Speaker, fold_matrix
from daw_bridge.rendering.ambience import Imaging
from daw_bridge.rendering.smoothing import running_minimum, weighted_mean
from daw_bridge.stft import Stft, StreamingForward, StreamingInverse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.speakers import Fold, Speakers
    from daw_bridge.rendering.layout import Layout, Placement
    from daw_bridge.stft import Spectra

    Shares = NDArray[np.float32]
    """(frames,), 0 … 1, of what is moved"""
    Sums = NDArray[np.float32]
    """(rows, stems), what is summed of stems to each row of what comes out"""

_WINDOW_S = 0.09
_HOPS_PER_WINDOW = 4
_CHUNK_FRAMES = 1 << 14
_AVERAGING_S = 0.1
_SHARE_S = 0.05  # how far ahead and behind a share keeps clear of a peak
# A bin's ambience is at least as loud in the fronts, which keep 1 - FOLD_GAIN · gain of it.
_HIGHEST_SURROUND_GAIN = np.float32(1 / (1 + FOLD_GAIN))
_FULL_SCALE = 1 - 2**-16  # a margin for rounding
_FRONTS = 2
_PARTS = 3  # what both channels share, the ambience of the left, and of the right


def upmix(blocks: Iterable[Stems], layout: Layout, *, apart: bool = True) -> Iterator[StemBlock]:
    """Place stereo stems in a layout, in flat memory; results do not depend on block sizes.

    Args:
        blocks: consecutive blocks of stems, at least one.
        layout: the loudspeakers, and where stems go.
        apart: whether each stem comes by itself, and not only the sum of them all, which is made in
            a fraction of the time.

    Yields:
        float32 (stems and rest, channels, frames), whose sum is the upmix; or (1, channels,
        frames), the upmix. The rest is what the stems leave of their mixture; it stays in L and R.

    Raises:
        AudioError: the stems are not stereo.
    """
    blocks = iter(blocks)
    first = next(blocks)
    if (channels := first.mixture.shape[0]) != _FRONTS:
        raise AudioError(f"Only stereo can be mixed up, and this has {channels} channels.")
    stems = len(first.names)
    sums = np.eye(stems + 1, stems, dtype=np.float32) if apart else np.ones((1, stems), np.float32)
    joined = (_with_rest(each) if apart else _with_mixture(each) for each in chain([first], blocks))
    placements = [layout.placement(name) for name in first.names]
    placed = _place(joined, layout, placements, sums, sample_rate_hz=first.sample_rate_hz)
    fold = fold_matrix(layout.speakers)
    shares = partial(_shares, fold=fold, reach=round(_SHARE_S * first.sample_rate_hz))
    for each, share in _beside(placed, shares):
        moved = each[:, _FRONTS:] * share
        moved[:, :_FRONTS] = each[:, :_FRONTS] - _fold(fold, moved)
        yield moved


def _with_rest(stems: Stems) -> StemBlock:
    """Return stems and what they leave of the mixture: (stems and rest, channels, frames)."""
    return np.concatenate([stems.samples, stems.residual()[np.newaxis]])


def _with_mixture(stems: Stems) -> StemBlock:
    """Return stems and their mixture: (stems and mixture, channels, frames)."""
    return np.concatenate([stems.samples, stems.mixture[np.newaxis]])


def _beside(
    chunks: Iterable[StemBlock], stage: Callable[[Iterable[StemBlock]], Iterable[StemBlock]]
) -> Iterator[tuple[StemBlock, StemBlock]]:
    """Pair chunks with what a stage makes of them, which may come later, recut and padded."""
    waiting: deque[StemBlock] = deque()

    def pass_by() -> Iterator[StemBlock]:
        for chunk in chunks:
            waiting.append(chunk)
            yield chunk

    for made in rechunk(stage(pass_by()), _CHUNK_FRAMES):
        if not waiting:
            return
        chunk = waiting.popleft()
        yield chunk, made[..., : chunk.shape[-1]]


def _place(
    joined: Iterable[StemBlock],
    layout: Layout,
    placements: Sequence[Placement],
    sums: Sums,
    *,
    sample_rate_hz: int,
) -> Iterator[StemBlock]:
    """Yield what is in L and R, and what may be moved of it: (rows, 2 + channels, frames)."""
    low_pass = _Crossover(layout, placements, sums, sample_rate_hz)
    spread = _Spread(layout, placements, sums, sample_rate_hz)
    for chunk, moved in _beside(rechunk(joined, _CHUNK_FRAMES), spread.spread):
        low_pass.add(chunk[:-1], moved)
        yield np.concatenate([chunk[-len(sums) :], moved], axis=1)


# --- centre and surrounds


def _surround_gain(placement: Placement) -> np.float32:
    """Return what a stem's ambience is multiplied by in the surrounds."""
    return np.float32(0 if placement.surround_db is None else 10 ** (placement.surround_db / 20))


def _part_gains(placements: Sequence[Placement], speakers: Speakers) -> NDArray[np.float32]:
    """Return how much of each part of a stem goes to each channel: (stems, channels, parts)."""
    has_both = {Speaker.Ls, Speaker.Lb} <= set(speakers)
    gains = np.zeros((len(placements), len(speakers), _PARTS), np.float32)
    for of_stem, placement in zip(gains, placements, strict=True):
        for of_channel, speaker in zip(of_stem, speakers, strict=True):
            if speaker is Speaker.C:
                of_channel[0] = placement.center / FOLD_GAIN
            elif speaker & (SIDES | BACKS) and placement.surround_db is not None:
                back = placement.back if speaker & BACKS else 1 - placement.back
                of_channel[1 if speaker & LEFTS else 2] = back if has_both else 1
    return gains


class _Spread:
    """Makes centre and surrounds: of spectra, as these can be summed before they become signals."""

    def __init__(
        self, layout: Layout, placements: Sequence[Placement], sums: Sums, sample_rate_hz: int
    ) -> None:
        window = 1 << round(math.log2(_WINDOW_S * sample_rate_hz))
        stft = Stft(window, window // _HOPS_PER_WINDOW)
        self._forward, self._inverse = StreamingForward(stft), StreamingInverse(stft)
        smoothing = math.exp(-stft.hop_samples / (_AVERAGING_S * sample_rate_hz))
        self._imaging = [Imaging(smoothing) for _ in placements]
        self._surround_gains = [_surround_gain(each) for each in placements]
        gains = _part_gains(placements, layout.speakers)
        self._shape = (len(sums), len(layout.speakers))
        self._used: list[int] = np.flatnonzero(gains.any(axis=(1, 2))).tolist()
        summed = np.einsum("rs,scp->rcsp", sums, gains)
        self._lanes = summed.any(axis=(2, 3))  # what is silent needs no transform
        self._gains = summed[self._lanes]

    def spread(self, chunks: Iterable[StemBlock]) -> Iterator[StemBlock]:
        """Yield what goes to centre and surrounds, and padding: (rows, channels, frames).

        The chunks are (stems and more, 2, frames).
        """
        if not self._used:
            yield from (np.zeros((*self._shape, each.shape[-1]), np.float32) for each in chunks)
            return
        for chunk in chunks:
            yield self._push(chunk[self._used])
        padding = self._forward.stft.window_samples
        yield self._push(np.zeros((len(self._used), _FRONTS, padding), np.float32))

    def _push(self, stems: StemBlock) -> StemBlock:
        """Return what used stems (stems, 2, frames) complete: (rows, channels, frames)."""
        spectra = self._forward.push(stems.reshape(-1, stems.shape[-1]))
        mixed = np.zeros((len(self._gains), *spectra.shape[1:]), np.complex64)
        for stem, pair in zip(self._used, np.split(spectra, len(stems)), strict=True):
            parts = self._parts(stem, pair)
            gains = self._gains[:, stem]
            for lane, part in np.argwhere(gains).tolist():
                mixed[lane] += gains[lane, part] * parts[part]
        signals = self._inverse.push(mixed)
        moved = np.zeros((*self._shape, signals.shape[-1]), np.float32)
        moved[self._lanes] = signals
        return moved

    def _parts(self, stem: int, spectra: Spectra) -> dict[int, Spectra]:
        """Return those parts of a stem that go anywhere: (time_frames, bins) each."""
        image = self._imaging[stem].push(spectra)
        uses_common, *uses_ambience = self._gains[:, stem].any(axis=0)
        parts = {}
        if uses_common:
            parts[0] = image.common_share() / 2 * (spectra[0] + spectra[1])
        if any(uses_ambience):
            gain = self._surround_gains[stem]
            for part, ambience in enumerate(image.ambience_gains(), 1):
                shares = np.minimum(gain * ambience, _HIGHEST_SURROUND_GAIN)
                parts[part] = shares * spectra[part - 1]
        return parts


# --- LFE


class _Crossover:
    """Makes the LFE: a Linkwitz-Riley filter of fourth order, which is Butterworth's twice."""

    def __init__(
        self, layout: Layout, placements: Sequence[Placement], sums: Sums, sample_rate_hz: int
    ) -> None:
        self._lfe = layout.lfe if Speaker.LFE in layout.speakers else None
        if self._lfe:
            self._channel = layout.speakers.index(Speaker.LFE)
            low_pass = butterworth(self._lfe.crossover_hz, sample_rate_hz)
            self._filter = Biquads(np.concatenate([low_pass, low_pass]), len(sums))
            gain = 10 ** (self._lfe.gain_db / 20) / _FRONTS
            self._gains = sums * [gain * each.lfe for each in placements]

    def add(self, stems: StemBlock, moved: StemBlock) -> None:
        """Put the LFE of stems (stems, 2, frames) into what is moved: (rows, channels, frames)."""
        if self._lfe:
            bass = np.einsum("rs,scn->rn", self._gains, stems)
            moved[:, self._channel] = self._filter.push(bass)


# --- what may be moved


def _shares(blocks: Iterable[StemBlock], *, fold: Fold, reach: int) -> Iterator[Shares]:
    """Yield the share that is moved, and padding.

    The lowest share that is allowed within reach, in frames, is averaged within reach. So a share
    is never above the one that is allowed at its frame.
    """
    window = np.hanning(2 * reach + 3)[1:-1]
    window /= window.sum()
    padding = np.ones(2 * reach, np.float32)
    signal = padding
    for allowed in chain((_allowed(each, fold) for each in blocks), [padding]):
        signal = np.concatenate([signal[-4 * reach :], allowed])
        frames = max(len(signal) - 4 * reach, 0)
        if signal.min() == 1:
            yield np.ones(frames, np.float32)
        elif frames:
            yield weighted_mean(running_minimum(signal, 2 * reach + 1), window).astype(np.float32)


def _allowed(placed: StemBlock, fold: Fold) -> Shares:
    """Return the largest share at which no channel is beyond full scale.

    A front is x - share · m. For |x| within the limit T, it is so up to (T + sign(m) x) / |m|.
    """
    total = placed.sum(axis=0)
    fronts, moved = total[:_FRONTS], total[_FRONTS:]
    taken = _fold(fold, moved)
    if max(np.abs(moved).max(), np.abs(fronts - taken).max()) <= _FULL_SCALE:
        return np.ones(moved.shape[1], np.float32)
    limits = np.full_like(moved, _FULL_SCALE)
    limits[:_FRONTS] = np.maximum(limits[:_FRONTS], np.abs(fronts)) + np.sign(taken) * fronts
    moved[:_FRONTS] = taken
    moved = np.abs(moved)
    return np.divide(limits, moved, out=np.ones_like(moved), where=moved > limits).min(axis=0)


def _fold(fold: Fold, moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the fold-down of (…, channels, frames): (…, 2, frames)."""
    # Not a matrix product: the threads of a BLAS spin, and take their cores from the network.
    return np.einsum("fc,...cn->...fn", fold, moved)
