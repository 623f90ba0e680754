"""A model with a network of its own, run over a signal.

    cut │ STFT → network │ cross-fade → mask → inverse STFT → resample → last stem
        │ worker threads │ the caller's thread

A network that gives signals goes without the transforms and the mask.

A bounded number of segments is under way, so the stages overlap in time and memory does not grow
with the length of the signal. What a segment is never depends on how the signal came in, so results
are the same to the bit for any block size.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import wait
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, starmap, tee
from typing import TYPE_CHECKING, Any, Protocol

from daw_bridge.separation.framing import cut_segments
from daw_bridge.separation.network import runs_alone
from daw_bridge.separation.synthesis import Synthesis
from daw_bridge.separation.voting import Ballot, combine

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Executor, Future

    from daw_bridge.audio import Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.framing import Segment
    from daw_bridge.separation.network import Device
    from daw_bridge.separation.options import Plan
    from daw_bridge.separation.synthesis import Estimate, Estimator

    Reread = Callable[[], Iterable[Block]]


class Model(Protocol):
    """A model that is ready to run: one network, or other models as one."""

    @property
    def manifest(self) -> ModelManifest:
        """What is known of it."""
        ...

    @property
    def provider(self) -> str:
        """Where its networks really run: a name of :mod:`~daw_bridge.separation.providers`."""
        ...

    def run(
        self, plan: Plan, blocks: Iterable[Block], reread: Reread
    ) -> Generator[Stems, None, None]:
        """Separate a signal of any length, block by block, in flat memory.

        Args:
            plan: the model's.
            blocks: (channels, frames) each, of as many channels as the plan says. None is taken
                before this returns, as a file cannot be read at two places at once.
            reread: gives the same blocks once more, which takes time: for networks that must know
                something of all the signal first. It is done with when this returns.

        Returns:
            the stems that the plan gives, together as long as the signal, which is their mixture.
        """
        ...


@dataclass(frozen=True)
class PlainModel:
    """A model that is made of no other that runs by itself.

    Attributes:
        manifest: what is known of it.
        device: where its networks run.
        estimator: plan → how they are run on one signal.
        workers: the threads that they run in.
        survey: plan, signal → the largest magnitude in it, for networks that depend on it.
    """

    manifest: ModelManifest
    device: Device
    estimator: Callable[[Plan], Estimator[Any]]
    workers: Executor
    survey: Callable[[Plan, Iterable[Block]], float] | None = None

    @property
    def provider(self) -> str:
        """Where its networks really run."""
        return self.device.provider

    def run(
        self, plan: Plan, blocks: Iterable[Block], reread: Reread
    ) -> Generator[Stems, None, None]:
        """Separate a signal, as often as there are shifts, and give the mean."""
        if self.survey:
            plan = replace(plan, loudest=self.survey(plan, reread()))
        shifts = plan.options.shifts
        if shifts == 1:
            return self._run(plan, blocks)
        weights = dict.fromkeys(plan.made_names, 1.0)
        ballots = [
            Ballot(self._run(plan.delayed(turn), signal), weights)
            for turn, signal in enumerate(tee(blocks, shifts))
        ]
        return combine(ballots, plan, "mean")

    def _run(self, plan: Plan, blocks: Iterable[Block]) -> Generator[Stems, None, None]:
        """Separate a signal once."""
        estimator = self.estimator(plan)
        segments = cut_segments(blocks, plan, estimator.cut)
        with closing(self._estimate_ahead(estimator, segments)) as estimated:
            # A loop variable would keep a segment's estimate while the next are waited for.
            yield from chain.from_iterable(starmap(Synthesis(plan, estimator).push, estimated))

    def _estimate_ahead(
        self, estimator: Estimator[Estimate], segments: Iterable[Segment]
    ) -> Generator[tuple[Segment, Estimate], None, None]:
        """Yield segments and what the network makes of them while it is busy with the next."""
        under_way: deque[tuple[Segment, Future[Estimate]]] = deque()
        try:
            for segment in segments:
                is_alone = segment.last and not under_way
                future = self.workers.submit(_estimate, estimator, segment, is_alone=is_alone)
                under_way.append((segment, future))
                if len(under_way) >= self.device.concurrent_runs:
                    yield _result(*under_way.popleft())
            while under_way:
                yield _result(*under_way.popleft())
        finally:
            futures = [future for _, future in under_way]
            for future in futures:
                future.cancel()
            wait(futures)


def _estimate(estimator: Estimator[Estimate], segment: Segment, *, is_alone: bool) -> Estimate:
    runs_alone.set(is_alone)
    return estimator.estimate(segment)


def _result(segment: Segment, future: Future[Estimate]) -> tuple[Segment, Estimate]:
    return segment, future.result()
