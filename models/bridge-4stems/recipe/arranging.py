"""POP909's chord charts and beats x MMA's grooves: arrangements of pop songs for a whole band."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from midi import LEADS, Part, crop, read_parts

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

GROOVES = Path("/usr/share/mma/lib/stdlib")
BEATS_PER_BAR = 4
BARS_PER_GROOVE = 8
NOT_FOUR_FOUR = r"TimeSig\s+(2|3|5|6|9|12)\b"
NOT_FOR_SONGS = r"(?i)waltz|68|128|34|none|afro-cuban|metronome"
MELODY_CHANNEL, PIANO_CHANNEL = 0, 2

# MMA's chord types by POP909's names of them.
CHORD_TYPES = {
    "maj": "",
    "min": "m",
    "7": "7",
    "maj7": "M7",
    "min7": "m7",
    "sus4": "sus4",
    "sus2": "sus2",
    "dim": "dim",
    "hdim7": "m7b5",
    "aug": "aug",
    "maj6": "6",
    "min6": "m6",
    "9": "9",
    "maj9": "M9",
    "min9": "m9",
    "dim7": "dim7",
    "minmaj7": "mM7",
    "sus4(b7)": "7sus4",
    "11": "11",
    "13": "13",
}


@dataclass(frozen=True)
class Passage:
    """Some bars of a song: the time of each beat in its recording, and the chord on it.

    Attributes:
        beat_times_s: float64 (beats + 1,), the end of the last beat too.
        chords: one a beat.
    """

    beat_times_s: np.ndarray
    chords: tuple[str, ...]


@cache
def groove_families() -> dict[str, tuple[str, ...]]:
    """Return the names of MMA's grooves in 4/4, by the file that they are in."""
    families = {}
    for path in sorted(GROOVES.glob("*.mma")):
        text = path.read_text(errors="ignore")
        names = re.findall(r"(?im)^\s*defgroove\s+(\S+)", text)
        songs = tuple(name for name in names if not re.search(r"(?i)intro|end", name))
        if songs and not re.search(NOT_FOUR_FOUR, text) and not re.search(NOT_FOR_SONGS, path.stem):
            families[path.stem] = songs
    return families


def arrange(song: Path, seconds: float, rng: random.Random) -> list[Part]:
    """Return a band's arrangement of a POP909 song: a drawn groove and tempo, its melody on top.

    Args:
        song: a folder of POP909.
        seconds: how long it shall be.
        rng: draws the groove, the tempo, the bars and the instruments.

    Raises:
        ValueError: the song is not in 4/4 or too short, or MMA cannot play the groove.
    """
    tempo_bpm = rng.uniform(72, 150)
    bars = int(seconds * tempo_bpm / 60 / BEATS_PER_BAR)
    passage = _passage(song, bars, rng)
    family = rng.choice(sorted(groove_families()))
    grooves = groove_families()[family]
    chosen = [rng.choice(grooves) for _ in range(0, bars, BARS_PER_GROOVE)]
    script = f"RndSeed {rng.randrange(2**31)}\n" + _script(passage.chords, tempo_bpm, chosen)
    band = crop(_play(script), 0.0, seconds)
    return [*band, *_soloists(song, passage, tempo_bpm, rng)]


def _passage(song: Path, bars: int, rng: random.Random) -> Passage:
    """Return bars of a song, from a downbeat."""
    beats = np.loadtxt(song / "beat_midi.txt", ndmin=2)
    downbeats = np.flatnonzero(beats[:, -1] > 0)
    if len(downbeats) < 2 or np.median(np.diff(downbeats)) != BEATS_PER_BAR:
        raise ValueError(f"{song}: not in 4/4")
    count = bars * BEATS_PER_BAR
    starts = [beat for beat in downbeats if beat + count < len(beats)]
    if not starts:
        raise ValueError(f"{song}: shorter than {bars} bars")
    times_s = beats[(start := rng.choice(starts)) : start + count + 1, 0]
    return Passage(times_s, _chords(song, times_s))


def _chords(song: Path, times_s: np.ndarray) -> tuple[str, ...]:
    """Return the chord on each beat but the last of (beats + 1,), in MMA's names.

    Where there is none, the one before goes on.
    """
    begins_s, names = [], []
    for line in (song / "chord_midi.txt").read_text().splitlines():
        begin_s, _, name = line.split()
        known = re.match(r"([A-G][b#]?):([^/]+)", name)
        if known and known[2] in CHORD_TYPES:
            begins_s.append(float(begin_s))
            names.append(known[1] + CHORD_TYPES[known[2]])
    if not names:
        raise ValueError(f"{song}: no chords")
    middles_s = (times_s[:-1] + times_s[1:]) / 2
    indices = np.searchsorted(begins_s, middles_s, side="right") - 1
    return tuple(names[max(index, 0)] for index in indices)


def _script(chords: Sequence[str], tempo_bpm: float, grooves: Sequence[str]) -> str:
    """Return an MMA script: a chord a beat, now and then another groove."""
    lines = [f"Tempo {tempo_bpm:.2f}", "TimeSig 4/4"]
    for bar, first in enumerate(range(0, len(chords), BEATS_PER_BAR)):
        if bar % BARS_PER_GROOVE == 0:
            lines.append(f"Groove {grooves[bar // BARS_PER_GROOVE]}")
        beats = list(chords[first : first + BEATS_PER_BAR])
        held = [
            "/" if beat and name == beats[beat - 1] else name for beat, name in enumerate(beats)
        ]
        lines.append(f"{bar + 1} {' '.join(held)}")
    return "\n".join(lines) + "\n"


def _play(script: str) -> list[Part]:
    """Return the parts that MMA makes of a script."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "song.mma"), Path(folder, "song.mid")
        source.write_text(script)
        done = subprocess.run(
            ["mma", source, "-f", target], capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode or not target.exists():
            raise ValueError(f"mma: {(done.stdout + done.stderr).strip()[-200:]}")
        with target.open("rb") as file:
            return read_parts(file)


def _soloists(song: Path, passage: Passage, tempo_bpm: float, rng: random.Random) -> list[Part]:
    """Return the song's melody on some lead instrument and, now and then, its piano."""
    with (song / f"{song.name}.mid").open("rb") as file:
        recorded = {part.channel: part for part in read_parts(file)}
    soloists = []
    if MELODY_CHANNEL in recorded and rng.random() < 0.75:
        soloists.append(replace(recorded[MELODY_CHANNEL], program=rng.choice(LEADS)))
    if PIANO_CHANNEL in recorded and rng.random() < 0.5:
        soloists.append(recorded[PIANO_CHANNEL])
    return [_in_time(part, passage.beat_times_s, tempo_bpm) for part in soloists]


def _in_time(part: Part, beat_times_s: np.ndarray, tempo_bpm: float) -> Part:
    """Return what is played between the first and the last of times (beats + 1,), in even tempo."""
    beats_s = np.arange(len(beat_times_s)) * 60 / tempo_bpm

    def moved(time_s: float) -> float:
        return float(np.interp(time_s, beat_times_s, beats_s))

    first_s, last_s = beat_times_s[0], beat_times_s[-1]
    notes = tuple(
        replace(note, start_s=moved(note.start_s), end_s=moved(note.end_s))
        for note in part.notes
        if first_s <= note.start_s < last_s
    )
    controls = tuple(
        replace(control, time_s=moved(control.time_s))
        for control in part.controls
        if first_s <= control.time_s < last_s
    )
    return replace(part, notes=notes, controls=controls)
