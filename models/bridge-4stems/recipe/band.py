"""A band in a studio: who plays each part, how loud the stems are, and the stems themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from midi import Feel, Part, another_program, humanise, transpose

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from drumkits import Kit
    from sampled import Instrument
    from soundfonts import SoundFont
    from studio import Studio

SAMPLED_DRUMS = 0.5  # shares of the songs
SAMPLED_BASS = 1 / 3
SAMPLED_GUITAR = 0.4
PLUCKED_DB = -24.0  # levels of sampled instruments beside those of a soundfont
KIT_DB = -24.0
PERCUSSION_DB = -30.0
BLOCK_FRAMES = 4410  # 0.1 s
SILENT_DB = -60.0
SOUNDING = 1e-4  # blocks within 40 dB of the loudest one
# How loud a stem is beside the rest, in dB: what mixes of songs cover.
LEVELS_DB = {"drums": (-5.0, 4.0), "bass": (-7.0, 2.0), "piano": (-6.0, 3.0)}

# Keys of General MIDI's drums, and those of a Roland TD-11's rims as they are there.
HATS = (42, 46)
RIDE, CRASH = 51, 49
GM_OF_ROLAND = {22: 42, 26: 46, 58: 43}

Stems = dict[str, np.ndarray]
"""By name: float32 (2, frames) at 44.1 kHz."""


@dataclass(frozen=True)
class Take:
    """What was recorded: stems, and the sounds' licences."""

    stems: Stems
    licences: frozenset[str]


@dataclass
class _Session:
    """A recording in the making."""

    frames: int
    rng: random.Random
    stems: Stems = field(default_factory=dict)
    licences: set[str] = field(default_factory=set)

    def add(self, stem: str, audio: np.ndarray, licence: str) -> None:
        """Mix audio (2, frames) into a stem."""
        if audio.any():
            self.stems[stem] = self.stems[stem] + audio if stem in self.stems else audio
            self.licences.add(licence)

    def play(self, parts: Sequence[Part], font: SoundFont) -> None:
        """Add what a soundfont plays."""
        for stem, audio in font.render(parts, self.frames).items():
            self.add(stem, audio, font.licence)

    def drum(self, parts: Sequence[Part], kit: Kit | SoundFont, level_db: float) -> list[Part]:
        """Add what a kit can play of drum parts, at a level; return what it leaves of them."""
        remaining = []
        for part in parts:
            hit, left = part.split(kit.covers)
            if hit.notes:
                played = kit.render_drums(hit, self.frames, self.rng)
                self.add("drums", at_level(played, level_db), kit.licence)
            if left.notes:
                remaining.append(left)
        return remaining

    def pluck(self, parts: Sequence[Part], instruments: Sequence[Instrument]) -> list[Part]:
        """Add what sampled instruments can play; return the parts that remain."""
        remaining = []
        chosen = self.rng.choice(instruments)
        for part in parts:
            if part.is_drums or part.program not in chosen.programs:
                remaining.append(part)
                continue
            played = chosen.render(part, self.frames)
            self.add(part.stem, at_level(played, PLUCKED_DB), chosen.licence)
        return remaining


def play_band(parts: Sequence[Part], frames: int, studio: Studio, rng: random.Random) -> Take:
    """Return a song as a band of drawn instruments plays it."""
    session = _Session(frames, rng)
    font = rng.choice(studio.fonts)
    font = font.with_kit(rng.choice(font.kits))
    semitones = rng.randint(-3, 3)
    parts = [
        another_program(humanise(transpose(part, semitones), Feel(), rng), rng) for part in parts
    ]
    drums = [part for part in parts if part.is_drums]
    others = [part for part in parts if not part.is_drums]
    if rng.random() < SAMPLED_DRUMS:
        drums = session.drum(drums, studio.draw_drums(rng), KIT_DB)
    session.drum(drums, font, PERCUSSION_DB)
    if studio.basses and rng.random() < SAMPLED_BASS:
        others = session.pluck(others, studio.basses)
    if studio.guitars and rng.random() < SAMPLED_GUITAR:
        others = session.pluck(others, studio.guitars)
    session.play(others, font)
    return Take(levelled(session.stems, rng), frozenset(session.licences))


def play_drums(parts: Sequence[Part], frames: int, studio: Studio, rng: random.Random) -> Take:
    """Return a performance on a drawn kit; what the kit lacks sounds from a soundfont.

    Now and then what the drummer plays on the hi-hat goes to the ride or to a crash cymbal.
    """
    session = _Session(frames, rng)
    cymbal = rng.choices((None, RIDE, CRASH), weights=(6, 2, 1))[0]
    drums = [part.rekeyed(GM_OF_ROLAND) for part in parts if part.is_drums]
    if cymbal is not None:
        drums = [part.rekeyed(dict.fromkeys(HATS, cymbal)) for part in drums]
    remaining = session.drum(drums, studio.draw_drums(rng), KIT_DB)
    session.drum(remaining, studio.fonts[0], PERCUSSION_DB)
    return Take(session.stems, frozenset(session.licences))


def at_level(audio: np.ndarray, level_db: float) -> np.ndarray:
    """Return audio (2, frames) at a level while it sounds, in dB relative to full scale."""
    return audio * np.float32(10 ** ((level_db - active_db(audio)) / 20))


def active_db(audio: np.ndarray) -> float:
    """Return the RMS level of audio while it sounds, in dB; audio is (2, frames) at 44.1 kHz."""
    count = max(1, audio.shape[1] // BLOCK_FRAMES)
    blocks = audio[:, : count * BLOCK_FRAMES].reshape(2, count, -1)
    powers = np.mean(np.square(blocks), axis=(0, 2))
    sounding = powers[powers > max(1e-8, powers.max() * SOUNDING)]
    return 10 * float(np.log10(sounding.mean())) if sounding.size else -120.0


def levelled(stems: Stems, rng: random.Random) -> Stems:
    """Return the stems with drums, bass and piano at drawn levels beside the other instruments."""
    stems = {stem: audio for stem, audio in stems.items() if active_db(audio) > SILENT_DB}
    reference = "other" if "other" in stems else next(iter(stems), None)
    for stem, (low_db, high_db) in LEVELS_DB.items():
        if stem in stems and stem != reference:
            level_db = active_db(stems[reference]) + rng.uniform(low_db, high_db)
            stems[stem] = at_level(stems[stem], level_db)
    return stems
