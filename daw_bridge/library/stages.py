"""The ``[[stages]]`` of a manifest: how a model is made of other models, networks and filters.

Each stage splits one part of the mixture into parts, so that the stages are a tree whose leaves are
the model's stems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from daw_bridge.errors import suggestion
from daw_bridge.files.tables import Table
from daw_bridge.library.limits import MAX_STEMS, Cutoff, Exponent, MedianSize, VoiceWeight
from daw_bridge.library.names import GraphName, ModelName, Sha256, StemName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIXTURE = "mixture"
_MAX_VOICES = 16


class ManifestTable(Table, frozen=True, omit_defaults=True):
    """A table of a manifest, which is shown without what it does not set."""


class CommittedNetwork(ManifestTable, frozen=True):
    """An ONNX graph with its weights that lies beside the manifest."""

    file: GraphName
    sha256: Sha256


class HarmonicPercussiveFilter(
    ManifestTable, frozen=True, tag_field="kind", tag="harmonic-percussive"
):
    """Splits into what is percussive and what is harmonic, by medians over bins and frames."""

    frames: MedianSize
    bins: MedianSize
    exponent: Exponent


class LowPassFilter(ManifestTable, frozen=True, tag_field="kind", tag="low-pass"):
    """Splits into what is below a frequency and what is above."""

    cutoff_hz: Cutoff


Filter: TypeAlias = HarmonicPercussiveFilter | LowPassFilter
_FILTER_PARTS = 2


class Splitter(ManifestTable, frozen=True, kw_only=True):
    """What splits a part into others: a model of the library, a network or a filter."""

    model: ModelName | None = None
    network: CommittedNetwork | None = None
    filter: Filter | None = None

    @property
    def kinds(self) -> int:
        """How many of the kinds of splitters it names: one, where it is valid."""
        return sum(each is not None for each in (self.model, self.network, self.filter))


class Voice(Splitter, frozen=True, kw_only=True):
    """One of several splitters whose masks are averaged."""

    weight: VoiceWeight


class Stage(Splitter, frozen=True, kw_only=True):
    """One split of one part of the mixture, by a splitter or by the average of several.

    ``parts`` are named in the order of the splitter's outputs.
    """

    of: StemName = MIXTURE
    parts: Annotated[tuple[StemName, ...], msgspec.Meta(min_length=2, max_length=MAX_STEMS)]
    blend: Annotated[tuple[Voice, ...], msgspec.Meta(max_length=_MAX_VOICES)] = ()

    @property
    def splitters(self) -> tuple[Splitter, ...]:
        """What splits the part: one, or several whose masks are averaged."""
        return self.blend or (self,)

    @property
    def models(self) -> Iterator[str]:
        """The names of the models of the library among them."""
        return (splitter.model for splitter in self.splitters if splitter.model)


def check_stages(stages: Iterable[Stage], stems: tuple[str, ...]) -> None:
    """Check that stages are a tree from the mixture to the stems.

    Raises:
        ValueError: they are not; the message is a sentence without its stop.
    """
    leaves = [MIXTURE]
    for stage in stages:
        if stage.of not in leaves:
            raise ValueError(
                f"a stage splits '{stage.of}', which no earlier stage leaves whole"
                f"{suggestion(stage.of, leaves)}; there is {', '.join(leaves) or 'no part'}"
            )
        leaves.remove(stage.of)
        leaves += stage.parts
        if len(set(leaves)) < len(leaves):
            raise ValueError(
                f"after '{stage.of}' is split, parts share a name: {', '.join(leaves)}"
            )
        _check_splitters(stage)
    if sorted(leaves) != sorted(stems):
        raise ValueError(
            f"the stages end in {', '.join(leaves)}, but the stems are {', '.join(stems)}"
        )


def _check_splitters(stage: Stage) -> None:
    """Check that a stage has one splitter or a blend, whose filters make as many parts."""
    if (stage.kinds + bool(stage.blend)) != 1 or any(voice.kinds != 1 for voice in stage.blend):
        raise ValueError(
            f"the stage that splits '{stage.of}', and each voice of a blend, has either a model,"
            " a network or a filter"
        )
    if len(stage.parts) != _FILTER_PARTS and any(each.filter for each in stage.splitters):
        raise ValueError(f"a filter splits '{stage.of}' into two parts, not {len(stage.parts)}")
