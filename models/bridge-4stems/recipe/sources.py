"""Where songs to play come from: MIDI files, drum performances and arrangements."""

from __future__ import annotations

import io
import shutil
import struct
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from arranging import arrange
from band import Take, play_band, play_drums
from midi import busiest, length_s, read_parts
from samples import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from studio import Studio

SONG_S = (60.0, 75.0)
DRUMS_S = (30.0, 45.0)
SHORTEST_S = 12.0
TAIL_S = 1.0
GAMES = Path("/usr/share/games")
COLLECTIONS = (
    ("OpenMSX", "GPL-2.0-only", GAMES / "openttd/baseset/openmsx"),
    ("Simutrans", "Artistic-1.0", GAMES / "simutrans/music"),
    ("Planet Blupi", "GPL-3.0-or-later", Path("/usr/share/planetblupi/music")),
)


@dataclass(frozen=True)
class MidiSong:
    """A MIDI file, read when it is played, for a band or for drums alone."""

    name: str
    source: str
    licence: str
    read: Callable[[], bytes]
    drums_only: bool = False

    def play(self, studio: Studio, rng: random.Random) -> Take:
        """Return the file's busiest minute as a drawn band plays it."""
        parts = read_parts(io.BytesIO(self.read()))
        seconds = rng.uniform(*(DRUMS_S if self.drums_only else SONG_S))
        parts = busiest(parts, seconds, rng)
        seconds = min(seconds, length_s(parts) + TAIL_S)
        if seconds < SHORTEST_S:
            raise ValueError(f"shorter than {SHORTEST_S:.0f} s")
        play = play_drums if self.drums_only else play_band
        return play(parts, int(seconds * SAMPLE_RATE_HZ), studio, rng)


@dataclass(frozen=True)
class ArrangedSong:
    """A song of POP909, arranged by MMA."""

    name: str
    source: str
    licence: str
    folder: Path

    def play(self, studio: Studio, rng: random.Random) -> Take:
        """Return the song as a drawn band plays a drawn arrangement of it."""
        seconds = rng.uniform(*SONG_S)
        parts = arrange(self.folder, seconds, rng)
        return play_band(parts, int(seconds * SAMPLE_RATE_HZ), studio, rng)


def wad_music(path: Path) -> dict[str, bytes]:
    """Return the MIDI files in a Doom WAD by their lumps' names."""
    data = path.read_bytes()
    count, offset = struct.unpack("<II", data[4:12])
    music = {}
    for index in range(count):
        start, size, raw = struct.unpack_from("<II8s", data, offset + 16 * index)
        name = raw.rstrip(b"\0").decode("ascii", "replace")
        if name.startswith("D_") and data[start : start + 4] == b"MThd":
            music[name[2:].lower()] = data[start : start + size]
    return music


def wad_lump(path: Path, name: str) -> bytes:
    """Return one of the MIDI files in a Doom WAD."""
    return wad_music(path)[name]


def midi_collections() -> Iterator[MidiSong]:
    """Yield the full-band MIDI files of Debian's packages."""
    for wad in ("freedoom1", "freedoom2"):
        path = GAMES / "doom" / f"{wad}.wad"
        for name in wad_music(path):
            read = partial(wad_lump, path, name)
            yield MidiSong(f"{wad}-{name}", "Freedoom", "BSD-3-Clause", read)
    for source, licence, folder in COLLECTIONS:
        for path in sorted(folder.glob("*.mid")):
            name = f"{source.replace(' ', '-').lower()}-{path.stem}"
            yield MidiSong(name, source, licence, path.read_bytes)


def unpacked(archive: Path, folder: Path) -> Path:
    """Return the folder that an archive is unpacked into, once."""
    target = folder / archive.name.partition(".")[0]
    if not target.exists():
        unfinished = target.with_name(target.name + ".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(unfinished, filter="data")
        unfinished.rename(target)
    return target


def drum_performances(folder: Path) -> Iterator[MidiSong]:
    """Yield the Groove MIDI Dataset's beats."""
    for path in sorted(folder.rglob("*_beat_*.mid")):
        name = "-".join(("groove", *path.relative_to(folder).with_suffix("").parts[-3:]))
        yield MidiSong(name, "Groove MIDI", "CC-BY-4.0", path.read_bytes, drums_only=True)


def arrangements(folder: Path) -> Iterator[ArrangedSong]:
    """Yield POP909's songs."""
    for path in sorted(folder.rglob("chord_midi.txt")):
        name = f"pop909-{path.parent.name}"
        yield ArrangedSong(name, "POP909 x MMA", "MIT AND GPL-2.0-or-later", path.parent)
