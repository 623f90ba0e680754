"""Make songs to score a piano stem on: real bands, and a piano that plays along without them.

There are next to no free recordings of a band whose piano is known. So each song of a folder gets
the piano of a POP909 song that the training data do not hold, through a soundfont that they do:
figures are semi-synthetic, and flatter the model.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.append(str(Path(__file__).parents[2] / "bridge-4stems" / "recipe"))

from band import active_db, at_level
from mastering import write
from midi import busiest, read_parts
from samples import SAMPLE_RATE_HZ, read_stereo
from soundfonts import SoundFont

FONT = SoundFont(Path("/usr/share/sounds/sf2/MuseScore_General_Full.sf2"), "MIT")
PIANO_CHANNEL = 2
HEADROOM = 0.5  # the stems of a song and a piano may peak higher than the song did


def unheard_pieces(pop: Path, data: Path) -> list[Path]:
    """Return the folders of the POP909 songs that are not in the training data."""
    with (data / "data.csv").open(newline="") as file:
        heard = {row["song"] for row in csv.DictReader(file)}
    folders = sorted(path.parent for path in pop.rglob("chord_midi.txt"))
    return [folder for folder in folders if f"pop909-{folder.name}" not in heard]


def play_piano(piece: Path, frames: int, rng: random.Random) -> np.ndarray:
    """Return the busiest passage of a piece's piano: float32 (2, frames) at 44.1 kHz."""
    with (piece / f"{piece.name}.mid").open("rb") as file:
        piano = [part for part in read_parts(file) if part.channel == PIANO_CHANNEL]
    return FONT.render(busiest(piano, frames / SAMPLE_RATE_HZ, rng), frames)["piano"]


def main() -> None:
    """Write a folder a song: its stems as they are, and the piano as loud as its ``other``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--songs", type=Path, required=True, help="real songs with stems")
    parser.add_argument("--pop", type=Path, required=True, help="POP909, unpacked")
    parser.add_argument("--data", type=Path, required=True, help="the training data")
    parser.add_argument("--out", type=Path, required=True, help="where the songs go")
    options = parser.parse_args()
    rng = random.Random(0)
    pieces = unheard_pieces(options.pop, options.data)
    for other in sorted(options.songs.glob("*/other.*")):
        stems = {
            path.stem: read_stereo(path) * np.float32(HEADROOM)
            for path in sorted(other.parent.glob(f"*{other.suffix}"))
            if path.stem != "mixture"
        }
        frames = soundfile.info(other).frames
        piano = play_piano(rng.choice(pieces), frames, rng)
        stems["piano"] = at_level(piano, active_db(stems["other"]))
        write(stems, options.out / other.parent.name, "flac")


if __name__ == "__main__":
    main()
