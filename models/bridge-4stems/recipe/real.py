"""What was recorded: whole songs, guitar tracks, drum loops and soundtracks of games."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from band import Take
from samples import SAMPLE_RATE_HZ, Archived, read_stereo

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping

    from studio import Studio

LOOPED_S = 32.0
LOOP_TAKES = 2
GUITARS = Path("/usr/share/games/fretsonfire/data/songs")
GUITAR_LICENCES = {"muldjord": "CC-BY-SA-3.0", "sectoid": "MIT"}
SOUNDTRACKS = (
    ("nexuiz", "Nexuiz", "GPL-2.0-or-later"),
    ("singularity", "Endgame: Singularity", "CC-BY-SA-3.0"),
    ("warzone2100", "Warzone 2100", "CC-BY-SA-3.0 AND GPL-2.0-or-later"),
    ("wesnoth", "Battle for Wesnoth", "GPL-2.0-or-later"),
)
GAMES = Path("/usr/share/games")
LOOPS = Path("/usr/share/sonic-pi/samples")
DRUM_LOOPS = (
    "amen",
    "amen_full",
    "breakbeat",
    "compus",
    "industrial",
    "mehackit1",
    "mehackit2",
    "mika",
    "perc1",
    "perc2",
    "safari",
    "tabla",
)


@dataclass(frozen=True)
class RecordedSong:
    """Stems that exist as recordings, whole."""

    name: str
    source: str
    licence: str
    files: Mapping[str, Path | Archived]

    def play(self, _studio: Studio, _rng: random.Random) -> Take:
        """Return the recordings, as long as the shortest."""
        stems = {stem: read_stereo(path) for stem, path in self.files.items()}
        frames = min(audio.shape[1] for audio in stems.values())
        return Take({stem: audio[:, :frames] for stem, audio in stems.items()}, frozenset())


@dataclass(frozen=True)
class Loop:
    """A drum loop, repeated at a drawn speed."""

    name: str
    source: str
    licence: str
    path: Path

    def play(self, _studio: Studio, rng: random.Random) -> Take:
        """Return the repeated loop."""
        audio = read_stereo(self.path, rng.uniform(0.85, 1.18))
        count = max(1, round(LOOPED_S * SAMPLE_RATE_HZ / audio.shape[1]))
        return Take({"drums": np.tile(audio, count)}, frozenset())


def soundtracks() -> Iterator[RecordedSong]:
    """Yield whole mixes, whose ``music`` is no stem of any network: what vocals are mixed with."""
    for package, game, licence in SOUNDTRACKS:
        for path in sorted(_audio_files(GAMES / package), key=str):
            name = re.sub(r"\W+", "-", path.name.rpartition(".")[0]).lower()
            yield RecordedSong(f"music-{package}-{name}", game, licence, {"music": path})


def _audio_files(folder: Path) -> Iterator[Path | Archived]:
    for suffix in ("ogg", "opus"):
        yield from folder.glob(f"**/music/**/*.{suffix}")
    for archive in folder.glob("**/music.pk3"):
        for entry in zipfile.Path(archive, "sound/cdtracks/").iterdir():
            yield Archived(archive, entry.at)


def recordings(shared: Path) -> Iterator[RecordedSong | Loop]:
    """Yield the recordings of a folder of shared data and of Debian's packages."""
    for folder in sorted((shared / "train" / "ichbin").iterdir()):
        files = {path.stem: path for path in sorted(folder.glob("*.ogg"))}
        yield RecordedSong(f"ichbin-{folder.name}", "everythingisremixed", "CC0-1.0", files)
    for band, licence in GUITAR_LICENCES.items():
        for path in sorted((GUITARS / band).glob("*/guitar.ogg")):
            name = f"{band}-{path.parent.name.replace(' ', '-').lower()}"
            yield RecordedSong(name, "Frets on Fire", licence, {"other": path})
    for loop in DRUM_LOOPS:
        for take in range(1, LOOP_TAKES + 1):
            path = LOOPS / f"loop_{loop}.flac"
            yield Loop(f"sonic-pi-{loop}-{take}", "Sonic Pi", "CC0-1.0", path)
    yield from soundtracks()
