"""BSS Eval version 4: how near an estimate is to its source, and how its error is made up.

An estimate is projected on its source and on all sources, each delayed by up to 511 samples:

    estimate = source + spatial distortion + interference + artifacts

    SDR  source / all that is not it            ISR  source / spatial distortion
    SIR  what is of the source / interference   SAR  what is of any source / artifacts

Energy ratios after E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio
source separation", IEEE TASLP 14(4), 2006, for images of sources as in E. Vincent et al., "First
stereo audio source separation evaluation campaign", ICA 2007. Version 4 is that of F.-R. Stöter,
A. Liutkus, N. Ito, "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018: filters are
those of the whole song, energies those of seconds.

The figures are those of museval, the reference implementation; a test compares them. Here, what
depends on the sources alone is computed once for all sets of estimates, and by Parseval's theorem
energies are taken of spectra, so that projections need no inverse transform.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daw_bridge.fft import fast_size, irfft, rfft

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from daw_bridge.files.blocks import Block

    Decibels: TypeAlias = NDArray[np.float64]
    """(…), of the energies' shape"""
    Spectra: TypeAlias = NDArray[np.complex128]
    """(…, channels, bins)"""

Sources: TypeAlias = NDArray[np.float32]
"""(sources, channels, frames)"""

TAPS = 512
"""Length of the filters that are forgiven as spatial distortion."""

WINDOW_S = 1.0
"""Length of what is scored on its own; windows do not overlap."""

_RIDGE = 1e-14
_SIR = 2


@dataclass(frozen=True)
class Figures:
    """What an estimate scores, in dB; NaN where it cannot be said.

    Attributes:
        sdr_db: signal to distortion, the median over windows.
        isr_db: image to spatial distortion, likewise.
        sir_db: signal to interference, likewise.
        sar_db: signal to artifacts, likewise.
        song_sdr_db: signal to distortion of the whole song at once.
    """

    sdr_db: float
    isr_db: float
    sir_db: float
    sar_db: float
    song_sdr_db: float


@dataclass(frozen=True)
class Scores:
    """What an estimate of one source of one song scores.

    Attributes:
        figures: of the song.
        sdr_windows_db: signal to distortion of each second.
    """

    figures: Figures
    sdr_windows_db: tuple[float, ...]


def score(
    references: Sources, estimates: Sequence[Sources], sample_rate_hz: int
) -> list[list[Scores]]:
    """Score several sets of estimates of the same sources.

    Args:
        references: float32 (sources, channels, frames); none may be silent throughout.
        estimates: sets of as many estimates, each of the same shape.
        sample_rate_hz: frames a second.

    Returns:
        for each set the scores of each source.
    """
    ratios = bss_eval(references, estimates, round(WINDOW_S * sample_rate_hz))
    return [
        list(map(_score, references, each, ratios_of_set))
        for each, ratios_of_set in zip(estimates, ratios, strict=True)
    ]


def _score(reference: Block, estimate: Block, ratios_db: Decibels) -> Scores:
    """Score one estimate, of which SDR, ISR, SIR and SAR of windows are (4, windows)."""
    sdr_db, isr_db, sir_db, sar_db = map(_median, ratios_db)
    return Scores(
        Figures(sdr_db, isr_db, sir_db, sar_db, song_sdr_db(reference, estimate)),
        tuple(ratios_db[0].tolist()),
    )


def median_figures(figures: Iterable[Figures]) -> Figures:
    """Return the median of each figure over songs, of those where it is a number."""
    return Figures(*map(_median, np.array([astuple(each) for each in figures]).reshape(-1, 5).T))


def song_sdr_db(reference: Block, estimate: Block) -> float:
    """Return the signal-to-distortion ratio of a whole song; NaN for a silent reference.

    Source: Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Signal Processing 1,
    2022, equation 1.
    """
    signal, distortion = (
        np.sum(np.square(each, dtype=np.float64)) for each in (reference, reference - estimate)
    )
    return float(_db(signal, distortion)) if signal else np.nan


def bss_eval(
    references: Sources, estimates: Sequence[Sources], window_frames: int
) -> NDArray[np.float64]:
    """Return SDR, ISR, SIR and SAR, in dB: float64 (sets, sources, 4, windows).

    Frames after the last whole window count for the filters alone. A window in which a
    source or an estimate is silent has NaN for all of its set, as in museval; so has the SIR of a
    source that is on its own.
    """
    sources, _, frames = references.shape
    window_frames = min(window_frames, frames)
    windows = _Windows(references, estimates, window_frames)
    projections = _Projections.onto(windows)
    count = frames // window_frames
    ratios = np.full((len(estimates), sources, 4, count), np.nan)
    for number in range(count):
        truth, guesses = windows.spectra(number)
        measured = _ratios_db(truth, guesses, *projections.of(truth), weights=windows.weights)
        heard = windows.are_heard(number)
        ratios[heard, ..., number] = measured[heard]
    if sources == 1:
        ratios[:, :, _SIR] = np.nan
    return ratios


class _Windows:
    """References and estimates, cut and transformed.

    Args:
        references: float32 (sources, channels, frames).
        estimates: sets of the same shape.
        window_frames: length of a window.
    """

    def __init__(
        self, references: Sources, estimates: Sequence[Sources], window_frames: int
    ) -> None:
        self.sets = len(estimates)
        self.sources, self.channels, self.frames = references.shape
        self._references = references
        self._estimates = estimates
        self._window_frames = window_frames
        self.size: int = fast_size(window_frames + TAPS - 1)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How often each bin of half a spectrum is in the whole: (bins,)."""
        weights = np.full(self.size // 2 + 1, 2.0)
        weights[0] = 1
        if self.size % 2 == 0:
            weights[-1] = 1
        return weights

    def spectra(self, number: int) -> tuple[Spectra, Spectra]:
        """Return (sources, channels, bins), and (sets, sources, channels, bins) of estimates."""
        references, estimates = self._cut(number)
        return self.transform(references), self.transform(estimates)

    def are_heard(self, number: int) -> NDArray[np.bool_]:
        """Return for which sets neither a source nor an estimate is silent: (sets,)."""
        references, estimates = self._cut(number)
        heard: NDArray[np.bool_] = np.all(estimates.any(axis=(-2, -1)), axis=-1)
        return heard & references.any(axis=(-2, -1)).all()

    def correlations(self) -> NDArray[np.float64]:
        """Correlate channels of references with those of references and of estimates.

        Returns:
            float64 (rows of references, rows of references and estimates, TAPS): the products of
            each reference, delayed by 0 … TAPS - 1 frames, with each signal. Rows are the channels
            of one source after the other.
        """
        rows = self.sources * self.channels
        sums = np.zeros((rows, rows * (1 + self.sets), len(self.weights)), np.complex128)
        for number in range(-(-self.frames // self._window_frames)):
            delayed = self.transform(self._cut(number)[0]).reshape(rows, -1)
            signals = np.concatenate(
                [
                    self.transform(part).reshape(-1, delayed.shape[1])
                    for part in self._cut(number, more_frames=TAPS - 1)
                ]
            )
            for row, spectrum in enumerate(delayed.conj()):  # all at once would be large
                sums[row] += spectrum * signals
        return np.stack([irfft(row, self.size)[:, :TAPS] for row in sums])

    def transform(self, samples: NDArray[np.floating]) -> Spectra:
        """Transform signals (…, frames) of up to a window and its echoes: (…, bins)."""
        spectra: Spectra = rfft(samples.astype(np.float64), self.size)
        return spectra

    def _cut(self, number: int, *, more_frames: int = 0) -> tuple[Sources, Sources]:
        """Return a window of references and of all estimates, (sets, sources, channels, frames).

        ``more_frames`` that follow it are in both.
        """
        start = number * self._window_frames
        part = slice(start, start + self._window_frames + more_frames)
        return (
            self._references[..., part],
            np.stack([estimates[..., part] for estimates in self._estimates]),
        )


@dataclass(frozen=True)
class _Projections:
    """Filters that bring sources as near to estimates as can be, as spectra.

    Attributes:
        own: of each source alone: (sources, channels, sets, channels of the estimate, bins).
        all: of all sources: (sources, channels, sets, sources, channels of the estimate, bins).
    """

    own: Spectra
    all: Spectra

    @classmethod
    def onto(cls, windows: _Windows) -> _Projections:
        """Find the filters for all estimates."""
        correlations = windows.correlations()
        sets, sources, channels = windows.sets, windows.sources, windows.channels
        rows = np.arange(sources * channels).reshape(sources, channels)
        targets = rows.size + np.arange(sets * rows.size).reshape(sets, sources, channels)
        own = [
            _solve(correlations, rows[source], targets[:, source].ravel())
            for source in range(sources)
        ]
        joint = _solve(correlations, rows.ravel(), targets.ravel())
        return cls(
            windows.transform(np.stack(own)).reshape(sources, channels, sets, channels, -1),
            windows.transform(joint).reshape(sources, channels, sets, sources, channels, -1),
        )

    def of(self, truth: Spectra) -> tuple[Spectra, Spectra]:
        """Project on each source (sources, channels, bins) alone, and on all of them.

        Returns:
            (sets, sources, channels, bins) each.
        """
        return (
            np.einsum("jasbf,jaf->sjbf", self.own, truth),
            np.einsum("iasjbf,iaf->sjbf", self.all, truth),
        )


def _solve(
    correlations: NDArray[np.float64], rows: NDArray[np.intp], targets: NDArray[np.intp]
) -> NDArray[np.floating]:
    """Return the filters that bring delayed references nearest to targets, by least squares.

    Args:
        correlations: as :meth:`_Windows.correlations` gives them.
        rows: which references to filter, by number: (rows,).
        targets: which signals to come near, by number: (targets,).

    Returns:
        float64 (rows, targets, TAPS).
    """
    from scipy.linalg import toeplitz  # slow to load

    gram = np.block(
        [[toeplitz(correlations[a, b], correlations[b, a]) for b in rows] for a in rows]
    )
    # Equal or silent channels, as of mono in stereo, have many solutions that all sound the same.
    gram[np.diag_indices_from(gram)] += _RIDGE * gram.max()
    moments = correlations[np.ix_(rows, targets)].transpose(0, 2, 1).reshape(len(gram), -1)
    filters = np.linalg.solve(gram, moments)
    return filters.reshape(len(rows), TAPS, -1).transpose(0, 2, 1)


def _ratios_db(
    truth: Spectra, guesses: Spectra, own: Spectra, joint: Spectra, *, weights: NDArray[np.float64]
) -> Decibels:
    """Return SDR, ISR, SIR and SAR of a window, in dB: (sets, sources, 4).

    Args:
        truth: the sources, (sources, channels, bins).
        guesses: the estimates, (sets, sources, channels, bins).
        own: projections on each source alone, of the estimates' shape.
        joint: projections on all sources, of the estimates' shape.
        weights: of bins, (bins,).
    """

    def energy(spectra: Spectra) -> NDArray[np.float64]:
        """Return the energy of all (…, channels, bins): (…)."""
        power = np.square(spectra.real) + np.square(spectra.imag)
        return np.einsum("...cf,f->...", power, weights)

    source = energy(truth)
    ratios: Decibels = np.stack(
        [
            _db(source, energy(guesses - truth)),
            _db(source, energy(own - truth)),
            _db(energy(own), energy(joint - own)),
            _db(energy(joint), energy(guesses - joint)),
        ],
        axis=-1,
    )
    return ratios


def _db(signal: NDArray[np.float64], distortion: NDArray[np.float64]) -> Decibels:
    """Return the ratio of energies (…) in dB."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios: Decibels = 10 * np.log10(signal / distortion)
    return ratios


def _median(values: NDArray[np.float64]) -> float:
    """Return the median of those of (windows or songs,) that are numbers; NaN where none is."""
    numbers = values[~np.isnan(values)]
    return float(np.median(numbers)) if len(numbers) else np.nan
