"""Stem files, written as ``stemtool`` writes them, and walked through as a player does."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from daw_bridge import Audio
from daw_bridge.files.boxes import add_box
from daw_bridge.files.stem_files import Coding, encode_tracks
from daw_bridge.projects.composition import Original, compose
from daw_bridge.projects.destination import Destination
from daw_bridge.projects.formats import FORMATS
from daw_bridge.projects.writing import write_project
from tests.conftest import SONGS, make_noise

RATE_HZ = 44_100
SECONDS = 4
FOUR = ("drums", "bass", "other", "vocals")
_HEAD = struct.Struct(">I4s")


class Band(NamedTuple):
    """A mixture, and the files of its stems."""

    mixture: Path
    stems: dict[str, Path]

    @property
    def tracks(self) -> list[Path]:
        """What a stem file of them has, in its order."""
        return [self.mixture, *map(self.stems.__getitem__, FOUR)]

    def write(self, path: Path, form: str = "stem.mp4", **options: Any) -> Path:
        """Write a stem file of them."""
        project = compose("Song", self.stems, Original(self.mixture))
        write_project(project, FORMATS[form], Destination(path, **options))
        return path


def make_band(folder: Path, subtype: str = "PCM_24") -> Band:
    """Play three real songs at once, one of them in two places."""
    songs = [Audio.read(SONGS / f"{name}.ogg") for name in ("rubidium", "hydrogen", "sodium")]
    starts = zip([*songs, songs[0]], (12_345, 0, 5 * RATE_HZ, 8 * RATE_HZ), strict=True)
    parts = [song.samples[:, start : start + SECONDS * RATE_HZ + 137] / 4 for song, start in starts]
    folder.mkdir(parents=True, exist_ok=True)
    stems = {name: folder / f"{name}.wav" for name in FOUR}
    for path, samples in zip(stems.values(), parts, strict=True):
        soundfile.write(path, samples.T, RATE_HZ, subtype)
    mixture = folder / "Song.flac"
    written = [soundfile.read(path)[0] for path in stems.values()]
    soundfile.write(mixture, np.sum(written, axis=0), RATE_HZ, subtype)
    return Band(mixture, stems)


def write_labelled(path: Path, manifest: bytes) -> Path:
    """Write five tracks of noise, and any bytes as the labels of their stems."""
    block = np.stack([make_noise(5000, seed=seed).samples for seed in range(5)])
    with path.open("w+b") as file:
        encode_tracks(file, [block], Coding("alac", RATE_HZ))
        add_box(file, (b"moov", b"udta", b"stem"), manifest)
    return path


def labels(*names: str) -> bytes:
    """Return what labels stems."""
    stems = [{"name": name, "color": "#009E73"} for name in names]
    return json.dumps({"version": 1, "stems": stems}).encode()


def walk(content: bytes, *path: bytes) -> list[bytes]:
    """Return what is in the boxes at a path, as a player that knows only their heads finds them."""
    found, at = [], 0
    while at + _HEAD.size <= len(content):
        size, kind = _HEAD.unpack_from(content, at)
        inner = content[at + _HEAD.size : at + size]
        if kind == path[0]:
            found += walk(inner, *path[1:]) if path[1:] else [inner]
        at += size
    return found
