"""A model of Ableton Live, for scripts that run in it.

What can be read and set, and of which type, is looked up in the stubs of Live's own interface; so
is each refusal, whose words must stand in the docstring of what refuses. Beyond the stubs it holds
what those report who drive the real one: objects are made anew each time and are equal by what
they point to, one that is gone equals None, a change from a notification is refused, markers
never cross, the last warp marker is hidden, and copying a clip of the arrangement over others
ends Live.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import threading
import time
import types
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
import soundfile

from daw_bridge import Audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pytest

STUBS = "ableton-live-stubs"
RATE_HZ = 44_100
BPM_RANGE = (5, 999)
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "bool": (bool,), "int": (int,), "float": (int, float),
}  # fmt: skip


# --- What the stubs say


@cache
def stub(module: str, name: str) -> ast.ClassDef:
    """Return a class of the stubs; ``Song.View`` is nested."""
    (path,) = (
        Path(str(file.locate()))
        for file in metadata.files(STUBS) or ()
        if file.name == f"{module}.pyi"
    )
    scope: Any = ast.parse(path.read_text("utf-8"))
    for part in name.split("."):
        (scope,) = (n for n in scope.body if isinstance(n, ast.ClassDef) and n.name == part)
    return scope


def definitions(of: type[LomObject], name: str) -> list[ast.FunctionDef]:
    """Return a property and its setter, or a method; an error where Live has none."""
    found = [
        node
        for node in stub(*of.stub).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    assert found, f"Live's {of.__name__} has no {name}"
    return found


def refuse(of: type[LomObject], member: str, words: str) -> NoReturn:
    """Refuse as Live does, for a reason that the stubs give."""
    told = " ".join((ast.get_docstring(definitions(of, member)[0]) or "").split())
    assert words in told, f"the stubs do not say of {member}: {words}"
    raise RuntimeError(words)


# --- Objects


class Core:
    """What Live's objects point to."""

    def __init__(self, live: Live, **values: Any) -> None:
        self.live = live
        self.values = values
        self.is_gone = False


class LomObject:
    """An object of Live's, made anew each time that it is asked for."""

    stub: ClassVar[tuple[str, str]]
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, core: Core) -> None:
        object.__setattr__(self, "core", core)

    def __eq__(self, other: object) -> bool:
        core: Core = object.__getattribute__(self, "core")
        if other is None:
            return core.is_gone
        return isinstance(other, LomObject) and object.__getattribute__(other, "core") is core

    def __getattribute__(self, name: str) -> Any:
        core: Core = object.__getattribute__(self, "core")
        if name == "core":
            return core
        assert threading.current_thread() is threading.main_thread()
        if core.is_gone and not name.startswith("__"):
            raise RuntimeError("it is gone")
        if not name.startswith("_") and name != "stub":
            definitions(type(self), name)
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        getter, *setter = definitions(type(self), name)
        if not setter:
            raise AttributeError(f"can't set attribute '{name}'")
        kind = ast.unparse(setter[0].args.args[1].annotation or getter)
        if kind in TYPES and not isinstance(value, TYPES[kind]):
            raise TypeError("Python argument types did not match C++ signature")
        self.core.live.change(f"{type(self).__name__}.{name}")
        object.__setattr__(self, name, value)


class Value:
    """A property that is kept as it was set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: LomObject, owner: type) -> Any:
        return instance.core.values[self.name]

    def __set__(self, instance: LomObject, value: Any) -> None:
        instance.core.values[self.name] = value


class Vector(tuple[Any, ...]):
    """What Live returns for a list: read only."""

    __slots__ = ()


class Parameter(LomObject):
    stub = ("DeviceParameter", "DeviceParameter")
    value = Value()


class Mixer(LomObject):
    stub = ("MixerDevice", "MixerDevice")

    @property
    def volume(self) -> Parameter:
        return Parameter(self.core.values["volume"])

    @property
    def panning(self) -> Parameter:
        return Parameter(self.core.values["panning"])


@dataclass
class WarpMarker:
    sample_time: float
    beat_time: float


class AudioValue(Value):
    """One that only audio clips have, between two bounds if it has any."""

    def __init__(self, lowest: float = -np.inf, highest: float = np.inf) -> None:
        self.lowest, self.highest = lowest, highest

    def __get__(self, instance: LomObject, owner: type) -> Any:
        check_audio(instance, self.name)
        return super().__get__(instance, owner)

    def __set__(self, instance: LomObject, value: Any) -> None:
        check_change(instance, self.name)
        if not self.lowest <= value <= self.highest:
            raise RuntimeError("Invalid value")
        super().__set__(instance, value)


class ClipValue(Value):
    """One that does not change while the track is frozen."""

    def __set__(self, instance: LomObject, value: Any) -> None:
        if instance.core.values["track"].values["is_frozen"]:
            refuse(Track, "is_frozen", "No changes should be applied")
        super().__set__(instance, value)


class LaunchValue(ClipValue):
    """One that is only known to be there in the session."""

    def __get__(self, instance: LomObject, owner: type) -> Any:
        assert not instance.core.values["is_arrangement_clip"]
        return super().__get__(instance, owner)


def check_audio(clip: LomObject, member: str) -> None:
    if clip.core.values["path"] is None:
        refuse(Clip, member, "Available for AudioClips only.")


def check_change(clip: LomObject, member: str) -> None:
    check_audio(clip, member)
    if clip.core.values["track"].values["is_frozen"]:
        refuse(Track, "is_frozen", "No changes should be applied")


WITHOUT_LOOP = {"start_marker": "loop_start", "end_marker": "loop_end"}


class Edge:
    """An end of a clip or of its loop, which never passes the other."""

    def __init__(self, other: str, side: int) -> None:
        self.other, self.side = other, side

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def key(self, instance: LomObject, name: str) -> str:
        return name if instance.core.values["looping"] else WITHOUT_LOOP.get(name, name)

    def __get__(self, instance: LomObject, owner: type) -> float:
        return float(instance.core.values[self.key(instance, self.name)])

    def __set__(self, instance: LomObject, value: float) -> None:
        if instance.core.values["is_arrangement_clip"]:
            raise NotImplementedError("how the arrangement changes is not known")
        other = instance.core.values[self.key(instance, self.other)]
        if (value - other) * self.side <= 0:
            raise RuntimeError("Invalid value: the start would not be before the end")
        instance.core.values[self.key(instance, self.name)] = float(value)


class Clip(LomObject):
    stub = ("Clip", "Clip")
    name = ClipValue()
    color = ClipValue()
    muted = ClipValue()
    groove = ClipValue()
    launch_mode = LaunchValue()
    launch_quantization = LaunchValue()
    legato = LaunchValue()
    gain = AudioValue(0, 1)
    pitch_coarse = AudioValue(-48, 48)
    pitch_fine = AudioValue(-500, 500)
    warp_mode = AudioValue()
    is_arrangement_clip = Value()
    is_recording = Value()
    start_time = Value()
    end_time = Value()
    start_marker = Edge("end_marker", -1)
    end_marker = Edge("start_marker", 1)
    loop_start = Edge("loop_end", -1)
    loop_end = Edge("loop_start", 1)

    @property
    def is_session_clip(self) -> bool:
        return not self.core.values["is_arrangement_clip"]

    @property
    def is_audio_clip(self) -> bool:
        return self.core.values["path"] is not None

    @property
    def is_midi_clip(self) -> bool:
        return self.core.values["path"] is None

    @property
    def file_path(self) -> str:
        check_file = self.core.values["path"]
        return str(check_file) if check_file else ""

    @property
    def sample_length(self) -> int:
        check_audio(self, "sample_length")
        return frames_of(self.core.values["path"])

    @property
    def looping(self) -> bool:
        return bool(self.core.values["looping"])

    @looping.setter
    def looping(self, value: bool) -> None:
        if value and not self.core.values["warping"]:
            refuse(Clip, "looping", "Only Warped Audio Clips or MIDI Clip can be looped")
        self.core.values["looping"] = value

    @property
    def warping(self) -> bool:
        check_audio(self, "warping")
        return bool(self.core.values["warping"])

    @warping.setter
    def warping(self, value: bool) -> None:
        check_change(self, "warping")
        if value != self.core.values["warping"]:
            self.core.values["looping"] &= value
            warp_by_default(self.core, is_on=value)

    @property
    def warp_markers(self) -> Vector:
        check_audio(self, "warp_markers")
        unit = self.core.live.units_a_second
        return Vector(WarpMarker(s * unit, beat) for s, beat in self.core.values["markers"])

    def add_warp_marker(self, marker: WarpMarker, /) -> None:
        seconds = marker.sample_time / self.core.live.units_a_second
        if not 0 <= seconds <= frames_of(self.core.values["path"]) / RATE_HZ:
            refuse(Clip, "add_warp_marker", "Adds the specified warp marker, if possible.")
        own = self.core.values["markers"]
        self._set_markers([*own[:-1], (seconds, marker.beat_time)], "add_warp_marker")

    def move_warp_marker(self, beat: float, distance: float, /) -> None:
        moved = [(s, b + distance * (b == beat)) for s, b in self._seen(beat, "move_warp_marker")]
        self._set_markers(moved, "move_warp_marker")

    def remove_warp_marker(self, beat: float, /) -> None:
        left = [(s, b) for s, b in self._seen(beat, "remove_warp_marker") if b != beat]
        self._set_markers(left, "remove_warp_marker")

    def _seen(self, beat: float, member: str) -> list[tuple[float, float]]:
        seen: list[tuple[float, float]] = self.core.values["markers"][:-1]
        if beat not in [b for _, b in seen]:
            refuse(Clip, member, "warp marker")
        return seen

    def _set_markers(self, seen: list[tuple[float, float]], member: str) -> None:
        """Set those that are seen; the hidden one goes on as fast as the last two."""
        check_change(self, member)
        seen = sorted(seen)
        if not self.core.values["warping"] or not seen:
            refuse(Clip, member, "if possible")
        tempos = [60 * (b2 - b1) / max(s2 - s1, 1e-9) for (s1, b1), (s2, b2) in pairwise(seen)]
        if any(not BPM_RANGE[0] <= tempo <= BPM_RANGE[1] for tempo in tempos):
            refuse(Clip, member, "if possible")
        tempo = tempos[-1] if tempos else 120.0
        self.core.values["markers"] = [*seen, hidden_after(seen[-1], tempo)]


class ClipSlot(LomObject):
    stub = ("ClipSlot", "ClipSlot")

    @property
    def has_clip(self) -> bool:
        return self.core.values["clip"] is not None

    @property
    def clip(self) -> Clip | None:
        clip = self.core.values["clip"]
        return None if clip is None else Clip(clip)

    def create_audio_clip(self, path: str, /) -> Clip:
        track = self.core.values["track"].values
        self.core.live.change("ClipSlot.create_audio_clip")
        if self.has_clip or track["is_frozen"] or not track["has_audio_input"]:
            refuse(ClipSlot, "create_audio_clip", "Throws an error when called on non-empty slots")
        if not (Path(path).is_absolute() and Path(path).is_file()):
            refuse(ClipSlot, "create_audio_clip", "the path doesn't point at a valid audio file")
        self.core.values["clip"] = new_clip(self.core.live, self.core.values["track"], path)
        return Clip(self.core.values["clip"])

    def delete_clip(self) -> None:
        self.core.live.change("ClipSlot.delete_clip")
        if not self.has_clip:
            refuse(ClipSlot, "delete_clip", "Raises an exception if the slot was empty.")
        self.core.values["clip"].is_gone = True
        self.core.values["clip"] = None


class TakeLane(LomObject):
    stub = ("TakeLane", "TakeLane")

    @property
    def arrangement_clips(self) -> Vector:
        return Vector(Clip(core) for core in self.core.values["clips"])


class Track(LomObject):
    stub = ("Track", "Track")
    name = Value()
    color = Value()
    mute = Value()
    is_frozen = Value()
    is_part_of_selection = Value()
    has_audio_input = Value()

    @property
    def is_grouped(self) -> bool:
        return self.core.values["group"] is not None

    @property
    def group_track(self) -> Track | None:
        group = self.core.values["group"]
        return None if group is None else Track(group)

    @property
    def mixer_device(self) -> Mixer:
        return Mixer(self.core.values["mixer"])

    @property
    def clip_slots(self) -> Vector:
        return Vector(ClipSlot(core) for core in self.core.values["slots"])

    @property
    def take_lanes(self) -> Vector:
        return Vector(TakeLane(core) for core in self.core.values["lanes"])

    @property
    def arrangement_clips(self) -> Vector:
        clips = sorted(self.core.values["clips"], key=lambda core: core.values["start_time"])
        return Vector(Clip(core) for core in clips)

    def get_data(self, key: str, default: object, /) -> Any:
        return self.core.values["data"].get(key, default)

    def set_data(self, key: str, value: object, /) -> None:
        self.core.live.change("Track.set_data")
        self.core.values["data"][key] = value

    def duplicate_clip_to_arrangement(self, clip: Clip, beat: float, /) -> Clip:
        live, of = self.core.live, clip.core
        live.change("Track.duplicate_clip_to_arrangement")
        if (of.values["path"] is not None) != self.core.values["has_audio_input"]:
            refuse(Track, "duplicate_clip_to_arrangement", "a runtime error is raised")
        if not 0 <= beat <= 1576800 or self.core.values["is_frozen"]:
            refuse(Track, "create_audio_clip", "outside the [0., 1576800.] range")
        assert not of.values["is_arrangement_clip"], "this ends Live, where clips overlap"
        length = of.values["loop_end"] - of.values["loop_start"]
        length *= 1 if of.values["warping"] else live.tempo / 60
        copy = Core(live, **of.values)
        copy.values |= {"is_arrangement_clip": True, "track": self.core}
        beat += live.misplaces_by
        copy.values |= {"start_time": beat, "end_time": beat + length}
        for other in self.core.values["clips"]:
            gap = max(beat - other.values["end_time"], other.values["start_time"] - beat - length)
            assert gap >= -1e-9, "Live would cut a clip that is there"
        self.core.values["clips"].append(copy)
        return Clip(copy)


class SongView(LomObject):
    stub = ("Song", "Song.View")
    selected_track = Value()

    @property
    def detail_clip(self) -> Clip | None:
        core = self.core.values["clip"]
        return None if core is None or core.is_gone else Clip(core)

    @detail_clip.setter
    def detail_clip(self, clip: Clip | None) -> None:
        self.core.values["clip"] = None if clip is None else clip.core


class Song(LomObject):
    stub = ("Song", "Song")
    file_path = Value()
    tempo = Value()
    can_redo = Value()

    @property
    def view(self) -> SongView:
        return SongView(self.core.values["view"])

    @property
    def tracks(self) -> Vector:
        return Vector(Track(core) for core in self.core.values["tracks"])

    def create_audio_track(self, index: int | None = None, /) -> Track:
        live, tracks = self.core.live, self.core.values["tracks"]
        live.change("Song.create_audio_track")
        index = len(tracks) if index in {None, -1} else index
        assert index is not None
        if not 0 <= index <= len(tracks) or len(tracks) >= live.most_tracks:
            raise live.modules["Live.Base"].LimitationError("no more tracks")
        group = tracks[index].values["group"] if index < len(tracks) else None
        if live.takes_into_groups and group is None and index:
            group = tracks[index - 1].values["group"]
        core = new_track(live, f"{index + 1}-Audio", group=group)
        tracks.insert(index, core)
        self.view.core.values["selected_track"] = Track(core)
        return Track(core)

    def begin_undo_step(self) -> None:
        assert not self.core.live.is_notifying
        self.core.live.undo_depth += 1
        self.core.live.undo_steps.append([])

    def end_undo_step(self) -> None:
        self.core.live.undo_depth -= 1


# --- Files


@cache
def frames_read(path: str, _modified_ns: int) -> int:
    try:
        return int(soundfile.info(path).frames)
    except soundfile.LibsndfileError:
        return -1


def frames_of(path: Path | str) -> int:
    """Return how long a file is; -1 where there is no audio."""
    return frames_read(str(path), Path(path).stat().st_mtime_ns) if Path(path).is_file() else -1


def hidden_after(last: tuple[float, float], tempo: float) -> tuple[float, float]:
    return last[0] + 60 / tempo / 32, last[1] + 1 / 32


def warp_by_default(core: Core, *, is_on: bool) -> None:
    """Warp a file as Live guesses, with a marker too many; or play it as it is."""
    seconds = frames_of(core.values["path"]) / RATE_HZ
    guess = [(0.0, 0.0), (seconds * 0.4, seconds * 0.4 * 97 / 60)]
    core.values["warping"] = is_on
    core.values["markers"] = [*guess, hidden_after(guess[-1], 97)] if is_on else []
    end = seconds * 97 / 60 if is_on else seconds
    core.values |= {"start_marker": 0.0, "end_marker": end, "loop_start": 0.0, "loop_end": end}


def new_clip(live: Live, track: Core, path: Path | str | None) -> Core:
    """Make a clip as Live's preferences want it: warped and looped, or neither."""
    core = Core(
        live, track=track, path=path, name=Path(path).stem if path else "MIDI", color=0xFF0000,
        muted=False, groove=None, launch_mode=0, launch_quantization=0, legato=False, gain=0.4,
        pitch_coarse=0, pitch_fine=0.0, warp_mode=0, is_arrangement_clip=False, is_recording=False,
        start_time=0.0, end_time=0.0, looping=False, warping=False, markers=[],
        start_marker=0.0, end_marker=4.0, loop_start=0.0, loop_end=4.0,
    )  # fmt: skip
    if path:
        warp_by_default(core, is_on=live.warps_new_clips)
        core.values["looping"] = live.warps_new_clips
    return core


def new_track(live: Live, name: str, *, is_audio: bool = True, group: Core | None = None) -> Core:
    mixer = Core(live, volume=Core(live, value=0.85), panning=Core(live, value=0.0))
    core = Core(
        live, name=name, color=0, mute=False, is_frozen=False, is_part_of_selection=False,
        has_audio_input=is_audio, group=group, mixer=mixer, lanes=[], clips=[], data={},
    )  # fmt: skip
    core.values["slots"] = [Core(live, track=core, clip=None) for _ in range(live.scenes)]
    return core


# --- Live itself


class Timer:
    """Live's own, which an error stops for good."""

    live: ClassVar[Live]

    def __init__(
        self, callback: Any, interval: int, repeat: bool = False, start: bool = False
    ) -> None:
        self.callback, self.interval_s = callback, interval / 1000
        self.running = start
        assert repeat
        self.live.timers.append(self)

    def stop(self) -> None:
        self.running = False


@dataclass
class Live:
    """Live with one set: what a test prepares, and what came of it.

    Attributes:
        units_a_second: how Live counts places in a file: the stubs do not say.
        takes_into_groups: whether a new track below the last of a group is in it.
        misplaces_by: beats by which clips come too late: not as the real one does.
        boxes: texts of message boxes.
        said: texts at the bottom of the window.
        changes: of what the script changed, outside of a step to undo.
    """

    units_a_second: float = 1.0
    warps_new_clips: bool = True
    takes_into_groups: bool = True
    misplaces_by: float = 0.0
    most_tracks: int = 64
    scenes: int = 8
    tempo: float = 120.0
    focused_view: str = "Arranger"
    boxes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    mapped: list[tuple[int, int]] = field(default_factory=list)
    undo_steps: list[list[str]] = field(default_factory=list)
    undo_depth: int = 0
    is_notifying: bool = False
    while_boxed: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        view = Core(self, clip=None, selected_track=None)
        self.song_core = Core(self, view=view, tracks=[], file_path="", tempo=self.tempo)
        self.song_core.values["can_redo"] = False
        self.modules = make_modules(self)

    def change(self, what: str) -> None:
        """Note a change; refuse it where Live does."""
        if self.is_notifying:
            raise RuntimeError("Changes cannot be triggered by notifications.")
        assert self.undo_depth, f"{what} is a step to undo of its own"
        self.undo_steps[-1].append(what)

    # What Live gives to a script

    def song(self) -> Song:
        return Song(self.song_core)

    def handle(self) -> int:
        return 1

    def show_message(self, text: str, /) -> None:
        self.said.append(text)

    def log_message(self, text: str, /) -> None:
        self.logged.append(text)

    # What a test does as the user

    def add_track(self, name: str, **values: Any) -> Core:
        group = values.pop("group", None)
        core = new_track(self, name, is_audio=values.pop("is_audio", True), group=group)
        core.values |= values
        self.song_core.values["tracks"].append(core)
        return core

    def add_clip(self, track: Core, path: Path | None, beat: float, **values: Any) -> Core:
        """Put a clip into the arrangement, or with ``slot`` into the session; show it."""
        slot = values.pop("slot", None)
        core = new_clip(self, track, path)
        if "warping" in values:
            warp_by_default(core, is_on=values.pop("warping"))
            core.values["looping"] = False
        core.values |= values
        if slot is None:
            core.values["is_arrangement_clip"] = True
            core.values["start_time"] = beat
            length = core.values["loop_end"] - core.values["loop_start"]
            length *= 1 if core.values["warping"] else self.tempo / 60
            core.values.setdefault("beats", length)
            core.values["end_time"] = beat + core.values["beats"]
            track.values["clips"].append(core)
        else:
            track.values["slots"][slot].values["clip"] = core
        self.song_core.values["view"].values["clip"] = core
        return core

    def run(self, is_done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Let Live's timers go until something is done."""
        deadline_s = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < deadline_s, (self.said, self.boxes, self.logged)
            time.sleep(0.02)
            self.tick()

    def tick(self) -> None:
        for timer in self.timers:
            if timer.running:
                try:
                    timer.callback()
                except Exception:
                    timer.running = False
                    raise
        assert self.undo_depth == 0

    def track(self, name: str) -> Core:
        (core,) = (t for t in self.song_core.values["tracks"] if t.values["name"] == name)
        return core

    @property
    def names(self) -> list[str]:
        return [core.values["name"] for core in self.song_core.values["tracks"]]


class View(LomObject):
    stub = ("Application", "Application.View")

    @property
    def focused_document_view(self) -> str:
        return str(self.core.live.focused_view)


class Application(LomObject):
    stub = ("Application", "Application")

    @property
    def view(self) -> View:
        return View(self.core)

    def show_on_the_fly_message(self, text: str, /) -> int:
        self.core.live.boxes.append(text)
        self.core.live.while_boxed()
        return 0


def make_modules(live: Live) -> dict[str, Any]:
    """Return the module ``Live`` and those in it, for one set."""

    def forward(kind: int) -> Callable[[int, int, int, int], bool]:
        def note(handle: int, midi_map: int, channel: int, number: int, /) -> bool:
            live.mapped.append((kind, number))
            return True

        return note

    contents: dict[str, dict[str, Any]] = {
        "Base": {
            "Timer": type("Timer", (Timer,), {"live": live}),
            "LimitationError": type("LimitationError", (Exception,), {}),
        },
        "Application": {"get_application": lambda: Application(Core(live))},
        "Clip": {"WarpMarker": WarpMarker},
        "MidiMap": {
            "forward_midi_note": forward(0x90),
            "forward_midi_cc": forward(0xB0),
            "MapMode": types.SimpleNamespace(absolute=0),
        },
    }
    package = types.ModuleType("Live")
    modules: dict[str, Any] = {"Live": package}
    for name, values in contents.items():
        modules[f"Live.{name}"] = types.ModuleType(f"Live.{name}")
        vars(modules[f"Live.{name}"]).update(values)
        setattr(package, name, modules[f"Live.{name}"])
    return modules


def load_script(folder: Path, live: Live, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load an installed script as Live does, and return its control surface."""
    for name, module in live.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, folder.name, module)
    spec.loader.exec_module(module)
    return module.create_instance(live)


# --- What is heard


def heard(clips: Iterable[Core], beats: np.ndarray) -> np.ndarray:
    """Return what clips of the arrangement play at beats, muted or not: (channels, beats)."""
    total = np.zeros((2, len(beats)))
    for clip in clips:
        values = clip.values
        inside = (beats >= values["start_time"]) & (beats < values["end_time"])
        places = content(values, beats[inside] - values["start_time"])
        total[:, inside] += sampled(values, places) * values["gain"]
    return total


def content(values: dict[str, Any], beats: np.ndarray) -> np.ndarray:
    """Return which place of its file, in seconds, a clip plays so many beats after its start."""
    if not values["warping"]:
        return np.asarray(values["loop_start"] + beats * 60 / 120)
    start = values["start_marker"] if values["looping"] else values["loop_start"]
    at = start + beats
    if values["looping"] and start < values["loop_end"]:
        length = values["loop_end"] - values["loop_start"]
        behind = at >= values["loop_end"]
        at[behind] = values["loop_start"] + (at[behind] - values["loop_start"]) % length
    seconds, marked = np.array(values["markers"]).T
    slopes = np.diff(seconds) / np.diff(marked)
    segment = np.clip(np.searchsorted(marked, at, "right") - 1, 0, len(slopes) - 1)
    return np.asarray(seconds[segment] + (at - marked[segment]) * slopes[segment])


def sampled(values: dict[str, Any], seconds: np.ndarray) -> np.ndarray:
    """Return a file's samples at places in seconds, by linear interpolation: (channels, places)."""
    audio = Audio.read(values["path"])
    frames = np.arange(audio.samples.shape[1])
    places = seconds * audio.sample_rate_hz
    return np.stack([np.interp(places, frames, row, 0, 0) for row in audio.samples])


def objects() -> Iterator[type[LomObject]]:
    """Yield all classes of the model."""
    yield from LomObject.__subclasses__()
