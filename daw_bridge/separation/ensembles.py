"""What several separations of one signal agree on.

S. Uhlich et al., "Improving music source separation based on deep neural networks through data
augmentation and network blending", ICASSP 2017.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.files.blocks import Fifo

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.library.members import Rule
    from daw_bridge.separation.options import Plan

    Weights = NDArray[np.float32]
    """(runs, stems)"""


def combine(
    runs: Sequence[Generator[Stems, None, None]], plan: Plan, rule: Rule, weights: Weights
) -> Generator[Stems, None, None]:
    """Yield what several separations of one signal agree on, block by block.

    Args:
        runs: blocks of the stems that the plan makes, in any order; all runs are equally long.
        plan: the consensus'.
        rule: ``mean``, weighted, or ``median``.
        weights: how much each run counts for each stem that the plan makes, (runs, stems).
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
