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
from scipy.ndimage import minimum_filter1d
from scipy.signal import butter, oaconvolve, sosfilt

from daw_bridge.errors import AudioError
from daw_bridge.files.blocks import rechunk
from daw_bridge.files.speakers import BACKS, FOLD_GAIN, LEFTS, SIDES, Speaker, fold_matrix
from daw_bridge.rendering.ambience import Decomposition
from daw_bridge.stft import Stft, StreamingForward, StreamingInverse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.speakers import Fold, Speakers
    from daw_bridge.rendering.layout import Layout, Placement

    Shares = NDArray[np.float32]
    """(frames,), 0 … 1, of what is moved"""

_WINDOW_S = 0.09
_HOPS_PER_WINDOW = 4
_CHUNK_FRAMES = 1 << 14
_AVERAGING_S = 0.1
_SHARE_S = 0.05  # how far ahead and behind a share keeps clear of a peak
# A bin's ambience is at least as loud in the fronts, which keep 1 - FOLD_GAIN · gain of it.
_HIGHEST_SURROUND_GAIN = 1 / (1 + FOLD_GAIN)
_FULL_SCALE = 1 - 2**-16  # a margin for rounding
_FRONTS = 2
_PARTS = 3  # what both channels share, the ambience of the left, and of the right


def upmix(blocks: Iterable[Stems], layout: Layout) -> Iterator[StemBlock]:
    """Place stereo stems in a layout, in flat memory; results do not depend on block sizes.

    Args:
        blocks: consecutive blocks of stems, at least one.
        layout: the loudspeakers, and where stems go.

    Yields:
        float32 (stems and rest, channels, frames), whose sum is the upmix. The rest is what the
        stems leave of their mixture; it stays in L and R.

    Raises:
        AudioError: the stems are not stereo.
    """
    blocks = iter(blocks)
    first = next(blocks)
    if (channels := first.mixture.shape[0]) != _FRONTS:
        raise AudioError(f"Only stereo can be mixed up, and this has {channels} channels.")
    rows = (_with_rest(each) for each in chain([first], blocks))
    placed = _place(rows, layout, first.names, first.sample_rate_hz)
    fold = fold_matrix(layout.speakers)
    shares = partial(_shares, fold=fold, reach=round(_SHARE_S * first.sample_rate_hz))
    for each, share in _beside(placed, shares):
        moved = each[:, _FRONTS:] * share
        moved[:, :_FRONTS] = each[:, :_FRONTS] - _fold(fold, moved)
        yield moved


def _with_rest(stems: Stems) -> StemBlock:
    """Return stems and what they leave of the mixture: (stems and rest, channels, frames)."""
    return np.concatenate([stems.samples, stems.residual()[np.newaxis]])


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
    rows: Iterable[StemBlock], layout: Layout, names: tuple[str, ...], sample_rate_hz: int
) -> Iterator[StemBlock]:
    """Yield each stem and what may be moved of it: (stems and rest, 2 + channels, frames)."""
    placements = [layout.placement(name) for name in names]
    low_pass = _Crossover(layout, placements, sample_rate_hz)
    spread = partial(
        _spread, placements=placements, speakers=layout.speakers, sample_rate_hz=sample_rate_hz
    )
    for chunk, moved in _beside(rechunk(rows, _CHUNK_FRAMES), spread):
        yield np.concatenate([chunk, low_pass.add(chunk, moved)], axis=1)


# --- centre and surrounds


def _surround_gain(placement: Placement) -> float:
    """Return what a stem's ambience is multiplied by in the surrounds."""
    return 0 if placement.surround_db is None else 10 ** (placement.surround_db / 20)


def _part_gains(placements: Sequence[Placement], speakers: Speakers) -> NDArray[np.float32]:
    """Return how much of each part of a stem goes to each channel: (stems, channels, parts)."""
    has_both = {Speaker.Ls, Speaker.Lb} <= set(speakers)
    gains = np.zeros((len(placements), len(speakers), _PARTS), np.float32)
    for of_stem, placement in zip(gains, placements, strict=True):
        for of_channel, speaker in zip(of_stem, speakers, strict=True):
            if speaker is Speaker.C:
                of_channel[0] = placement.center / FOLD_GAIN
            elif speaker & (SIDES | BACKS):
                back = placement.back if speaker & BACKS else 1 - placement.back
                of_channel[1 if speaker & LEFTS else 2] = back if has_both else 1
    return gains


def _spread(
    chunks: Iterable[StemBlock],
    *,
    placements: Sequence[Placement],
    speakers: Speakers,
    sample_rate_hz: int,
) -> Iterator[StemBlock]:
    """Yield what goes to centre and surrounds: (stems and rest, channels, frames), and padding."""
    window = 1 << round(math.log2(_WINDOW_S * sample_rate_hz))
    stft = Stft(window, window // _HOPS_PER_WINDOW)
    forward, inverse = StreamingForward(stft), StreamingInverse(stft)
    decomposition = Decomposition(
        smoothing=math.exp(-stft.hop_samples / (_AVERAGING_S * sample_rate_hz)),
        gains=[_surround_gain(each) for each in placements],
        highest=_HIGHEST_SURROUND_GAIN,
    )
    gains = _part_gains(placements, speakers)
    stems, channels, _ = gains.shape
    padding = np.zeros((stems + 1, _FRONTS, stft.window_samples), np.float32)
    for chunk in chain(chunks, [padding]):
        spectra = forward.push(chunk[:-1].reshape(stems * _FRONTS, -1))
        common, ambience = decomposition.push(spectra.reshape(stems, _FRONTS, *spectra.shape[1:]))
        parts = np.concatenate([common[:, np.newaxis], ambience], axis=1)
        signals = inverse.push(parts.reshape(stems * _PARTS, *parts.shape[2:])).reshape(
            stems, _PARTS, -1
        )
        moved = np.zeros((stems + 1, channels, signals.shape[-1]), np.float32)
        moved[:-1] = np.einsum("scp,spn->scn", gains, signals)
        yield moved


# --- LFE


class _Crossover:
    """Makes the LFE: a Linkwitz-Riley filter of fourth order, which is Butterworth's twice."""

    def __init__(
        self, layout: Layout, placements: Sequence[Placement], sample_rate_hz: int
    ) -> None:
        self._lfe = layout.lfe if Speaker.LFE in layout.speakers else None
        if self._lfe:
            self._channel = layout.speakers.index(Speaker.LFE)
            section = butter(2, self._lfe.crossover_hz, fs=sample_rate_hz, output="sos")
            self._filter = np.concatenate([section, section])
            self._state = np.zeros((len(self._filter), len(placements), 2))
            gain = 10 ** (self._lfe.gain_db / 20) / _FRONTS
            self._gains = np.array([[gain * each.lfe] for each in placements])

    def add(self, stereo: StemBlock, moved: StemBlock) -> StemBlock:
        """Add the stems' LFE to what is moved: (stems and rest, channels, frames) all."""
        if self._lfe:
            bass = self._gains * stereo[:-1].sum(axis=1)
            moved[:-1, self._channel], self._state = sosfilt(self._filter, bass, zi=self._state)
        return moved


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
            lowest = minimum_filter1d(signal, 2 * reach + 1)[reach:-reach]
            yield oaconvolve(lowest, window, "valid").astype(np.float32)


def _allowed(placed: StemBlock, fold: Fold) -> Shares:
    """Return the largest share at which no channel is beyond full scale.

    A front is x - share · m. For |x| within the limit T, it is so up to (T + sign(m) x) / |m|.
    """
    total = placed.sum(axis=0)
    fronts, moved = total[:_FRONTS], total[_FRONTS:]
    taken = _fold(fold, moved)
    limits = np.full_like(moved, _FULL_SCALE)
    limits[:_FRONTS] = np.maximum(limits[:_FRONTS], np.abs(fronts)) + np.sign(taken) * fronts
    moved[:_FRONTS] = taken
    moved = np.abs(moved)
    return np.divide(limits, moved, out=np.ones_like(moved), where=moved > limits).min(axis=0)


def _fold(fold: Fold, moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the fold-down of (…, channels, frames): (…, 2, frames)."""
    # Not a matrix product: the threads of a BLAS spin, and take their cores from the network.
    return np.einsum("fc,...cn->...fn", fold, moved)
