"""Parts through a soundfont: libfluidsynth, one pass, one dry audio group a stem.

The same parts sound the same, but for the end of the first note that a process plays on a sample:
some milliseconds, below -40 dB. libfluidsynth keeps something of a sample's first voice.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from midi import STEMS
from samples import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from midi import Note, Part

BLOCK_FRAMES = 64  # libfluidsynth renders in blocks of 64: events take effect between them
CHANNELS = 128
ALL_CHANNELS = -1
DRAIN_FRAMES = 4096
DRUM_TYPE = 1  # CHANNEL_TYPE_DRUM
DRUM_BANK = 128
PLAYED_CONTROLS = frozenset({1, 5, 6, 7, 10, 11, 38, 64, 65, 66, 67, 68, 98, 99, 100, 101})
# What fonts of one drum kit have (AVL Drumkits), and their only bass drum.
DRUM_FONT_KEYS = range(35, 60)
DRUM_FONT_STAND_INS = {35: 36}

Event = tuple[float, int, str, tuple[int, ...]]


@dataclass(frozen=True)
class SoundFont:
    """An SF2 file.

    Attributes:
        path: the file.
        licence: SPDX expression of its sounds.
        kits: the programs of its drum kits; empty: it is one kit, and a melodic program.
        kit: the kit that drum parts get; None: the one that they ask for.
    """

    path: Path
    licence: str
    kits: tuple[int, ...] = (0,)
    kit: int | None = None

    def with_kit(self, kit: int) -> SoundFont:
        """Return the soundfont with a kit for all drum parts."""
        return replace(self, kit=kit)

    def render(self, parts: Sequence[Part], frames: int) -> dict[str, np.ndarray]:
        """Return the stems that the parts play, float32 (2, frames) at 44.1 kHz.

        Raises:
            OSError: there is no libfluidsynth, or the file is not a soundfont.
        """
        if self.kit is not None:
            parts = [replace(part, program=self.kit) if part.is_drums else part for part in parts]
        return _synth(self.path).render(parts, frames, has_drum_bank=bool(self.kits))

    def covers(self, note: Note) -> bool:
        """Return whether the font has something to hit for the note's key."""
        return bool(self.kits) or note.key in DRUM_FONT_KEYS

    def render_drums(self, part: Part, frames: int, _rng: random.Random) -> np.ndarray:
        """Return what a drum part sounds like: float32 (2, frames) at 44.1 kHz."""
        if not self.kits:
            part = part.rekeyed(DRUM_FONT_STAND_INS)
        return self.render([part], frames).get("drums", np.zeros((2, frames), np.float32))


class _Synth:
    """A libfluidsynth synthesiser with one audio group a stem."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("fluidsynth") or "libfluidsynth.so.3")
        self._library.new_fluid_settings.restype = ctypes.c_void_p
        self._library.new_fluid_synth.restype = ctypes.c_void_p
        settings = ctypes.c_void_p(self._library.new_fluid_settings())
        for name, value in (
            ("audio-channels", len(STEMS)),
            ("audio-groups", len(STEMS)),
            ("midi-channels", CHANNELS),
            ("reverb.active", 0),
            ("chorus.active", 0),
            ("lock-memory", 0),
            ("dynamic-sample-loading", 1),
            ("polyphony", 256),
        ):
            self._library.fluid_settings_setint(settings, f"synth.{name}".encode(), value)
        rate = ctypes.c_double(SAMPLE_RATE_HZ)
        self._library.fluid_settings_setnum(settings, b"synth.sample-rate", rate)
        self._synth = ctypes.c_void_p(self._library.new_fluid_synth(settings))
        self._font = self._library.fluid_synth_sfload(self._synth, str(path).encode(), 0)
        if self._font < 0:
            raise OSError(f"{path}: not a soundfont")

    def render(
        self, parts: Sequence[Part], frames: int, *, has_drum_bank: bool
    ) -> dict[str, np.ndarray]:
        """Return the stems that the parts play, (2, frames) each, as `SoundFont.render` does."""
        self._silence()
        events: list[Event] = []
        for channel, part in zip(_channels(parts), parts, strict=False):
            self._prepare(channel, part, has_drum_bank=has_drum_bank)
            events.extend(_events(channel, part))
        output = np.zeros((2 * len(STEMS), -(-frames // BLOCK_FRAMES) * BLOCK_FRAMES), np.float32)
        position = 0
        for time_s, _, name, arguments in sorted(events, key=lambda event: event[:2]):
            event_frame = round(time_s * SAMPLE_RATE_HZ / BLOCK_FRAMES) * BLOCK_FRAMES
            position = self._process(output, position, min(event_frame, output.shape[1]))
            self._call(name, *arguments)
        self._process(output, position, output.shape[1])
        stereo = output[:, :frames].reshape(len(STEMS), 2, frames)
        return {stem: stereo[index] for index, stem in enumerate(STEMS) if stereo[index].any()}

    def _silence(self) -> None:
        """End what still sounds: a reset alone lets notes ring on into the next rendering."""
        self._call("all_sounds_off", ALL_CHANNELS)
        self._process(np.zeros((2 * len(STEMS), DRAIN_FRAMES), np.float32), 0, DRAIN_FRAMES)
        self._call("system_reset")

    def _prepare(self, channel: int, part: Part, *, has_drum_bank: bool) -> None:
        as_drums = part.is_drums and has_drum_bank
        program = part.program if has_drum_bank or not part.is_drums else 0
        self._call("set_channel_type", channel, DRUM_TYPE if as_drums else 0)
        self._call("bank_select", channel, DRUM_BANK if as_drums else 0)
        self._call("program_change", channel, program)

    def _process(self, output: np.ndarray, start: int, stop: int) -> int:
        """Render into output (2 · stems, frames) from start to stop; return where it stands."""
        if stop <= start:
            return start
        rows = len(output)
        pointers = (ctypes.c_void_p * rows)(
            *(output[row, start:].ctypes.data for row in range(rows))
        )
        self._call("process", stop - start, 0, None, rows, pointers)
        return stop

    def _call(self, name: str, *arguments: object) -> None:
        getattr(self._library, f"fluid_synth_{name}")(self._synth, *arguments)


@cache
def _synth(path: Path) -> _Synth:
    """Return the synthesiser of a soundfont, loaded once a process."""
    return _Synth(path)


def _channels(parts: Sequence[Part]) -> Iterator[int]:
    """Yield a channel for each part: libfluidsynth sends channel n to audio group n mod groups."""
    used = dict.fromkeys(STEMS, 0)
    for part in parts:
        yield (STEMS.index(part.stem) + len(STEMS) * used[part.stem]) % CHANNELS
        used[part.stem] += 1


def _events(channel: int, part: Part) -> Iterator[Event]:
    """Yield the part's events; of one time, first releases, then controls, then notes."""
    for control in part.controls:
        if control.number is None:
            yield control.time_s, 1, "pitch_bend", (channel, control.value + 8192)
        elif control.number in PLAYED_CONTROLS:
            yield control.time_s, 1, "cc", (channel, control.number, control.value)
    for note in part.notes:
        yield note.start_s, 2, "noteon", (channel, note.key, note.velocity)
        yield note.end_s, 0, "noteoff", (channel, note.key)
