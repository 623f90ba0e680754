"""``presets/effects/<name>.toml`` → a frozen, validated :class:`Preset`.

    summary = "The song without its singer."

    [stems.vocals]
    mute = true

    [rest]                        # the stems that are not named
    width = 120
    chain = [{ effect = "Compressor", threshold_db = -18, ratio = 2 }]

A stem that a preset names must be there; what goes for any stem is said in ``rest`` or ``bus``.
"""

from __future__ import annotations

import re
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec

from daw_bridge.errors import PresetError, suggestion
from daw_bridge.files.bounds import MAX_BYTES
from daw_bridge.files.flaws import FlawError, to_struct
from daw_bridge.files.reach import read_small
from daw_bridge.files.tables import Table, open_toml
from daw_bridge.library.limits import MAX_STEMS
from daw_bridge.library.names import Line
from daw_bridge.library.places import find_preset, find_presets, load_all, warn
from daw_bridge.library.stems import lineage
from daw_bridge.rendering.effects import Effect, take_effects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

_TEMPI = (0.25, 4.0)
_SEMITONES = 24.0

GainDb = Annotated[float, msgspec.Meta(ge=-120, le=40)]
Pan = Annotated[float, msgspec.Meta(ge=-100, le=100)]
Width = Annotated[float, msgspec.Meta(ge=0, le=200)]
Semitones = Annotated[float, msgspec.Meta(ge=-_SEMITONES, le=_SEMITONES)]
Tempo = Annotated[float, msgspec.Meta(ge=_TEMPI[0], le=_TEMPI[1])]
Lufs = Annotated[float, msgspec.Meta(ge=-70, le=0)]
_Stem = Annotated[str, msgspec.Meta(max_length=255)]
"""Stems in a folder have whatever names their files have."""
TruePeakDb = Annotated[float, msgspec.Meta(ge=-40, le=0)]

_WITH_LOUDNESS_DB = -1.0

_MAX_EFFECTS = 256
"""Of a preset, in all chains together."""
_MAX_PRESETS = 32
"""After each other: each is another second of preparation at worst."""

_Chain: TypeAlias = "tuple[Any, str, tuple[str, ...]]"
"""A table, the name of a chain in it, and where the table is."""


class StemSettings(Table, frozen=True):
    """What becomes of a stem, in this order.

    Attributes:
        chain: effects.
        width: of the stereo image, in per cent: 0 is mono, 100 leaves it as it is.
        pan: from -100, left, to 100, right.
        gain_db: the level.
        mute: leave it out.
    """

    chain: tuple[Effect, ...] = ()
    width: Width = 100
    pan: Pan = 0
    gain_db: GainDb = 0
    mute: bool = False

    def then(self, other: StemSettings) -> StemSettings:
        """Return both after each other: gains and effects add up, the last word counts."""
        return StemSettings(
            chain=self.chain + other.chain,
            width=self.width if other.width == 100 else other.width,
            pan=other.pan or self.pan,
            gain_db=self.gain_db + other.gain_db,
            mute=self.mute or other.mute,
        )


class Preset(Table, frozen=True):
    """A remix as data.

    Attributes:
        name: what it is called.
        summary: what it is for, in a sentence.
        stems: what becomes of stems, by their names.
        rest: what becomes of those that are not named.
        solo: the stems that alone are heard; empty: all.
        bus: effects on the sum.
        pitch_semitones: how much higher the sum becomes.
        tempo: how many times faster.
        lufs: the integrated loudness to reach; None: whatever comes.
        true_peak_db: what no true peak passes; None: -1 where there is a loudness to reach.
    """

    name: str = ""
    summary: Line = ""
    stems: Annotated[dict[_Stem, StemSettings], msgspec.Meta(max_length=MAX_STEMS)] = msgspec.field(
        default_factory=dict
    )
    rest: StemSettings = StemSettings()
    solo: Annotated[tuple[_Stem, ...], msgspec.Meta(max_length=MAX_STEMS)] = ()
    bus: tuple[Effect, ...] = ()
    pitch_semitones: Semitones = 0
    tempo: Tempo = 1
    lufs: Lufs | None = None
    true_peak_db: TruePeakDb | None = None

    @property
    def ceiling_db(self) -> float | None:
        """What no true peak passes."""
        if self.true_peak_db is None and self.lufs is not None:
            return _WITH_LOUDNESS_DB
        return self.true_peak_db

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the stems that it needs."""
        return tuple(dict.fromkeys((*self.stems, *self.solo)))

    def settings(self, stem: str) -> StemSettings:
        """Return what becomes of a stem; what is said of vocals is also said of vocals.lead."""
        found = self._said_of(stem)
        is_left_out = self.solo and not any(name in self.solo for name in lineage(stem))
        return msgspec.structs.replace(found, mute=True) if is_left_out else found

    def _said_of(self, stem: str) -> StemSettings:
        return next((self.stems[name] for name in lineage(stem) if name in self.stems), self.rest)

    def check_names(self, stems: Collection[str]) -> None:
        """Raise :class:`PresetError` if a stem that it needs is not there, nor a part of it."""
        known = {name for stem in stems for name in lineage(stem)}
        for name in self.named:
            if name not in known:
                raise PresetError(
                    f"{self._title} needs a stem '{name}'{suggestion(name, stems)}, and there are"
                    f" {', '.join(stems)}; choose another model, or give --stems."
                )

    @property
    def _title(self) -> str:
        return f"Preset {self.name}" if self.name else "The remix"

    def check(self, stems: Sequence[str], channels: int = 2) -> None:
        """Raise :class:`PresetError` if it does not fit such stems."""
        self.check_names(stems)
        who = self._title
        if not (_TEMPI[0] <= self.tempo <= _TEMPI[1] and abs(self.pitch_semitones) <= _SEMITONES):
            raise PresetError(
                f"{who} changes the tempo by {self.tempo:g} and the pitch by"
                f" {self.pitch_semitones:g} semitones, all in all; it may be {_TEMPI[0]} to"
                f" {_TEMPI[1]}, and {_SEMITONES} up or down."
            )
        heard = [self.settings(stem) for stem in stems if not self.settings(stem).mute]
        if not heard:
            raise PresetError(f"{who} mutes every stem.")
        if channels == 1 and any(each.pan or each.width != 100 for each in heard):
            raise PresetError(f"{who} pans or widens, and the input is mono; it takes stereo.")

    def then(self, other: Preset) -> Preset:
        """Return both after each other: gains and effects add up, the last word counts."""
        names = {**self.stems, **other.stems}
        return Preset(
            name=" + ".join(filter(None, (self.name, other.name))),
            summary=" ".join(filter(None, (self.summary, other.summary))),
            stems={name: self._said_of(name).then(other._said_of(name)) for name in names},
            rest=self.rest.then(other.rest),
            solo=other.solo or self.solo,
            bus=self.bus + other.bus,
            pitch_semitones=self.pitch_semitones + other.pitch_semitones,
            tempo=self.tempo * other.tempo,
            lufs=self.lufs if other.lufs is None else other.lufs,
            true_peak_db=self.true_peak_db if other.true_peak_db is None else other.true_peak_db,
        )


def combine(presets: Iterable[Preset]) -> Preset:
    """Return presets after each other as one; none at all leaves a song as it is.

    Raises:
        PresetError: there are more than anybody needs.
    """
    some = list(islice(presets, _MAX_PRESETS + 1))
    if len(some) > _MAX_PRESETS:
        raise PresetError(f"There may be {_MAX_PRESETS} presets after each other, not more.")
    return reduce(Preset.then, some, Preset())


def say(
    stems: Mapping[str, Mapping[str, Any]],
    *,
    chains: Mapping[str, tuple[Effect, ...]] | None = None,
    **others: Any,
) -> Preset:
    """Return what a command line or a client says as a preset; None is what was not said.

    Raises:
        PresetError: a value is of the wrong kind or out of range.
    """
    chains = chains or {}
    said = {name: value for name, value in others.items() if value is not None}
    said["stems"] = {
        stem: {**stems.get(stem, {}), "chain": chains.get(stem, ())} for stem in {**stems, **chains}
    }
    try:
        return to_struct(said, Preset)
    except FlawError as flaw:
        key = " ".join(map(str, flaw.key)).removeprefix("stems ")
        raise PresetError(f"{key}: {flaw}.") from flaw


def say_in_words(*, gain: str, pan: str, width: str, mute: Iterable[str], **others: Any) -> Preset:
    """As :func:`say`, with amounts as :func:`read_amounts` reads them.

    Raises:
        PresetError: a value is of the wrong kind or out of range.
    """
    stems: dict[str, dict[str, Any]] = {stem: {"mute": True} for stem in mute}
    for key, text in (("gain_db", gain), ("pan", pan), ("width", width)):
        for stem, amount in read_amounts(text).items():
            stems.setdefault(stem, {})[key] = amount
    return say(stems, **others)


def read_amounts(text: str) -> dict[str, float]:
    """Read ``vocals=-6dB,other=30``: an amount for each stem.

    Raises:
        PresetError: it is written in another way.
    """
    amounts = {}
    for pair in filter(None, text.split(",")):
        stem, _, amount = pair.partition("=")
        try:
            amounts[stem.strip()] = float(re.sub(r"(?i)\s*(db|%)?\s*$", "", amount))
        except ValueError as error:
            raise PresetError(f"'{pair}' is no stem with an amount, as in vocals=-6.") from error
    return amounts


def load_preset(name: str) -> Preset:
    """Return a preset of the library, or the one in a file.

    Raises:
        PresetError: there is none, or it breaks the rules.
    """
    is_file = name.endswith(".toml") or "/" in name or "\\" in name
    return read_preset(Path(name) if is_file else find_preset(name))


def preset_text(name: str) -> str:
    """Return a preset of the library as it is written.

    Raises:
        PresetError: there is none, or it cannot be read.
    """
    path = find_preset(name)
    try:
        return read_small(path, at_most=MAX_BYTES).decode("utf-8")
    except OSError as error:
        raise PresetError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PresetError(f"{path} cannot be read: it is no UTF-8: {error}.") from error


def load_presets(tell: Callable[[PresetError], None] = warn) -> list[Preset]:
    """Return the presets of the library, sorted by name.

    Args:
        tell: is told why a preset is left out; by default the log is.
    """
    return list(load_all(find_presets(), read_preset, PresetError, tell))


def read_preset(path: Path) -> Preset:
    """Parse and validate one preset.

    Raises:
        PresetError: the file is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    with open_toml(path, PresetError) as tables:
        if "name" in tables:
            raise FlawError("is that of the file; leave it out", "name")
        chains = list(_chains(tables))
        _count_effects(chains)
        for table, name, at in chains:
            take_effects(table, name, path.parent, *at)
        return to_struct({**tables, "name": path.stem}, Preset)


def _chains(tables: Mapping[str, Any]) -> Iterator[_Chain]:
    """Yield the places in a preset where effects may be."""
    yield tables, "bus", ()
    yield tables.get("rest"), "chain", ("rest",)
    stems = tables.get("stems")
    for stem, settings in stems.items() if isinstance(stems, dict) else ():
        yield settings, "chain", ("stems", stem)


def _count_effects(chains: Iterable[_Chain]) -> None:
    """Raise :class:`FlawError` if a preset has too many effects, before one is made."""
    count = 0
    for table, name, at in chains:
        said = table.get(name) if isinstance(table, dict) else None
        count += len(said) if isinstance(said, list) else 0
        if count > _MAX_EFFECTS:
            raise FlawError(f"there are more than {_MAX_EFFECTS} effects by here", *at, name)


def read_chain(path: Path) -> tuple[Effect, ...]:
    """Read a file that holds a chain of effects: ``chain = [{ effect = "Reverb" }, …]``.

    Raises:
        PresetError: the file is no TOML, or breaks the rules.
    """
    with open_toml(path, PresetError) as tables:
        _count_effects([(tables, "chain", ())])
        take_effects(tables, "chain", path.parent)
        return to_struct(tables, StemSettings).chain
