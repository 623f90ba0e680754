"""What YAML files that networks were trained by tell of their stems, and of how songs are cut.

Tables and keys are those of Music-Source-Separation-Training (R. Solovyev and others), which most
networks of today are trained with. Tables of the network itself are its family's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import msgspec

from daw_bridge.bounds import MAX_OVERLAP
from daw_bridge.conversion.checkpoints.configurations import read_configuration
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.limits import MAX_STEMS, Channels, SampleRate, Samples
from daw_bridge.library.manifest import PassageShape
from daw_bridge.library.names import StemName
from daw_bridge.library.stems import complement, rest_last

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from daw_bridge.conversion.family import ImportWishes

_Instrument = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_FADES = 10
"""Passages are so many times as long as they take to fade in."""


class Audio(msgspec.Struct, frozen=True, kw_only=True):
    """The table ``audio``, as far as all families have it."""

    chunk_size: Samples
    sample_rate: SampleRate = 44_100
    num_channels: Channels = 2


class Training(msgspec.Struct, frozen=True):
    """The table ``training``, as far as it tells what the network gives."""

    instruments: Annotated[
        tuple[_Instrument, ...], msgspec.Meta(min_length=1, max_length=MAX_STEMS)
    ]
    target_instrument: _Instrument | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """The stems that the network gives, in its order."""
        return (self.target_instrument,) if self.target_instrument else self.instruments


class Inference(msgspec.Struct, frozen=True):
    """The table ``inference``: how a song is cut where it differs from the training."""

    chunk_size: Samples | None = None
    num_overlap: Annotated[int, msgspec.Meta(ge=1, le=round(1 / (1 - MAX_OVERLAP)))] = 2
    normalize: bool = False


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The tables that all families have."""

    audio: Audio
    training: Training
    inference: Inference = Inference()

    @property
    def samples(self) -> int:
        """How many samples the network sees at once."""
        return self.inference.chunk_size or self.audio.chunk_size

    @property
    def overlap(self) -> float:
        """The share of a passage that the next one sees again."""
        return 1 - 1 / self.inference.num_overlap

    @property
    def passage(self) -> PassageShape:
        """How a song is cut: as the reference's ``demix`` does."""
        fade_samples = self.samples // _FADES
        return PassageShape(samples=self.samples, fade_samples=fade_samples, mirrored=True)


_Tables = TypeVar("_Tables", bound=msgspec.Struct)


def read_tables(path: Path, wishes: ImportWishes) -> dict[str, Any]:
    """Return the tables of the configuration of a checkpoint.

    Raises:
        OptionError: there is no configuration, or it cannot be read.
    """
    if wishes.configuration is None:
        raise OptionError(
            f"{path} does not tell how its network is laid out: --config takes the YAML file that"
            " was published with it."
        )
    return read_configuration(wishes.configuration)


def parse_tables(
    told: Mapping[str, Any],
    kind: type[_Tables],
    wishes: ImportWishes,
    *,
    ignored: Iterable[str] = (),
) -> _Tables:
    """Return a configuration's tables as a family has them.

    Args:
        told: the tables.
        kind: what they become; a struct may forbid keys that it does not know.
        wishes: name the file.
        ignored: keys of the table ``model`` that make no difference to a network that is trained.

    Raises:
        OptionError: a key is missing, unknown or out of range.
    """
    model = told.get("model")
    if isinstance(model, dict):
        model = {key: value for key, value in model.items() if key not in set(ignored)}
        told = {**told, "model": model}
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise OptionError(f"{wishes.configuration} cannot be rebuilt: {error}.") from error


@contextmanager
def rebuilding(path: Path, wishes: ImportWishes) -> Iterator[None]:
    """Say which checkpoint is not of the network that a configuration describes.

    Raises:
        WeightsError: instead of what is raised where arrays are missing or do not fit.
    """
    try:
        yield
    except (IndexError, KeyError, TypeError, ValueError, WeightsError) as error:
        raise WeightsError(
            f"{path} cannot be rebuilt as {wishes.configuration} has it: {str(error).rstrip('.')}."
        ) from error


class Stems(NamedTuple):
    """What a model makes of a network's stems.

    Attributes:
        names: in the model's order.
        order: the network's stems in that order.
        last_is_rest: the network does not give the last.
    """

    names: tuple[str, ...]
    order: tuple[int, ...]
    last_is_rest: bool


def choose_stems(path: Path, training: Training, wishes: ImportWishes) -> Stems:
    """Name the stems that a network gives, and what one alone leaves; what is left comes last.

    Raises:
        OptionError: the wishes name more or fewer, or a name cannot be one.
    """
    names = wishes.stems or _name_stems(training)
    is_rest = len(training.made) == 1
    if len(names) != len(training.made) + is_rest:
        given = "one stem and leaves one" if is_rest else f"{len(training.made)} stems"
        raise OptionError(f"{path} makes {given}, not {', '.join(names)}.")
    if is_rest:
        return Stems(names, (0,), last_is_rest=True)
    order = rest_last(names)
    return Stems(tuple(names[index] for index in order), tuple(order), last_is_rest=False)


def _name_stems(training: Training) -> tuple[str, ...]:
    """Return names of all that is made and left: as the training has them, in lower case."""
    names = [_name_stem(name) for name in training.made]
    if len(names) == 1:
        others = [_name_stem(name) for name in training.instruments if name not in training.made]
        names.append(others[0] if len(others) == 1 else complement(names[0]))
    return tuple(names)


def _name_stem(instrument: str) -> str:
    name = "-".join(instrument.lower().split())
    try:
        return msgspec.convert(name, StemName)
    except msgspec.ValidationError as error:
        raise OptionError(
            f"No stem can be called '{instrument}': --stems gives the stems other names."
        ) from error
