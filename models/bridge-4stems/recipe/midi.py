"""MIDI files as parts: what one instrument plays, in seconds, ready to be varied and rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, BinaryIO

import mido

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

STEMS = ("drums", "bass", "other", "piano")
DRUM_CHANNEL = 9

# General MIDI programs, counted from 0 (MIDI Manufacturers Association, GM Level 1, 1991).
PIANOS = range(6)  # grand pianos and electric pianos; harpsichord and clavinet are "other"
GUITARS = range(24, 32)
BASSES = range(32, 40)
LOW_OR_HIGH = (43, 58, 87)  # contrabass, tuba, bass + lead: bass only where they play low
UNPITCHED = (113, 115, 116, 117, 118, 119)  # agogo, woodblock, taiko, toms, reversed cymbal
LOW_KEY = 48

# Programs that stand in for each other without changing what the part is.
FAMILIES = (
    (0, 1, 2),
    (4, 5),
    (16, 17, 18),
    (24, 25),
    (26, 27, 28),
    (29, 30),
    (33, 34, 35, 36, 37),
    (38, 39),
    (48, 49, 50, 51),
    (52, 53, 54),
    (61, 62, 63),
    (65, 66),
    tuple(range(80, 86)),
    tuple(range(88, 96)),
)
LEADS = (11, 22, 25, 26, 27, 29, 30, 40, 56, 59, 65, 66, 68, 71, 73, 75, 80, 81, 82, 84)


@dataclass(frozen=True)
class Note:
    """A note: its time in seconds, its key (60 is middle C) and its velocity, 1 to 127."""

    start_s: float
    end_s: float
    key: int
    velocity: int


@dataclass(frozen=True)
class Control:
    """A control change; number None is the pitch wheel, with values from -8192 to 8191."""

    time_s: float
    number: int | None
    value: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays.

    Attributes:
        channel: of the file that it comes from.
        program: General MIDI program from 0; of a drum part: the kit.
        is_drums: keys are drums.
        notes: in order of time.
        controls: in order of time.
    """

    channel: int
    program: int
    is_drums: bool
    notes: tuple[Note, ...]
    controls: tuple[Control, ...] = ()

    @property
    def stem(self) -> str:
        """The stem that the instrument belongs to, one of `STEMS`."""
        if self.is_drums or self.program in UNPITCHED:
            return "drums"
        low = bool(self.notes) and median(note.key for note in self.notes) < LOW_KEY
        if self.program in BASSES or (self.program in LOW_OR_HIGH and low):
            return "bass"
        return "piano" if self.program in PIANOS else "other"

    def split(self, belongs: Callable[[Note], bool]) -> tuple[Part, Part]:
        """Return the part with the notes that belong, and with the others."""
        chosen = tuple(note for note in self.notes if belongs(note))
        others = tuple(note for note in self.notes if not belongs(note))
        return replace(self, notes=chosen), replace(self, notes=others)

    def rekeyed(self, keys: Mapping[int, int]) -> Part:
        """Return the part with keys moved: those in the mapping to what it says."""
        notes = (replace(note, key=keys.get(note.key, note.key)) for note in self.notes)
        return replace(self, notes=tuple(notes))


def read_parts(file: BinaryIO) -> list[Part]:
    """Return the parts of a MIDI file: a channel is as many parts as it uses programs.

    Raises:
        ValueError: the file is not MIDI, or is broken.
    """
    programs = [0] * 16
    notes: dict[tuple[int, int], list[Note]] = {}
    controls: list[list[Control]] = [[] for _ in programs]
    sounding: dict[tuple[int, int], tuple[float, int, int]] = {}
    now_s = 0.0
    for message in _messages(file):
        now_s += message.time
        if message.type == "program_change":
            programs[message.channel] = message.program
        elif message.type == "control_change" and message.control not in (0, 32):  # no banks
            controls[message.channel].append(Control(now_s, message.control, message.value))
        elif message.type == "pitchwheel":
            controls[message.channel].append(Control(now_s, None, message.pitch))
        elif message.type in ("note_on", "note_off"):
            begun = sounding.pop((message.channel, message.note), None)
            if begun:
                start_s, velocity, program = begun
                note = Note(start_s, max(now_s, start_s + 0.02), message.note, velocity)
                notes.setdefault((message.channel, program), []).append(note)
            if message.type == "note_on" and message.velocity:
                sounding[message.channel, message.note] = (
                    now_s,
                    message.velocity,
                    programs[message.channel],
                )
    return [
        Part(
            channel,
            program,
            channel == DRUM_CHANNEL,
            tuple(sorted(played, key=lambda note: note.start_s)),
            tuple(controls[channel]),
        )
        for (channel, program), played in notes.items()
    ]


def _messages(file: BinaryIO) -> mido.MidiFile:
    """Return the messages of a MIDI file, each with the seconds since the one before it."""
    try:
        return mido.MidiFile(file=file, clip=True)
    except (OSError, EOFError, IndexError, KeyError, mido.KeySignatureError) as error:
        raise ValueError(f"not MIDI: {error!r}") from error


def length_s(parts: Iterable[Part]) -> float:
    """Return when the last note ends, in seconds."""
    return max((note.end_s for part in parts for note in part.notes), default=0.0)


def crop(parts: Sequence[Part], start_s: float, seconds: float) -> list[Part]:
    """Return what is played in a window, counted from its start, each part with its settings."""
    end_s = start_s + seconds
    cropped = []
    for part in parts:
        notes = tuple(
            replace(note, start_s=note.start_s - start_s, end_s=min(note.end_s, end_s) - start_s)
            for note in part.notes
            if start_s <= note.start_s < end_s
        )
        controls = tuple(
            replace(control, time_s=max(0.0, control.time_s - start_s))
            for control in part.controls
            if control.time_s < end_s
        )
        if notes:
            cropped.append(replace(part, notes=notes, controls=controls))
    return cropped


def busiest(parts: Sequence[Part], seconds: float, rng: random.Random) -> list[Part]:
    """Return a window in which as many stems and notes as possible play."""
    latest_s = max(0.0, length_s(parts) - seconds)
    windows = [crop(parts, rng.uniform(0, latest_s), seconds) for _ in range(4 if latest_s else 1)]
    return max(
        windows,
        key=lambda window: (
            len({part.stem for part in window}),
            sum(len(part.notes) for part in window),
        ),
    )


@dataclass(frozen=True)
class Feel:
    """How far a player strays from the sheet: standard deviations in seconds and in velocity."""

    timing_s: float = 0.006
    velocity: float = 6.0


def humanise(part: Part, feel: Feel, rng: random.Random) -> Part:
    """Return the part with each note a little early or late, harder or softer."""
    notes = []
    for note in part.notes:
        shift_s = max(rng.gauss(0, feel.timing_s), -note.start_s)
        velocity = min(127, max(1, round(note.velocity + rng.gauss(0, feel.velocity))))
        notes.append(Note(note.start_s + shift_s, note.end_s + shift_s, note.key, velocity))
    return replace(part, notes=tuple(sorted(notes, key=lambda note: note.start_s)))


def transpose(part: Part, semitones: int) -> Part:
    """Return the part in another key; drums stay."""
    if part.is_drums:
        return part
    notes = (replace(note, key=min(127, max(0, note.key + semitones))) for note in part.notes)
    return replace(part, notes=tuple(notes))


def another_program(part: Part, rng: random.Random) -> Part:
    """Return the part on another instrument of the same family."""
    for family in FAMILIES:
        if part.program in family and not part.is_drums:
            return replace(part, program=rng.choice(family))
    return part
