"""The pipeline alone, warm; and stems that were written, against others.

python benchmarks/timed_pipeline.py time MODEL PROVIDER SONG SECONDS   how long that takes
python benchmarks/timed_pipeline.py compare FOLDER OTHER               residuals in dB, as JSON
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import soundfile

from daw_bridge import Audio, Separator

if TYPE_CHECKING:
    from daw_bridge.separation.providers import Provider


def time_pipeline(model: str, provider: Provider, song: Path, seconds: float) -> float:
    """Return how long so many seconds of a song in memory take, once they have gone through."""
    audio = Audio.read(song)
    length = round(seconds * audio.sample_rate_hz)
    with Separator(model, provider=provider) as separator:
        for _ in range(2):
            began = time.perf_counter()
            for _ in separator.stream(audio, length=length):
                pass
    return time.perf_counter() - began


def compare(folder: Path, other: Path) -> dict[str, float | None]:
    """Return what each stem of another folder lacks of that in a folder, in dB; None: nothing."""
    residuals: dict[str, float | None] = {}
    for path in sorted(folder.iterdir()):
        stem, theirs = (soundfile.read(each / path.name)[0] for each in (folder, other))
        energy, difference = np.square(stem).sum(), np.square(theirs - stem).sum()
        silence = np.finfo(np.float64).tiny
        level_db = 10 * np.log10(max(difference, silence) / max(energy, silence))
        residuals[path.stem] = float(level_db) if difference else None
    return residuals


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "compare":
        print(json.dumps(compare(*map(Path, words))))
    else:
        model, provider, song, seconds = words
        print(time_pipeline(model, cast("Provider", provider), Path(song), float(seconds)))
