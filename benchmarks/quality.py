"""Vocals of songs whose vocals are known, with several options.

python -m benchmarks.quality SONGS

SONGS holds a folder a song, with mixture.flac and vocals.flac. Prints the signal-to-distortion
ratio of whole songs, in dB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.choices import read_songs, sdr_db
from daw_bridge import SeparationOptions, Separator

CHOICES = {
    "--compat spleeter": SeparationOptions.spleeter(),
    "default": SeparationOptions(),
    "--bandwidth 16k": SeparationOptions(bandwidth="16k"),
    "--wiener 1": SeparationOptions(wiener_iterations=1),
}


def main() -> None:
    """Print the table."""
    songs = read_songs(Path(sys.argv[1]))
    print("|", " | ".join(["", *songs, "mean"]), "|")
    with Separator("spleeter-2stems") as separator:
        for name, options in CHOICES.items():
            sdrs = [
                sdr_db(vocals, separator.separate(mixture, options)["vocals"].samples)
                for mixture, vocals in songs.values()
            ]
            print("|", name, *(f"| {sdr:.2f}" for sdr in [*sdrs, np.mean(sdrs)]), "|")


if __name__ == "__main__":
    main()
