"""Several models as one whose stems are what theirs agree on."""

from __future__ import annotations

from itertools import tee
from typing import TYPE_CHECKING

from daw_bridge.separation.providers import join_providers
from daw_bridge.separation.voting import Ballot, combine

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from daw_bridge.audio import Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.library.manifest import EnsembleModel
    from daw_bridge.separation.models import Model, Reread
    from daw_bridge.separation.options import Plan


class Ensemble:
    """Runs the members of an ensemble side by side.

    Args:
        manifest: the ensemble's.
        models: its members.
    """

    def __init__(self, manifest: EnsembleModel, models: Sequence[Model]) -> None:
        self.manifest = manifest
        self.provider = join_providers(model.provider for model in models)
        self._models = models

    def run(
        self, plan: Plan, blocks: Iterable[Block], reread: Reread
    ) -> Generator[Stems, None, None]:
        """Run the members that have a say in the stems of a plan, and give what they agree on."""
        votes = [
            member.votes(plan.made_names, model.manifest.parts)
            for member, model in zip(self.manifest.members, self._models, strict=True)
        ]
        signals = iter(tee(blocks, sum(map(bool, votes))))
        ballots = []
        for model, weights in zip(self._models, votes, strict=True):
            if weights:
                plan_of_member = plan.below(model.manifest, tuple(weights))
                run = model.run(plan_of_member, next(signals), reread)
                ballots.append(Ballot(run, weights))
        return combine(ballots, plan, self.manifest.consensus)
