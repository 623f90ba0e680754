"""Which model is best for some stems, or fast enough: the ladder fast, good, best.

| rung | what it takes among the models that make all stems that are asked for |
|---|---|
| best | the best by the figures that were published |
| good | the best of those that take at most real time on this machine; if none does, as fast |
| fast | the one that takes least time on this machine |

Two models are compared by the mean of their figures for the stems that are asked for, on the data
that both have figures of; only where there is none, by the highest figures that they have, which
is said. The best is the one that loses fewest comparisons. Models without figures come after those
with, by what they cost; ties go by name. What the other stems leave (``other``, ``accompaniment``,
``instrumental``) needs no figure, unless it is all that is asked for.

A model's cost is what was measured on this machine, else what is typical of its family.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from daw_bridge.errors import ModelError
from daw_bridge.library.licences import is_free_for_commercial_use
from daw_bridge.library.stems import RESTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from daw_bridge.library.figures import Figure

Rung: TypeAlias = Literal["fast", "good", "best"]
RUNGS: tuple[Rung, ...] = get_args(Rung)

USUAL_STEMS = ("vocals", "drums", "bass", "other")
"""What is asked for where nothing is."""
REAL_TIME = 1.0
"""Seconds that a second of audio takes."""
_LEFT = (*RESTS, "instrumental")
_NAMED = 5


@dataclass(frozen=True)
class Wishes:
    """What a model is chosen by.

    Attributes:
        rung: of the ladder.
        stems: which it is to make; empty: the usual four.
        commercial: only weights that are known to be free for commercial use.
        offline: only models that are on this machine.
    """

    rung: Rung
    stems: tuple[str, ...] = ()
    commercial: bool = False
    offline: bool = False


@dataclass(frozen=True)
class Candidate:
    """A model that may be chosen.

    Attributes:
        name: what ``-m`` takes.
        stems: which it makes.
        licence: of its weights.
        figures: what was measured of its stems.
        cost: how many seconds a second of audio takes; None: nobody knows.
        is_timed: that was measured on this machine.
        is_here: nothing needs to be fetched.
        size_bytes: of what is fetched, where that is known.
    """

    name: str
    stems: tuple[str, ...]
    licence: str
    figures: tuple[Figure, ...] = ()
    cost: float | None = None
    is_timed: bool = False
    is_here: bool = True
    size_bytes: int | None = None

    @property
    def rank_by_cost(self) -> tuple[float, str]:
        """What the cheaper of two has less of."""
        return (math.inf if self.cost is None else self.cost, self.name)


@dataclass(frozen=True)
class Choice:
    """A model that was chosen.

    Attributes:
        rung: of the ladder.
        model: which.
        stems: what was asked for.
        sdr_db: the mean of its figures for these, None without.
        data: what these were measured on.
        rough: how many others were compared by figures of other data.
    """

    rung: Rung
    model: Candidate
    stems: tuple[str, ...]
    sdr_db: float | None = None
    data: str = ""
    rough: int = 0

    def __str__(self) -> str:
        model = self.model
        said = [f"{model.name}, which makes {', '.join(model.stems)}"]
        if self.sdr_db is not None:
            said.append(f"{self.sdr_db:.1f} dB on {self.data}")
        if self.rough:
            said.append(f"compared only roughly with {self.rough}, whose figures are of other data")
        if model.cost is not None:
            measured = "" if model.is_timed else "typically "
            said.append(f"{measured}{describe_cost(model.cost)}")
        if not model.is_here:
            size = f"{model.size_bytes / 1e6:.0f} MB are" if model.size_bytes else "it is"
            said.append(f"{size} fetched first")
        return f"--quality {self.rung}: {'; '.join(said)}."

    def describe(self) -> dict[str, object]:
        """Return what programs are told of it."""
        model = self.model
        return {
            "quality": self.rung,
            "model": model.name,
            "stems": list(self.stems),
            "sdr_db": self.sdr_db,
            "data": self.data or None,
            "compared_on_other_data": self.rough,
            "times_real_time": 1 / model.cost if model.cost else None,
            "is_timed": model.is_timed,
            "is_here": model.is_here,
            "size_bytes": model.size_bytes,
        }


def describe_cost(cost: float) -> str:
    """Return how many seconds of audio a second makes, as ``3.2 x real time``."""
    speed = 1 / cost
    return f"{speed:.0f} x real time" if speed >= 10 else f"{speed:.2g} x real time"


def choose(wishes: Wishes, candidates: Iterable[Candidate]) -> Choice:
    """Return the model that wishes ask for, by the rules of this module.

    Raises:
        ModelError: none makes the stems, or none that does is allowed.
    """
    stems = wishes.stems or USUAL_STEMS
    able = [each for each in candidates if set(stems) <= set(each.stems)]
    if not able:
        raise ModelError(f"No model makes {', '.join(stems)}: stemtool models list --available.")
    allowed = [each for each in able if _is_allowed(each, wishes)]
    if not allowed:
        raise ModelError(_refusal(able, wishes, stems))
    field = _Field(allowed, _counted(stems))
    if wishes.rung == "fast":
        chosen = min(allowed, key=lambda each: each.rank_by_cost)
    elif wishes.rung == "best":
        chosen = field.best
    else:
        quick = [each for each in allowed if each.rank_by_cost[0] <= REAL_TIME]
        field = _Field(quick or allowed, field.stems)
        chosen = field.best if quick else min(allowed, key=lambda each: each.rank_by_cost)
    return field.choice(wishes.rung, chosen, stems)


def _is_allowed(candidate: Candidate, wishes: Wishes) -> bool:
    is_free = is_free_for_commercial_use(candidate.licence)
    return (is_free or not wishes.commercial) and (candidate.is_here or not wishes.offline)


def _refusal(able: Sequence[Candidate], wishes: Wishes, stems: Sequence[str]) -> str:
    """Say why none of the models that make the stems is allowed."""
    bounds = {
        "on this machine": wishes.offline,
        "known to be free for commercial use": wishes.commercial,
    }
    more = f" and {len(able) - _NAMED} more" if len(able) > _NAMED else ""
    return (
        f"No model that makes {', '.join(stems)} is"
        f" {' and '.join(bound for bound, is_meant in bounds.items() if is_meant)}; there are"
        f" {', '.join(each.name for each in able[:_NAMED])}{more}."
    )


def _counted(stems: Sequence[str]) -> tuple[str, ...]:
    """Return the stems whose figures count."""
    return tuple(stem for stem in stems if stem not in _LEFT) or tuple(stems)


@dataclass(frozen=True)
class _Field:
    """Models that are compared by their figures for some stems."""

    candidates: Sequence[Candidate]
    stems: tuple[str, ...]

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """By model: data → the mean of its figures for the stems."""
        return {each.name: _scores(each, self.stems) for each in self.candidates}

    @property
    def best(self) -> Candidate:
        """The one that loses fewest comparisons."""
        return min(self.candidates, key=self._rank)

    def choice(self, rung: Rung, chosen: Candidate, stems: tuple[str, ...]) -> Choice:
        """Return a choice with what is known of it."""
        own = self.scores[chosen.name]
        shared = [data for scores in self.scores.values() for data in scores if data in own]
        data = max(own, key=lambda data: (shared.count(data), own[data]), default="")
        others = [scores for scores in self.scores.values() if scores and own]
        rough = sum(not own.keys() & scores.keys() for scores in others)
        return Choice(rung, chosen, stems, own.get(data), data, 0 if rung == "fast" else rough)

    def _rank(self, candidate: Candidate) -> tuple[bool, int, float, tuple[float, str]]:
        own = self.scores[candidate.name]
        losses = sum(_loses(own, other) for other in self.scores.values())
        return (not own, losses, -max(own.values(), default=0.0), candidate.rank_by_cost)


def _loses(own: dict[str, float], other: dict[str, float]) -> bool:
    """Return whether scores are lower than others, on the data of both if there are such."""
    if not (own and other):
        return False
    if shared := own.keys() & other.keys():
        return sum(own[data] - other[data] for data in shared) < 0
    return max(own.values()) < max(other.values())


def _scores(candidate: Candidate, stems: Sequence[str]) -> dict[str, float]:
    """Return the mean of a model's figures for stems, on each data that it has all of them for."""
    by_data: dict[str, dict[str, float]] = defaultdict(dict)
    for figure in candidate.figures:
        by_data[figure.data][figure.stem] = figure.sdr_db
    return {
        data: sum(figures[stem] for stem in stems) / len(stems)
        for data, figures in by_data.items()
        if all(stem in figures for stem in stems)
    }
