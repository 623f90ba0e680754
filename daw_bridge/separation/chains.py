"""Models that split each other's parts, as signals."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import tee
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.audio import Stems
from daw_bridge.library.stages import MIXTURE
from daw_bridge.separation.alignment import Outlet, in_step
from daw_bridge.separation.providers import join_providers

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Sequence

    from daw_bridge.files.blocks import Block
    from daw_bridge.library.chains import ChainStage
    from daw_bridge.library.manifest import ChainModel
    from daw_bridge.separation.models import Model, Reread
    from daw_bridge.separation.options import Plan


class Chain:
    """Runs the stages of a chain, each on what an earlier one gives.

    A stage asks the one above for more when it needs more, so that none is further ahead than what
    the stages below it see at once.

    Args:
        manifest: the chain's.
        models: those of its stages.
    """

    def __init__(self, manifest: ChainModel, models: Sequence[Model]) -> None:
        self.manifest = manifest
        self.provider = join_providers(model.provider for model in models)
        self._models = models

    def run(
        self, plan: Plan, blocks: Iterable[Block], reread: Reread
    ) -> Generator[Stems, None, None]:
        """Run the stages that the stems of a plan need, and give these."""
        line = self.manifest.tree.line
        needed = {part for name in plan.names for part in line(name)}
        stages = [
            (stage, model)
            for stage, model in zip(self.manifest.stages, self._models, strict=True)
            if needed.intersection(stage.parts)
        ]
        signals = {MIXTURE: iter(blocks)}
        split = {stage.of for stage, _ in stages}
        outlets, runs = [], []
        for stage, model in stages:
            again = reread if stage.of == MIXTURE else partial(self._reread, plan, stage.of, reread)
            stage_plan = _plan_of(stage, model, plan, needed)
            runs.append(_split(stage, model, stage_plan, signals.pop(stage.of), again))
            given = tuple(part for part in stage.parts if part in plan.names)
            below = [part for part in stage.parts if part in split]
            is_outlet = bool(given) or stage.of == MIXTURE
            copies = iter(tee(runs[-1], len(below) + is_outlet))
            if is_outlet:
                outlets.append(Outlet(next(copies), given))
            signals |= {part: _signal(copy, part) for part, copy in zip(below, copies, strict=True)}
        return _join(plan, outlets, runs)

    def _reread(self, plan: Plan, part: str, reread: Reread) -> Iterator[Block]:
        """Make a part once more, by the stages that it needs: (channels, frames) each."""
        plan = replace(plan, given=(plan.stems.index(part),))
        with closing(self.run(plan, reread(), reread)) as run:
            for block in run:
                yield block.samples[0]


def _plan_of(stage: ChainStage, model: Model, plan: Plan, needed: Collection[str]) -> Plan:
    """Return the plan of a stage, whose stems are its parts."""
    is_exact = plan.is_exact and stage.last_is_rest
    return replace(
        plan,
        stems=stage.parts,
        given=tuple(i for i, part in enumerate(stage.parts) if part in needed),
        is_exact=is_exact,
        last_is_rest=is_exact or len(stage.taken(model.manifest.stems)) < len(stage.parts),
    )


def _split(
    stage: ChainStage, model: Model, plan: Plan, blocks: Iterable[Block], reread: Reread
) -> Generator[Stems, None, None]:
    """Return the parts of one stage that its plan gives."""
    taken = stage.taken(model.manifest.stems)
    stems = tuple(taken[index] for index in plan.made)
    run = model.run(plan.below(model.manifest, stems), blocks, reread)
    return _rename(run, stems, plan)


def _rename(
    run: Generator[Stems, None, None], stems: tuple[str, ...], plan: Plan
) -> Generator[Stems, None, None]:
    """Yield the parts that a plan gives, as stems of a model make them."""
    with closing(run):
        for block in run:
            order = [block.names.index(stem) for stem in stems]
            yield plan.complete(block.samples[order], block.mixture)


def _join(
    plan: Plan, outlets: Sequence[Outlet], runs: Iterable[Generator[Stems, None, None]]
) -> Generator[Stems, None, None]:
    """Yield the stems of a plan as they come out; the first outlet is the mixture's."""
    names = [name for outlet in outlets for name in outlet.names]
    order = [names.index(name) for name in plan.names]
    with ExitStack() as cleanup:
        for run in runs:
            cleanup.enter_context(closing(run))
        for given, mixture in in_step(outlets, plan.channels):
            yield Stems(plan.names, np.concatenate(given)[order], mixture, plan.source_hz)


def _signal(run: Iterable[Stems], part: str) -> Iterator[Block]:
    """Yield one of the parts of a stage, (channels, frames)."""
    return (block.samples[block.names.index(part)] for block in run)
