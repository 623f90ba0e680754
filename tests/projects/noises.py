"""A project of noises, whose names are as bad as names can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from daw_bridge.files.markers import Marker
from daw_bridge.library.colours import SOURCE, colour_of
from daw_bridge.projects.project import Project, Track
from tests.conftest import make_noise

FRAMES = 100_003
START = 12_345
TITLE = "Sü'n\"g & <1> 🎸"
STEMS = ("vocals", "drums", "lead: a/b")


def make_project(folder: Path, channels: int, *, original: str = "wav") -> Project:
    """Return a project of three stems of noise, whose sum the original is."""
    noises = [make_noise(FRAMES, seed=seed).samples / 4 for seed in range(3)]
    stems = [np.resize(noise, (channels, FRAMES)) for noise in noises]

    def track(stem: str, samples: np.ndarray, suffix: str = "wav") -> Track:
        path = folder / f"{len(list(folder.iterdir()))}.{suffix}"
        subtype = "FLOAT" if suffix == "wav" else None
        soundfile.write(path, samples.T, 44_100, subtype)
        name = f"{TITLE} – {stem}" if stem else TITLE  # noqa: RUF001
        colour = colour_of(stem) if stem else SOURCE
        return Track(name, stem, path, colour, channels, FRAMES, is_muted=not stem)

    return Project(
        TITLE,
        44_100,
        track("", np.sum(stems, axis=0), original),
        tuple(map(track, STEMS, stems)),
        start=START,
        tempo_bpm=98.5,
        markers=(Marker("Chorus & <2>", 44_100),),
    )
