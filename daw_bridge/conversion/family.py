"""What a family of checkpoints is: what its converter is told, what it gives, and how it fails."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

import msgspec

from daw_bridge.errors import OptionError, WeightsError, suggestion
from daw_bridge.library.activations import Activations
from daw_bridge.library.stems import in_usual_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daw_bridge.library.manifest import NetworkModel

UNKNOWN = "unknown"


class ImportWishes(msgspec.Struct, frozen=True):
    """What whoever brings a checkpoint says about it.

    Attributes:
        stems: their names in the checkpoint's order, or, in families that find stems by name, those
            to be taken; none: as the family names and orders them, and so must the manifest of a
            model that is fetched.
        activations: what layers end with, in families whose checkpoints do not tell; None: as the
            configuration says, or the family's published models have it.
        configuration: the file that the checkpoint was trained by.
        trust: code in the checkpoint may be run.
    """

    stems: tuple[str, ...] = ()
    activations: Activations | None = None
    configuration: Path | None = None
    trust: bool = False

    def choose_stems(self, path: Path, found: Iterable[str]) -> tuple[str, ...]:
        """Return the stems to make of those that a checkpoint has, by default all, "other" last.

        Raises:
            OptionError: it has not the one that is wished for, or there are fewer than two.
        """
        known = in_usual_order(found)
        for stem in self.stems:
            if stem not in known:
                raise OptionError(
                    f"{path} holds no {stem}{suggestion(stem, known)}; it holds {', '.join(known)}."
                )
        stems = self.stems or tuple(known)
        if len(stems) < 2:
            raise OptionError(
                f"A model makes two stems or more; {path} gives {', '.join(stems) or 'none'}."
            )
        return stems


class Unnamed(TypedDict):
    """The keys of a manifest that nothing in a checkpoint answers."""

    name: str
    version: str
    licence: str
    attribution: str


UNNAMED: Unnamed = {"name": "unnamed", "version": "0", "licence": UNKNOWN, "attribution": UNKNOWN}
"""What a converter says of a model that whoever brings it will name."""


@dataclass(frozen=True)
class Conversion:
    """A network, and what its manifest is to say.

    Attributes:
        network: an ONNX graph with its weights, serialised.
        model: what is known of it; of name and whereabouts nothing yet.
    """

    network: bytes
    model: NetworkModel


class Family(Protocol):
    """What the module of a family offers.

    The registry names it, and so does :class:`~daw_bridge.library.sources.Origin`, by which a
    manifest says what to fetch; that is all it takes.

    A path is that of a file or a folder. Pickles are read without running what they name,
    and hold arrays in containers alone, unless the wishes are to trust.
    """

    def recognises(self, path: Path) -> bool:
        """Return whether this is a checkpoint of the family, by a glance at its content."""
        ...

    def convert(self, path: Path, wishes: ImportWishes) -> Conversion:
        """Read a checkpoint and rebuild its network.

        Raises:
            WeightsError: it is damaged, or of a network that cannot be rebuilt.
            OptionError: it cannot be what the wishes say.
        """
        ...


def check_number(name: str, value: object, least: float, most: float) -> None:
    """Raise :class:`ValueError` unless a setting is a number in a range, whole if both ends are."""
    kinds = int if isinstance(least, int) and isinstance(most, int) else (int, float, Fraction)
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r:.80}, not a number from {least:g} to {most:g}")


@contextmanager
def expecting(network: str, place: object) -> Iterator[None]:
    """Say that a place holds no such network, where its arrays are missing or do not fit.

    Raises:
        WeightsError: instead of what numpy and containers raise.
    """
    try:
        yield
    except KeyError as error:
        raise WeightsError(f"{place} is no {network}: it lacks {error}.") from error
    except (AttributeError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise WeightsError(f"{place} is no {network}: {error}.") from error
