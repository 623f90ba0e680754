"""The tempo of a song that keeps it.

The strength of onsets, 100 values a second, is compared with itself: at lags of many beats, where a
hundredth of a beat a minute counts, and with a preference for tempos that people tap (D. P. W.
Ellis, Beat Tracking by Dynamic Programming, 2007).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block

_ONSETS_HZ = 100
_WINDOW_S = 0.046
_SLOWEST_BPM, _FASTEST_BPM = 60.0, 200.0
_USUAL_BPM = 120.0
_OCTAVES = 0.7  # the width of the preference
_NEAR = 0.02
_SMOOTHED = 9  # onsets, so that what lies between two lags can be told
_BEATS, _BEATS_FOR_DETAIL = 16, 64  # of a lag at most
_SHORTEST_S = 4.0
_LEAST_LIKENESS = 0.05
_NEARLY_WHOLE_BPM = 0.05


def estimate_tempo(blocks: Iterable[Block], sample_rate_hz: int) -> float | None:
    """Return the quarter notes a minute of a song: to 0.01, or a whole number that is as near.

    Args:
        blocks: of the song: float32 (channels, frames); drums alone tell it best.
        sample_rate_hz: frames a second.

    Returns:
        None where there is no tempo: too short, too quiet, or without a pulse.
    """
    hop = round(sample_rate_hz / _ONSETS_HZ)
    onsets = np.fromiter(_onsets(blocks, hop, round(sample_rate_hz * _WINDOW_S)), np.float32)
    rate_hz = sample_rate_hz / hop
    if len(onsets) < _SHORTEST_S * rate_hz or not onsets.any():
        return None
    smooth = np.convolve(onsets, np.hanning(_SMOOTHED), "same")
    likeness = _compare_with_itself(smooth - smooth.mean())
    tempos = np.arange(_SLOWEST_BPM, _FASTEST_BPM, 0.01)
    scores = _score(likeness, 60 * rate_hz / tempos, beats=_BEATS)
    usual = np.exp(-0.5 * (np.log2(tempos / _USUAL_BPM) / _OCTAVES) ** 2)
    best = int(np.argmax(scores * usual))
    if scores[best] < _LEAST_LIKENESS:
        return None
    near = tempos[np.abs(tempos / tempos[best] - 1) < _NEAR]
    tempo = near[np.argmax(_score(likeness, 60 * rate_hz / near, beats=_BEATS_FOR_DETAIL))]
    whole = np.rint(tempo)
    is_whole = abs(tempo - whole) < _NEARLY_WHOLE_BPM  # as songs are that follow a click
    return float(whole if is_whole else round(tempo, 2))


def _onsets(blocks: Iterable[Block], hop: int, window: int) -> Iterator[float]:
    """Yield by how much magnitudes grow from one window to the next, all bins together."""
    shape = np.hanning(window).astype(np.float32)
    rest, before = np.zeros(0, np.float32), np.zeros(window // 2 + 1, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block.mean(axis=0)])
        count = max((len(rest) - window) // hop + 1, 0)
        if not count:
            continue
        starts = np.lib.stride_tricks.sliding_window_view(rest, window)[::hop][:count]
        spectra = np.log1p(1000 * np.abs(np.fft.rfft(starts * shape))).astype(np.float32)
        growth = np.diff(spectra, axis=0, prepend=before[np.newaxis])
        yield from np.maximum(growth, 0).sum(axis=1)
        before, rest = spectra[-1], rest[count * hop :]


def _compare_with_itself(onsets: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the autocorrelation, (frames,), of onsets, (frames,), as if they did not end."""
    size = 2 * len(onsets)
    power = np.abs(np.fft.rfft(onsets, size)) ** 2
    raw = np.fft.irfft(power, size)[: len(onsets)]
    overlap = np.arange(len(onsets), 0, -1) / len(onsets)
    return raw / raw[0] / overlap


def _score(
    likeness: NDArray[np.float64], lags: NDArray[np.float64], *, beats: int
) -> NDArray[np.float64]:
    """Return how alike onsets are on average, over 1 to so many beats.

    Args:
        likeness: the autocorrelation, (frames,).
        lags: of a beat at some tempos, (n,).
        beats: of a lag at most.
    """
    longest = len(likeness) // 2
    positions = lags[:, np.newaxis] * np.arange(1, beats + 1)
    within = positions < longest
    values = np.interp(positions, np.arange(longest), likeness[:longest])
    return np.asarray((values * within).sum(axis=1) / np.maximum(within.sum(axis=1), 1))
