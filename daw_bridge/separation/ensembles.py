"""The ``[[members]]`` of a manifest: a model that is the consensus of others.

S. Uhlich et al., "Improving music source separation based on deep neural networks through data
augmentation and network blending", ICASSP 2017.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec
import numpy as np

from daw_bridge.files.blocks import Fifo
from daw_bridge.separation.stages import Table

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.separation.options import Plan

    Weights = NDArray[np.float32]
    """(runs, stems)"""

Rule: TypeAlias = Literal["mean", "median"]
_Weight = Annotated[float, msgspec.Meta(ge=0)]


class Member(Table, frozen=True, kw_only=True):
    """A model whose stems count ``weight`` times, or each its own number of times."""

    model: str
    weight: _Weight | dict[str, _Weight] = 1.0

    def weight_of(self, stem: str) -> float:
        """Return how often a stem of the model counts; one that is not named does not."""
        return self.weight.get(stem, 0) if isinstance(self.weight, dict) else self.weight


def check_members(members: Sequence[Member], stems: Sequence[str], rule: Rule) -> None:
    """Check that each stem comes from a member, and that a median is not of weights.

    Raises:
        ValueError: it is not so; the message is a sentence without its stop.
    """
    for member in members:
        named = member.weight if isinstance(member.weight, dict) else {}
        if unknown := [stem for stem in named if stem not in stems]:
            raise ValueError(f"{member.model} has a weight for '{unknown[0]}', which is no stem")
        if rule == "median" and member.weight != 1:
            raise ValueError(f"a median counts all alike, but {member.model} has a weight")
    for stem in stems:
        if not any(member.weight_of(stem) for member in members):
            raise ValueError(f"no member has a weight for '{stem}'")


def combine(
    runs: Sequence[Generator[Stems, None, None]], plan: Plan, rule: Rule, weights: Weights
) -> Generator[Stems, None, None]:
    """Yield what several separations of one signal agree on, block by block.

    Args:
        runs: blocks of the stems that the plan makes, in any order; all runs are equally long.
        plan: the consensus'.
        rule: ``mean``, weighted, or ``median``.
        weights: how much each run counts for each stem that the plan makes.
    """
    shares = weights / weights.sum(axis=0)
    with ExitStack() as cleanup:
        for run in runs:
            cleanup.enter_context(closing(run))
        for votes, mixture in _in_step(runs, plan):
            if rule == "median":
                made: StemBlock = np.median(votes, axis=0)
            else:
                made = np.einsum("rs,rscf->scf", shares, votes)
            yield plan.complete(made, mixture)


def _in_step(
    runs: Sequence[Iterator[Stems]], plan: Plan
) -> Iterator[tuple[NDArray[np.float32], Block]]:
    """Yield (runs, stems, channels, frames) and the mixture as soon as all runs have given them."""
    queues = [Fifo(np.empty((len(plan.made), plan.channels, 0), np.float32)) for _ in runs]
    mixture = Fifo(np.empty((plan.channels, 0), np.float32))
    while True:
        behind = min(range(len(runs)), key=lambda run: queues[run].frames)
        stems = next(runs[behind], None)
        if stems is None:
            return
        order = [stems.names.index(plan.stems[index]) for index in plan.made]
        queues[behind].push(stems.samples[order])
        if behind == 0:
            mixture.push(stems.mixture)
        frames = min(queue.frames for queue in queues)
        if frames:
            yield np.stack([queue.take(frames) for queue in queues]), mixture.take(frames)
