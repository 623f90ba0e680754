"""Which model makes the stems that are asked for, and how long that will take on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daw_bridge.errors import ModelError
from daw_bridge.library.catalogue import load_published
from daw_bridge.library.costs import Conditions, find_cost, read_costs, typical_cost
from daw_bridge.library.ladder import Candidate, Wishes, choose
from daw_bridge.library.manifest import PublishedModel
from daw_bridge.library.models import load_components, load_manifest, load_manifests
from daw_bridge.weights.installing import are_fetched

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from daw_bridge.library.costs import Cost
    from daw_bridge.library.ladder import Choice
    from daw_bridge.library.manifest import ModelManifest

WORTH_SAYING_S = 20.0
_WORTH_OFFERING = 0.5
"""Of the time that the chosen model takes."""


@dataclass(frozen=True)
class Forecast:
    """How long a separation will take.

    Attributes:
        model: its name.
        seconds: by what was measured; None: it was never measured on this machine.
        cheaper: a model that makes the same stems in half of the time or less; empty: there is
            none, or it is not worth saying.
        cheaper_seconds: how long that would take.
    """

    model: str
    seconds: float | None = None
    cheaper: str = ""
    cheaper_seconds: float | None = None


def choose_model(wishes: Wishes, conditions: Conditions) -> Choice:
    """Return the model of the library that wishes ask for.

    Raises:
        ModelError: none makes the stems, or none that does is allowed.
    """
    return choose(wishes, find_candidates(conditions))


def find_candidates(conditions: Conditions) -> list[Candidate]:
    """Return the models of the library and of the catalogue, with what they cost."""
    costs = read_costs()
    manifests = (*load_manifests(), *load_published())
    return [_candidate(manifest, costs, conditions) for manifest in manifests]


def find_here(names: Collection[str] = ()) -> list[str]:
    """Return the names of the models that are on this machine, or those of some that must be.

    Raises:
        ModelError: one is not on this machine, or there is none of this name.
    """
    here = [each.name for each in find_candidates(Conditions()) if each.is_here]
    for name in names:
        if name not in here:
            raise ModelError(
                f"{load_manifest(name).name} is not on this machine: stemtool models pull {name}"
                " fetches it."
            )
    return list(dict.fromkeys(names)) or here


def bytes_to_fetch(manifest: ModelManifest) -> int | None:
    """Return how much is fetched for a model, None where that is not known of all of it."""
    sizes = [
        each.sources[0].size_bytes
        for each in load_components(manifest)
        if (each.network or isinstance(each, PublishedModel)) and not are_fetched(each)
    ]
    known = [size for size in sizes if size]
    return sum(known) if len(known) == len(sizes) else None


def forecast(
    manifest: ModelManifest, conditions: Conditions, seconds: float, wishes: Wishes
) -> Forecast:
    """Return how long so many seconds of audio will take.

    Args:
        manifest: of the model that is to run.
        conditions: on what it runs.
        seconds: of audio, as often as each is separated.
        wishes: for a cheaper model; whatever the rung, it is the fastest.
    """
    cost = find_cost(read_costs(), manifest, conditions)
    if cost is None:
        return Forecast(manifest.name)
    taken_s = cost * seconds
    other = _fastest(wishes, conditions) if taken_s > WORTH_SAYING_S else None
    if not other or not other.cost or other.cost > _WORTH_OFFERING * cost:
        return Forecast(manifest.name, taken_s)
    return Forecast(manifest.name, taken_s, other.name, other.cost * seconds)


def _fastest(wishes: Wishes, conditions: Conditions) -> Candidate | None:
    """Return the fastest model of those that were timed here."""
    timed = [each for each in find_candidates(conditions) if each.is_timed]
    try:
        return choose(Wishes("fast", wishes.stems, wishes.commercial, wishes.offline), timed).model
    except ModelError:
        return None


def _candidate(manifest: ModelManifest, costs: Iterable[Cost], conditions: Conditions) -> Candidate:
    measured = find_cost(costs, manifest, conditions)
    is_here = are_fetched(manifest)
    return Candidate(
        name=manifest.name,
        stems=manifest.stems,
        licence=" AND ".join({each.licence: "" for each in load_components(manifest)}),
        figures=manifest.quality,
        cost=typical_cost(manifest) if measured is None else measured,
        is_timed=measured is not None,
        is_here=is_here,
        size_bytes=None if is_here else bytes_to_fetch(manifest),
    )
