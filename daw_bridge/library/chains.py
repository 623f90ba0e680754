"""The ``[[stages]]`` of a chain: how a model is made of others that split each other's parts.

Unlike the stages of :mod:`~daw_bridge.library.stages`, whose masks multiply, each of these splits a
part as a signal, so that its model may be of any kind. Every part, split or not, has a name of its
own: that of a part below ``vocals`` is ``vocals.lead``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from daw_bridge.errors import suggestion
from daw_bridge.library.limits import MAX_LEVELS, MAX_STEMS
from daw_bridge.library.names import ModelName, StemName
from daw_bridge.library.stages import MIXTURE, ManifestTable
from daw_bridge.library.stems import whole_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class ChainStage(ManifestTable, frozen=True, kw_only=True):
    """One split of one part of a chain, by a model of any kind.

    Attributes:
        of: what is split.
        parts: what it is split into.
        model: what splits it.
        takes: the stems of the model that the parts are, in their order; the last may be left out,
            where it is what the others leave. Empty: all stems of the model, in its order.
        last_is_rest: the last part is what the others leave, even if the model gives it.
    """

    of: StemName = MIXTURE
    parts: Annotated[tuple[StemName, ...], msgspec.Meta(min_length=2, max_length=MAX_STEMS)]
    model: ModelName
    takes: Annotated[tuple[StemName, ...], msgspec.Meta(max_length=MAX_STEMS)] = ()
    last_is_rest: bool = True

    def taken(self, model_stems: tuple[str, ...]) -> tuple[str, ...]:
        """Return the stem of the model for each part, or for each but the last."""
        return self.takes or model_stems

    def check(self) -> None:
        """Raise :class:`ValueError` unless its keys fit each other."""
        for part in self.parts:
            if whole_of(part) not in ("", self.of):
                raise ValueError(
                    f"'{part}' is the name of a part of '{whole_of(part)}', but the stage splits"
                    f" '{self.of}'"
                )
        needed = len(self.parts) - self.last_is_rest
        if self.takes and not needed <= len(set(self.takes)) == len(self.takes) <= len(self.parts):
            raise ValueError(
                f"the stage that splits '{self.of}' takes a stem of its model for each part"
                + (", or for each but the last" if self.last_is_rest else "")
            )


class PartTree:
    """The parts of a chain, from those of the mixture to its stems.

    Attributes:
        parts: the names of all parts, each before those that it is split into.
    """

    def __init__(self, stages: Iterable[ChainStage]) -> None:
        self.parts: list[str] = []
        self._whole_of: dict[str, str] = {}
        self._parts_of: dict[str, tuple[str, ...]] = {}
        for stage in stages:
            place = self.parts.index(stage.of) + 1 if stage.of in self.parts else 0
            self.parts[place:place] = stage.parts
            self._whole_of |= dict.fromkeys(stage.parts, stage.of)
            self._parts_of[stage.of] = stage.parts

    def line(self, part: str) -> list[str]:
        """Return a part, what it is split from, and so on, up to a part of the mixture."""
        line = [part]
        while (whole := self._whole_of[line[-1]]) != MIXTURE:
            line.append(whole)
        return line

    def cut(self, named: Collection[str]) -> tuple[str, ...]:
        """Return the fewest parts that sum to the mixture and are split where parts are named."""
        split = {whole for part in named if part in self._whole_of for whole in self.line(part)[1:]}
        parts = list(self._parts_of[MIXTURE])
        for part in self.parts:
            if part in split:
                place = parts.index(part)
                parts[place : place + 1] = self._parts_of[part]
        return tuple(parts)


def check_chain(stages: Sequence[ChainStage], stems: tuple[str, ...]) -> None:
    """Check that stages are a tree from the mixture to the stems, whose parts have their own names.

    Raises:
        ValueError: they are not; the message is a sentence without its stop.
    """
    leaves, names = [MIXTURE], {MIXTURE}
    for stage in stages:
        if stage.of not in leaves:
            raise ValueError(
                f"a stage splits '{stage.of}', which no earlier stage leaves whole"
                f"{suggestion(stage.of, leaves)}; there is {', '.join(leaves)}"
            )
        stage.check()
        leaves.remove(stage.of)
        for part in stage.parts:
            if part in names:
                raise ValueError(f"two parts are called '{part}'")
            leaves.append(part)
            names.add(part)
    if sorted(leaves) != sorted(stems):
        raise ValueError(
            f"the stages end in {', '.join(leaves)}, but the stems are {', '.join(stems)}"
        )
    tree = PartTree(stages)
    if any(len(tree.line(stem)) > MAX_LEVELS for stem in stems):
        raise ValueError(f"parts are split over more than {MAX_LEVELS} levels")
