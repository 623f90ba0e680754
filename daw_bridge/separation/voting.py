"""What several separations of one signal agree on.

S. Uhlich et al., "Improving music source separation based on deep neural networks through data
augmentation and network blending", ICASSP 2017.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from daw_bridge.files.blocks import Fifo
from daw_bridge.separation.alignment import Outlet, in_step
from daw_bridge.stft import Stft, StreamingForward, StreamingInverse

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.library.members import Rule
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Spectra

    Versions = NDArray[np.float32]
    """Of one stem: (voters, channels, frames)"""
    VersionSpectra = NDArray[np.complex64]
    """Of one stem: (voters, channels, time_frames, bins)"""

_STFT = Stft(window_samples=2048, hop_samples=1024)  # what tools that merge stems' files use
_FRAMES_AT_A_TIME = 32 * _STFT.hop_samples  # so that stems do not depend on the size of blocks


class Ballot(NamedTuple):
    """One separation, and how much its version of each stem counts."""

    run: Generator[Stems, None, None]
    weights: Mapping[str, float]


class Vote(Protocol):
    """How versions of one stem become one, block by block."""

    def push(self, versions: Versions) -> Block:
        """Take versions, (voters, channels, frames), and return what is decided by now."""
        ...

    def flush(self) -> Block:
        """Return what is left when all has come: float32 (channels, frames)."""
        ...


def combine(ballots: Sequence[Ballot], plan: Plan, rule: Rule) -> Generator[Stems, None, None]:
    """Yield what several separations of one signal agree on, block by block.

    Args:
        ballots: equally long; for each stem that the plan makes, at least one has a weight.
        plan: the consensus'.
        rule: what versions of a stem become; only a mean heeds how large weights are.
    """
    waiting = Fifo(np.empty((plan.channels, 0), np.float32))
    votes = [_open_vote(stem, ballots, rule, plan.channels) for stem in plan.made_names]
    with ExitStack() as cleanup:
        for ballot in ballots:
            cleanup.enter_context(closing(ballot.run))
        for versions, mixture in _versions(ballots, plan):
            waiting.push(mixture)
            made = np.stack([vote.push(each) for vote, each in zip(votes, versions, strict=True)])
            yield plan.complete(made, waiting.take(made.shape[-1]))
        if waiting.frames:
            made = np.stack([vote.flush() for vote in votes])
            yield plan.complete(made, waiting.take(waiting.frames))


def _versions(ballots: Sequence[Ballot], plan: Plan) -> Iterator[tuple[list[Versions], Block]]:
    """Yield the versions of each stem that the plan makes, and the mixture, as they come."""
    outlets = [Outlet(ballot.run, tuple(ballot.weights)) for ballot in ballots]
    for given, mixture in in_step(outlets, plan.channels):
        versions = [
            [
                stems[outlet.names.index(stem)]
                for outlet, stems in zip(outlets, given, strict=True)
                if stem in outlet.names
            ]
            for stem in plan.made_names
        ]
        yield list(map(np.stack, versions)), mixture


def _open_vote(stem: str, ballots: Sequence[Ballot], rule: Rule, channels: int) -> Vote:
    """Return how those that have a weight for a stem vote on it."""
    weights = [ballot.weights[stem] for ballot in ballots if stem in ballot.weights]
    match rule:
        case "mean":
            shares = np.array(weights, np.float32) / np.float32(sum(weights))
            return _SampleVote(lambda versions: np.einsum("v,vcf->cf", shares, versions), channels)
        case "median":
            return _SampleVote(lambda versions: np.median(versions, axis=0), channels)
        case "median-spectrum":
            return _SpectrumVote(_median, len(weights), channels)
        case "max-magnitude":
            return _SpectrumVote(_loudest, len(weights), channels)
        case "min-magnitude":
            return _SpectrumVote(_quietest, len(weights), channels)


class _SampleVote:
    """Decides on each sample: (voters, channels, frames) → (channels, frames)."""

    def __init__(self, decide: Callable[[Versions], Block], channels: int) -> None:
        self._decide = decide
        self._nothing = np.empty((channels, 0), np.float32)

    def push(self, versions: Versions) -> Block:
        return self._decide(versions)

    def flush(self) -> Block:
        return self._nothing


class _SpectrumVote:
    """Decides on each bin: (voters, channels, frames) → (channels, frames), some frames later."""

    def __init__(
        self, decide: Callable[[VersionSpectra], Spectra], voters: int, channels: int
    ) -> None:
        self._decide = decide
        self._shape = (voters, channels)
        self._waiting = Fifo(np.empty((voters, channels, 0), np.float32))
        self._owed_frames = 0
        self._forward = StreamingForward(_STFT)
        self._inverse = StreamingInverse(_STFT)

    def push(self, versions: Versions) -> Block:
        """Take versions, (voters, channels, frames), and return what whole frames decide by now."""
        self._waiting.push(versions)
        self._owed_frames += versions.shape[-1]
        made = [np.empty((self._shape[1], 0), np.float32)]
        while self._waiting.frames >= _FRAMES_AT_A_TIME:
            made.append(self._transform(self._waiting.take(_FRAMES_AT_A_TIME)))
        decided = np.concatenate(made, axis=1)
        self._owed_frames -= decided.shape[1]
        return decided

    def flush(self) -> Block:
        """Return what is left when all has come: (channels, frames)."""
        rest = self._waiting.take(self._waiting.frames)
        silence = -rest.shape[-1] % _STFT.hop_samples + _STFT.overlap_samples
        padded = np.pad(rest, ((0, 0), (0, 0), (0, silence)))
        return self._transform(padded)[:, : self._owed_frames]

    def _transform(self, versions: Versions) -> Block:
        spectra = self._forward.push(versions.reshape(-1, versions.shape[-1]))
        decided = self._decide(spectra.reshape(*self._shape, *spectra.shape[1:]))
        return self._inverse.push(decided)


def _median(spectra: VersionSpectra) -> Spectra:
    """Return the medians of real and of imaginary parts: complex64 (channels, …)."""
    medians: Spectra = np.median(spectra.view(np.float32), axis=0).view(np.complex64)
    return medians


def _loudest(spectra: VersionSpectra) -> Spectra:
    """Return in each bin what has the largest magnitude: complex64 (channels, …)."""
    return _pick(spectra, np.abs(spectra).argmax(axis=0))


def _quietest(spectra: VersionSpectra) -> Spectra:
    """Return in each bin what has the smallest magnitude: complex64 (channels, …)."""
    return _pick(spectra, np.abs(spectra).argmin(axis=0))


def _pick(spectra: VersionSpectra, voter: NDArray[np.intp]) -> Spectra:
    """Return the version of each bin that (channels, time_frames, bins) voters have."""
    return np.take_along_axis(spectra, voter[np.newaxis], axis=0)[0]
