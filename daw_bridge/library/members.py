"""The ``[[members]]`` of a manifest: the models whose consensus an ensemble is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from daw_bridge.library.limits import MAX_STEMS, Weight
from daw_bridge.library.names import ModelName, StemName
from daw_bridge.library.stages import ManifestTable

if TYPE_CHECKING:
    from collections.abc import Sequence

Rule: TypeAlias = Literal["mean", "median"]
_Weights = Annotated[dict[StemName, Weight], msgspec.Meta(max_length=MAX_STEMS)]


class Member(ManifestTable, frozen=True, kw_only=True):
    """A model whose stems count ``weight`` times, or each its own number of times."""

    model: ModelName
    weight: Weight | _Weights = 1.0

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
