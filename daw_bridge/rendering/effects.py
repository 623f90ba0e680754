"""Effects by name: all that pedalboard has, found by asking it, and plugins.

    { effect = "Reverb", room_size = 0.3, wet_level = 0.2 }
    { plugin = "Saturator.vst3", drive = 0.4 }

An effect's parameters are the arguments of its class, under their own names.
"""

from __future__ import annotations

import math
import re
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pedalboard

from daw_bridge.errors import PresetError, suggestion
from daw_bridge.files.blocks import BLOCK_FRAMES, Fifo
from daw_bridge.files.flaws import FlawError
from daw_bridge.rendering.stretching import PitchTempo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daw_bridge.files.blocks import Block

_PARAMETER = re.compile(r"(\w+): (.+?)(?: = (.+?))?(?=, \w+: |$)")
_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("rate_hz", 0, 100),
    ("_hz", 1e-3, 1e6),
    ("_ms", 0, 10_000),
    ("_seconds", 0, 30),
    ("_db", -200, 100),
    ("ratio", 1, 1e6),
    ("feedback", 0, 0.99),
    ("drive", 1, 1000),
    ("resonance", 0, 1),
    ("q", 1e-3, 1000),
)
"""What a parameter may be by the end of its name, where pedalboard takes anything."""

_NO_LIMITS = (-math.inf, math.inf)
_HOSTS = {"ExternalPlugin", "PluginContainer"}
_PITCH_SHIFT = "PitchShift"
_PLUGIN = "plugin"
_BUNDLES = (".vst3", ".component")
"""What folders are called that are plugins: VST3's on every system, Audio Units' on macOS."""
_MAX_BUNDLE_FILES = 10_000
_MAX_FILE_BYTES = 64 << 20
"""Of an impulse response: a minute of stereo at 96 kHz."""


class Parameter(NamedTuple):
    """A parameter of an effect: its name, its Python type in words, and its default in words."""

    name: str
    type: str
    default: str

    def take(self, value: object, folder: Path) -> Any:
        """Return a value in this parameter's type.

        Raises:
            FlawError: it has another type, or is out of range.
        """
        kind = _resolve(self.type)
        if kind is not None:
            members: dict[str, object] = kind.__members__
            if not isinstance(value, str) or value not in members:
                known = ", ".join(members)
                hint = suggestion(str(value), members)
                raise FlawError(f"there is no {value!r}{hint}; there are {known}", self.name)
            return members[value]
        if "str" in self.type:
            return str(find_file(value, folder, key=self.name))
        if self.type == "bool":
            if not isinstance(value, bool):
                raise FlawError(f"is true or false, not {value!r}", self.name)
            return value
        return self._take_number(value)

    def _take_number(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise FlawError(f"is a number, not {value!r}", self.name)
        low, high = next(
            (limits for ending, *limits in _LIMITS if self.name.endswith(ending)), _NO_LIMITS
        )
        if not (math.isfinite(value) and low <= value <= high):
            raise FlawError(f"is from {low:g} to {high:g}, not {value:g}", self.name)
        return float(value)


class EffectType(NamedTuple):
    """An effect that pedalboard has."""

    name: str
    summary: str
    parameters: dict[str, Parameter]

    @property
    def factory(self) -> type[pedalboard.Plugin]:
        """Pedalboard's class."""
        kind: type[pedalboard.Plugin] = getattr(pedalboard, self.name)
        return kind


@cache
def effect_types() -> dict[str, EffectType]:
    """Return every effect that pedalboard has by itself, sorted by name."""
    return {kind.__name__: _describe(kind) for kind in sorted(_leaves(pedalboard.Plugin), key=str)}


def find_file(value: object, folder: Path, *, key: str) -> Path:
    """Return the path of a file, or of a plugin's folder, that lies beside a preset.

    Raises:
        FlawError: it is not there, leads elsewhere, also by a link, or is no file.
    """
    if not isinstance(value, str):
        raise FlawError(f"is the name of a file, not {value!r}", key)
    name = Path(value)
    if name.is_absolute() or ".." in name.parts:
        raise FlawError(f"'{value}' leads out of the preset's folder; put the file there", key)
    path = folder / name
    _check_inside(path, folder, key)
    if path.is_dir() and path.suffix in _BUNDLES and key == _PLUGIN:
        for inner in islice(path.rglob("*"), _MAX_BUNDLE_FILES):
            if inner.is_symlink():
                _check_inside(inner, folder, key)
    elif not path.is_file():
        raise FlawError(f"{path} is no file", key)
    elif key != _PLUGIN and path.stat().st_size > _MAX_FILE_BYTES:
        raise FlawError(f"{path} has more than {_MAX_FILE_BYTES >> 20} MiB", key)
    return path


def _check_inside(path: Path, folder: Path, key: str) -> None:
    """Raise :class:`FlawError` unless a path leads to something in a folder, links followed."""
    try:
        resolved, home = path.resolve(strict=True), folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a ring; a name with NUL
        raise FlawError(f"there is no file {path}", key) from error
    if home not in resolved.parents:
        raise FlawError(
            f"{path} leads out of the preset's folder, to {resolved}; put the file there", key
        )


class Effect(msgspec.Struct, frozen=True):
    """An effect with its parameters, ready to be made.

    Attributes:
        name: an effect of pedalboard, or the path of a plugin.
        parameters: what its class is called with; for a plugin, its own parameters.
        is_plugin: whether it is a plugin.
    """

    name: str
    parameters: dict[str, Any]
    is_plugin: bool = False

    @classmethod
    def parse(cls, table: Mapping[str, Any], folder: Path) -> Effect:
        """Read what a preset says about an effect; files are looked for in a folder.

        Raises:
            FlawError: pedalboard has no such effect, or it has no such parameter or value.
        """
        said = dict(table)
        if _PLUGIN in said:
            path = find_file(said.pop(_PLUGIN), folder, key=_PLUGIN)
            return cls(str(path), said, is_plugin=True)
        types = effect_types()
        name = said.pop("effect", None)
        if not isinstance(name, str):
            raise FlawError('an effect says { effect = "Reverb", … } or { plugin = "FILE", … }')
        if name not in types:
            known = ", ".join(types)
            hint = suggestion(name, types)
            raise FlawError(f"there is no effect '{name}'{hint}; there are {known}", "effect")
        effect = cls(name, dict(_take_parameters(types[name], said, folder)))
        effect._try(types[name])
        return effect

    def make(self) -> pedalboard.Plugin:
        """Return it, ready for its first block.

        Raises:
            PresetError: the plugin cannot be loaded.
        """
        if not self.is_plugin:
            return effect_types()[self.name].factory(**self.parameters)
        try:
            plugin: pedalboard.Plugin = pedalboard.load_plugin(  # type: ignore[attr-defined]
                self.name, parameter_values=dict(self.parameters)
            )
        except Exception as error:
            raise PresetError(f"The plugin {self.name} cannot be used: {error}") from error
        return plugin

    def check_sample_rate(self, sample_rate_hz: int) -> None:
        """Raise :class:`PresetError` if a frequency is beyond what a sample rate can hold."""
        for name, value in self.parameters.items():
            if name.endswith("_hz") and value >= sample_rate_hz / 2:
                raise PresetError(
                    f"{self.name}: {name} is {value:g}, and audio at {sample_rate_hz} Hz ends at"
                    f" {sample_rate_hz / 2:g}."
                )

    def _try(self, kind: EffectType) -> None:
        """Have pedalboard check what it checks."""
        try:
            self.make()
        except (ValueError, TypeError, RuntimeError) as error:
            changed = [*self.parameters][:1]
            for name in self.parameters:
                try:
                    kind.factory(**{name: self.parameters[name]})
                except (ValueError, TypeError, RuntimeError):
                    changed = [name]
            sentence = str(error).splitlines()[0].rstrip(".")
            raise FlawError(sentence, *changed) from error


def take_effects(table: object, name: str, folder: Path, *at: str) -> None:
    """Put effects in the place of what a table at a key says about them under a name, if it does.

    Raises:
        FlawError: an effect cannot be used.
    """
    if not isinstance(table, dict) or name not in table:
        return
    if not isinstance(table[name], list):
        raise FlawError('is a list of effects, [{ effect = "Reverb" }, …]', *at, name)
    for number, said in enumerate(table[name]):
        try:
            effect = Effect.parse(said if isinstance(said, dict) else {}, folder)
        except FlawError as flaw:
            raise FlawError(str(flaw), *at, name, number, *flaw.key) from flaw
        table[name][number] = effect


class EffectChain:
    """A signal's way through effects, block by block; the output is not delayed.

    Where an effect delays its signal, pedalboard makes up for that: the output lines up with the
    input, but comes only with later frames. So after the last, push silence until all has come.

    Args:
        effects: in the order of the signal.
        channels: number of channels.
        sample_rate_hz: frames a second.

    Raises:
        PresetError: an effect cannot be used at this sample rate, or a plugin not at all.
    """

    def __init__(self, effects: Sequence[Effect], *, channels: int, sample_rate_hz: int) -> None:
        for effect in effects:
            effect.check_sample_rate(sample_rate_hz)
        self._rate = sample_rate_hz
        self._stages = list(_stages(effects, channels, sample_rate_hz))
        self._input = Fifo(np.empty((channels, 0), np.float32))

    def push(self, block: Block) -> Block:
        """Return what a block (channels, frames) completes."""
        if not self._stages:
            return block
        self._input.push(block)
        whole = self._input.frames // BLOCK_FRAMES * BLOCK_FRAMES
        # Some effects work in frames of their own, and lose count in blocks of odd sizes.
        signal = self._input.take(whole)
        for stage in self._stages:
            if isinstance(stage, PitchTempo):
                signal = stage.push(signal)
            elif signal.shape[1]:
                signal = stage.process(signal, self._rate, reset=False)
        return signal


def _stages(
    effects: Sequence[Effect], channels: int, sample_rate_hz: int
) -> Iterator[pedalboard.Plugin | PitchTempo]:
    """Yield the effects, ready to run, that a signal goes through one after the other."""
    for effect in effects:
        if effect.name == _PITCH_SHIFT:
            # Pedalboard's own forgets its input between blocks (spotify/pedalboard, issue 415).
            yield PitchTempo(channels, sample_rate_hz, **effect.parameters)
        else:
            yield effect.make()


def _take_parameters(
    kind: EffectType, said: Mapping[str, object], folder: Path
) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        if name not in kind.parameters:
            known = ", ".join(kind.parameters) or "none"
            hint = suggestion(name, kind.parameters)
            raise FlawError(f"{kind.name} has no parameter '{name}'{hint}; it has {known}", name)
        yield name, kind.parameters[name].take(value, folder)
    for name, parameter in kind.parameters.items():
        if not parameter.default and name not in said:
            raise FlawError(f"{kind.name} needs '{name}'", "effect")


def _leaves(kind: type[pedalboard.Plugin]) -> Iterator[type[pedalboard.Plugin]]:
    """Yield the classes of effects below a class: those that are neither abstract nor hosts."""
    for each in kind.__subclasses__():
        is_public = getattr(pedalboard, each.__name__, None) is each
        if each.__name__ in _HOSTS or not is_public:
            continue
        yield from _leaves(each) if each.__subclasses__() else [each]


def _describe(kind: type) -> EffectType:
    """Read the signature that pedalboard's classes have in words only."""
    signature = (kind.__init__.__doc__ or "").partition(" -> ")[0].rstrip(")")  # type: ignore[misc]
    _, _, arguments = signature.partition(", ")
    parameters = {each[0]: Parameter(*each) for each in _PARAMETER.findall(arguments)}
    summary = re.split(r"(?<=\w\w)\.(?:\s|$)", (kind.__doc__ or "").strip())[0]
    return EffectType(kind.__name__, " ".join(summary.split()), parameters)


def _resolve(type_name: str) -> Any:
    """Return the enumeration that a type's name stands for; None where it is no enumeration."""
    if not type_name.startswith("pedalboard"):
        return None
    kind: Any = pedalboard
    for name in type_name.split(".")[1:]:
        kind = getattr(kind, name)
    return kind
