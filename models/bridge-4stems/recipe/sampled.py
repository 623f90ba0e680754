"""Parts through multisampled instruments: SFZ maps of real basses and guitars, with sfizz."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from samples import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path

    import pysfizz

    from midi import Part

BLOCK_FRAMES = 1024
OCTAVE = 12


@dataclass(frozen=True)
class Instrument:
    """An SFZ instrument.

    Attributes:
        path: the SFZ file.
        programs: General MIDI programs that it can stand for.
        lowest_key, highest_key: what it plays, as it sounds; what is beyond moves by octaves.
        octaves_low: by how many octaves the map sounds below its keys.
        licence: SPDX expression of its sounds.
    """

    path: Path
    programs: tuple[int, ...]
    lowest_key: int
    highest_key: int
    octaves_low: int = 0
    licence: str = "CC0-1.0"

    def render(self, part: Part, frames: int) -> np.ndarray:
        """Return what the part sounds like: float32 (2, frames) at 44.1 kHz.

        Raises:
            FileNotFoundError: there is no such map.
        """
        synth = _synth(self.path)
        synth.all_sound_off()
        events: dict[int, list[tuple[int, str, int, int]]] = {}
        for note in part.notes:
            key = self._mapped(note.key)
            for time_s, name, velocity in (
                (note.start_s, "note_on", note.velocity),
                (note.end_s, "note_off", 0),
            ):
                block, delay = divmod(round(time_s * SAMPLE_RATE_HZ), BLOCK_FRAMES)
                events.setdefault(block, []).append((delay, name, key, velocity))
        blocks = []
        for block in range(-(-frames // BLOCK_FRAMES)):
            for delay, name, key, velocity in sorted(events.get(block, ())):
                getattr(synth, name)(delay, key, velocity)
            blocks.append(np.array(synth.render_block(), np.float32))
        return np.concatenate(blocks, axis=1)[:, :frames]

    def _mapped(self, key: int) -> int:
        """Return the key of the map that sounds like a key, in a playable octave."""
        while key < self.lowest_key:
            key += OCTAVE
        while key > self.highest_key:
            key -= OCTAVE
        return key + OCTAVE * self.octaves_low


@cache
def _synth(path: Path) -> pysfizz._sfizz.Synth:
    """Return the player of a map, loaded once a process.

    It is pysfizz's inner player: the outer one plays one note at a time, without voices that
    overlap and without the alternation of recordings from note to note.
    """
    import pysfizz

    player = pysfizz.Synth(SAMPLE_RATE_HZ, BLOCK_FRAMES)
    player.load_sfz_file(path)
    return player._synth


def basses(folder: Path) -> list[Instrument]:
    """Return the basses in a folder of the shared samples."""
    electric = tuple(range(33, 40))
    growly = ("clean", "dirty", "angry", "shifty", "excessive")
    pizzicato = folder / "double-bass" / "d_smolken_rubner_bass_pizz.sfz"
    return [
        *(
            Instrument(folder / "growlybass" / f"growlybass_{name}.sfz", electric, 25, 60, 1)
            for name in growly
        ),
        Instrument(pizzicato, (32, 33, 35, 43), 24, 60),
    ]


def guitars(folder: Path) -> list[Instrument]:
    """Return the electric guitars in a folder of the shared samples."""
    electric = tuple(range(24, 32))
    programs = folder / "black-and-green-guitars" / "Programs"
    return [
        *(
            Instrument(folder / "emilyguitar" / f"emily_{name}.sfz", electric, 36, 86)
            for name in ("clean", "basic", "three_voice")
        ),
        *(
            Instrument(programs / f"{name}.sfz", electric, 40, 86)
            for name in ("04-green_twang", "07-black_twang", "10-combo_twang", "08-black_staccato")
        ),
    ]
