"""What Audacity's dialog offers: it is text in the tool's file, so that it is written there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daw_bridge.library.colours import Colour, colour_of
from daw_bridge.library.ladder import RUNGS
from daw_bridge.library.places import DEFAULT_MODEL
from daw_bridge.library.stems import in_usual_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PALETTES = (
    Colour.parse("#6464DC"),
    Colour.parse("#DC3232"),
    Colour.parse("#64B464"),
    Colour.parse("#787878"),
)
"""The four colours that Audacity has for clips: blue, red, green and grey."""

_MEGABYTE = 1e6
_RUNGS = {
    "fast": "the fastest model for the stems that are chosen",
    "good": "the best that keeps up with real time",
    "best": "the best there is, which may have to be fetched",
}


class Offer(NamedTuple):
    """A model that the dialog offers.

    Attributes:
        name: what the server calls it.
        stems: which it makes.
        to_fetch: what has to be done before it runs; empty: it is on this machine.
    """

    name: str
    stems: tuple[str, ...]
    to_fetch: str = ""

    @property
    def label(self) -> str:
        """What a person reads."""
        label = f"{self.name}: {', '.join(self.stems)}"
        return f"{label} ({self.to_fetch})" if self.to_fetch else label


def fill_dialog() -> dict[str, str]:
    """Return what takes the place of each placeholder in the tool's file.

    @MODELS@         the choices of models, as a ``$control`` line has them
    @MODEL_WORDS@    what each of them asks for, and the stems that the model has
    @STEMS@          the choices of stems
    @STEM_WORDS@     what each of them asks for
    @PALETTES@       the number of each stem's colour
    """
    offers = find_offers()
    stems = in_usual_order({stem for offer in offers for stem in offer.stems})
    models, wishes = list(_model_choices(offers)), list(_stem_choices(stems))
    return {
        "@MODELS@": " ".join(choice.control for choice in models),
        "@MODEL_WORDS@": " ".join(choice.words for choice in models),
        "@STEMS@": " ".join(choice.control for choice in wishes),
        "@STEM_WORDS@": " ".join(choice.words for choice in wishes),
        "@PALETTES@": " ".join(f"({_quoted(stem)} . {palette_of(stem)})" for stem in stems),
    }


def find_offers() -> list[Offer]:
    """Return all models: the default first, then those on this machine, then the others."""
    from daw_bridge.jobs.choosing import bytes_to_fetch  # here, as these take long
    from daw_bridge.library.models import load_manifests
    from daw_bridge.weights.installing import are_fetched

    offers = []
    for each in load_manifests():
        to_fetch = "" if are_fetched(each) else _describe_size(bytes_to_fetch(each))
        offers.append(Offer(each.name, each.stems, to_fetch))
    return sorted(offers, key=lambda each: (each.name != DEFAULT_MODEL, bool(each.to_fetch)))


def palette_of(stem: str) -> int:
    """Return the number of Audacity's colour that is nearest to a stem's."""
    colour = colour_of(stem)
    distances = [
        sum((own - other) ** 2 for own, other in zip(colour, palette, strict=True))
        for palette in PALETTES
    ]
    return distances.index(min(distances))


class _Choice(NamedTuple):
    """An entry of a list in the dialog.

    Attributes:
        name: what Audacity remembers it by.
        label: what a person reads.
        said: the key and the value of what is asked for, and what more the tool knows of it.
    """

    name: str
    label: str
    said: tuple[str, ...] = ()

    @property
    def control(self) -> str:
        return f"({_quoted(self.name)} (_ {_quoted(self.label)}))"

    @property
    def words(self) -> str:
        return f"({' '.join(map(_quoted, self.said))})"


def _model_choices(offers: Sequence[Offer]) -> Iterator[_Choice]:
    """Yield models on this machine, the ladder, then models that are to be fetched."""
    for offer in offers:
        if not offer.to_fetch:
            yield _model_choice(offer)
    for rung in RUNGS:
        yield _Choice(f"quality:{rung}", f"{rung}: {_RUNGS[rung]}", ("quality", rung))
    for offer in offers:
        if offer.to_fetch:
            yield _model_choice(offer)


def _model_choice(offer: Offer) -> _Choice:
    return _Choice(offer.name, offer.label, ("model", offer.name, *offer.stems))


def _stem_choices(stems: Sequence[str]) -> Iterator[_Choice]:
    yield _Choice("all", "all")
    for stem in stems:
        yield _Choice(stem, f"only {stem}", ("stems", stem))
    for stem in stems:
        yield _Choice(f"no {stem}", f"all but {stem}", ("minus", stem))


def _describe_size(size_bytes: int | None) -> str:
    return f"to be fetched, {size_bytes / _MEGABYTE:.0f} MB" if size_bytes else "to be fetched"


def _quoted(text: str) -> str:
    """Return a string of Lisp."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
