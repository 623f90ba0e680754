"""The ``[[members]]`` of a manifest: the models whose consensus an ensemble is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from daw_bridge.library.limits import MAX_STEMS, Weight
from daw_bridge.library.names import ModelName, StemName
from daw_bridge.library.stages import ManifestTable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

Rule: TypeAlias = Literal["mean", "median", "median-spectrum", "max-magnitude", "min-magnitude"]
"""What becomes of several versions of a stem: two rules for samples, three for spectra."""
_Weights = Annotated[dict[StemName, Weight], msgspec.Meta(max_length=MAX_STEMS)]


class Member(ManifestTable, frozen=True, kw_only=True):
    """A model whose stems count ``weight`` times, or each its own number of times.

    Stems of the ensemble that the model does not make count for nothing.
    """

    model: ModelName
    weight: Weight | _Weights = 1.0

    def weight_of(self, stem: str) -> float:
        """Return how often a stem of the model counts; one that is not named does not."""
        return self.weight.get(stem, 0) if isinstance(self.weight, dict) else self.weight

    def votes(self, stems: Sequence[str], made: Collection[str]) -> dict[str, float]:
        """Return the weights of those of an ensemble's stems that the model has a say in.

        Args:
            stems: the ensemble's.
            made: what the model makes.
        """
        weights = {stem: self.weight_of(stem) for stem in stems if stem in made}
        return {stem: weight for stem, weight in weights.items() if weight}

    def check(self, stems: Sequence[str], rule: Rule) -> None:
        """Check that weights are of stems, and that only a mean has others than 0 and 1.

        Raises:
            ValueError: it is not so; the message is a sentence without its stop.
        """
        named = self.weight if isinstance(self.weight, dict) else {}
        if unknown := [stem for stem in named if stem not in stems]:
            raise ValueError(f"{self.model} has a weight for '{unknown[0]}', which is no stem")
        if rule != "mean" and {self.weight_of(stem) for stem in stems} - {0, 1}:
            raise ValueError(
                f"'{rule}' counts all alike, so that weights are 0 or 1, but those of {self.model}"
                " are others"
            )
