"""Drum parts through one-shot samples: Hydrogen's drum kits and single hits, as one sampler."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from samples import SAMPLE_RATE_HZ, read_stereo

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from midi import Note, Part

# General MIDI's drum keys by what is hit.
KEYS = {
    "kick": (35, 36),
    "stick": (37,),
    "snare": (38, 40),
    "clap": (39,),
    "closed hat": (42,),
    "pedal hat": (44,),
    "open hat": (46,),
    "low tom": (41, 43),
    "mid tom": (45, 47),
    "high tom": (48, 50),
    "crash": (49, 57),
    "ride": (51, 59),
    "bell": (53,),
    "china": (52,),
    "splash": (55,),
    "cowbell": (56,),
}
PIECE_OF_KEY = {key: piece for piece, keys in KEYS.items() for key in keys}

# How kits call the pieces, tried in this order; a roll is no hit.
ROLL = "roll"
NAMES = {
    "kick": r"kick|bass ?drum|bass (hard|soft)|^bd\b|thump|djembe1 bass|dununba1 head mute",
    "cowbell": r"cow ?bell",
    "bell": r"ride.*(bell|cup)|bell$|ride-cup",
    "splash": r"splash",
    "china": r"china|swish",
    "open hat": r"(hat|hh|hi-hat|cymbal).*(open|op\b)|open.*(hat|hh)|\bohh|hat op",
    "pedal hat": r"(hat|hh|cymbal).*(ped|pd\b)|pedal hh",
    "closed hat": r"hat|\bc?hh\b|cymbal closed|maraca|shaker",
    "ride": r"ride|cymbal 2",
    "crash": r"crash|cymbal",
    "clap": r"clap|snaps",
    "stick": r"stick|click|clave|woodblock",
    "snare": r"snare|slap|^sn\b|sangban1 head",
    "high tom": r"tom.*(hi|1\b|12)|high tom|bongo hi|djembe\d tone|kenkeni1 head",
    "low tom": r"tom.*(lo|16)|(low|floor) tom|drum 1|bongo lo|dununba1 head|conga 2",
    "mid tom": r"tom|drum 2|djembe\d bass|conga",
}
# What plays instead where a kit lacks a piece.
STAND_INS = {
    "stick": ("snare", "clap"),
    "clap": ("snare", "stick"),
    "pedal hat": ("closed hat",),
    "open hat": ("crash", "closed hat"),
    "closed hat": ("pedal hat", "stick"),
    "ride": ("crash", "closed hat"),
    "bell": ("ride", "cowbell", "crash"),
    "crash": ("ride", "splash", "open hat"),
    "china": ("crash", "ride"),
    "splash": ("crash", "china", "open hat"),
    "low tom": ("mid tom", "high tom", "kick"),
    "mid tom": ("high tom", "low tom", "snare"),
    "high tom": ("mid tom", "low tom", "snare"),
}
HATS = frozenset({"closed hat", "pedal hat", "open hat"})
CENTRED = frozenset({"kick", "snare"})
PAN = 0.25  # standard deviations
TUNING_SEMITONES = 1.0
CHOKE_FADE_FRAMES = 882  # 20 ms: a hi-hat that closes ends the open one


@dataclass(frozen=True)
class Layer:
    """One recording of a hit: up to which velocity (0 to 1) it plays, and its gain."""

    path: Path
    up_to: float = 1.0
    gain: float = 1.0


@dataclass(frozen=True)
class Kit:
    """Drums and cymbals: each piece as its versions, each version as its layers by velocity."""

    name: str
    licence: str
    pieces: Mapping[str, tuple[tuple[Layer, ...], ...]]

    def covers(self, note: Note) -> bool:
        """Return whether the kit has something to hit for the note's key."""
        return self.piece(note.key) is not None

    def piece(self, key: int) -> str | None:
        """Return what is hit for a key, or what stands in for it; None: nothing."""
        wanted = PIECE_OF_KEY.get(key)
        if wanted is None or wanted in self.pieces:
            return wanted
        return next((piece for piece in STAND_INS.get(wanted, ()) if piece in self.pieces), None)

    def render_drums(self, part: Part, frames: int, rng: random.Random) -> np.ndarray:
        """Return what the part sounds like: float32 (2, frames) at 44.1 kHz.

        Which version of each piece is hit, its tuning and its place are drawn.
        """
        drums = {piece: _drawn(piece, found, rng) for piece, found in self.pieces.items()}
        hits = [(note, piece) for note in part.notes if (piece := self.piece(note.key))]
        output = np.zeros((2, frames), np.float32)
        for index, (note, piece) in enumerate(hits):
            sound = drums[piece].hit(note.velocity)
            if piece == "open hat":
                sound = _choked(sound, note, hits[index + 1 :])
            start = round(note.start_s * SAMPLE_RATE_HZ)
            stop = min(frames, start + sound.shape[1])
            output[:, start:stop] += sound[:, : max(0, stop - start)]
        return output


@dataclass(frozen=True)
class _Drum:
    """A piece as it stands in the studio: how fast its recordings play, and its pan, -1 to 1."""

    layers: tuple[Layer, ...]
    speed: float
    pan: float

    def hit(self, velocity: int) -> np.ndarray:
        """Return a hit: float32 (2, frames)."""
        strength = velocity / 127
        layer = next((one for one in self.layers if strength <= one.up_to), self.layers[-1])
        left_right = np.sqrt([[1 - self.pan], [1 + self.pan]]) * layer.gain * strength
        return _sound(layer.path, self.speed) * left_right.astype(np.float32)


def _drawn(piece: str, versions: Sequence[tuple[Layer, ...]], rng: random.Random) -> _Drum:
    """Return one version of a piece, a little higher or lower, at its place."""
    speed = 2 ** (rng.gauss(0, TUNING_SEMITONES) / 12)
    pan = 0.0 if piece in CENTRED else min(0.8, max(-0.8, rng.gauss(0, PAN)))
    return _Drum(rng.choice(versions), speed, pan)


def _choked(sound: np.ndarray, note: Note, later: Sequence[tuple[Note, str]]) -> np.ndarray:
    """Return the sound (2, frames) of an open hi-hat up to where it is hit or closed again."""
    again = next((hit for hit, piece in later if piece in HATS), None)
    if again is None:
        return sound
    stop = round((again.start_s - note.start_s) * SAMPLE_RATE_HZ)
    choked = sound[:, : stop + CHOKE_FADE_FRAMES].copy()
    tail = choked[:, stop:]
    tail *= np.linspace(1, 0, tail.shape[1], dtype=np.float32)
    return choked


_sound = cache(read_stereo)


def forget_sounds() -> None:
    """Let go of the recordings: each song tunes its kit anew."""
    _sound.cache_clear()


def read_kit(folder: Path, licence: str) -> Kit:
    """Return a Hydrogen drum kit; what its names do not tell stays out of it.

    Raises:
        OSError: it has no ``drumkit.xml``, or that is not XML.
    """
    pieces = defaultdict(list)
    try:
        root = ET.fromstring(re.sub(r' xmlns="[^"]+"', "", (folder / "drumkit.xml").read_text()))
    except ET.ParseError as error:
        raise OSError(f"{folder}: {error}") from error
    for instrument in root.iter("instrument"):
        piece = piece_of_name(instrument.findtext("name") or "")
        layers = tuple(_layers(instrument, folder))
        if piece and layers:
            pieces[piece].append(layers)
    return Kit(folder.name, licence, {piece: tuple(found) for piece, found in pieces.items()})


def _layers(instrument: ET.Element, folder: Path) -> Iterable[Layer]:
    """Yield an instrument's layers, the softest first."""
    volume = float(instrument.findtext("volume") or 1)
    found = [
        Layer(
            folder / (element.findtext("filename") or ""),
            float(element.findtext("max") or 1),
            volume * float(element.findtext("gain") or 1),
        )
        for element in [*instrument.iter("layer"), instrument]
        if element.findtext("filename")
    ]
    return sorted((layer for layer in found if layer.path.is_file()), key=lambda one: one.up_to)


def piece_of_name(name: str) -> str | None:
    """Return the piece that a kit's instrument is, by its name; None: it does not say."""
    name = name.lower()
    if ROLL in name:
        return None
    return next((piece for piece, known in NAMES.items() if re.search(known, name)), None)


def kit_of_hits(name: str, licence: str, files: Iterable[Path]) -> Kit:
    """Return a kit of single recordings whose file names say what they are."""
    pieces = defaultdict(list)
    for path in sorted(files):
        piece = piece_of_name(path.stem.replace("_", " "))
        if piece:
            pieces[piece].append((Layer(path),))
    return Kit(name, licence, {piece: tuple(found) for piece, found in pieces.items()})


def mixed_kit(kits: Sequence[Kit], rng: random.Random) -> Kit:
    """Return a kit that takes each piece from one of the kits that have it."""
    pieces = sorted({piece for kit in kits for piece in kit.pieces})
    chosen = {piece: rng.choice([kit for kit in kits if piece in kit.pieces]) for piece in pieces}
    licences = sorted({kit.licence for kit in chosen.values()})
    return Kit(
        "mixed",
        " AND ".join(licences),
        {piece: kit.pieces[piece] for piece, kit in chosen.items()},
    )
