"""Make the training data: songs as folders of stems, from Debian's packages and shared data.

A song depends on the seed and its own name alone, but for which of several recordings of a note
a sampled bass or guitar plays. It appears whole: stop the command and start it again at will.
"""

from __future__ import annotations

import argparse
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import manifest
from drumkits import forget_sounds
from mastering import mastered, write
from real import recordings
from samples import SAMPLE_RATE_HZ
from sources import arrangements, drum_performances, midi_collections, unpacked
from studio import open_studio

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from songs import Song

BATCH = 4  # songs a worker, between two looks at whether there is enough

_studio = cache(open_studio)


@dataclass(frozen=True)
class Target:
    """Where songs go: a folder, an extension that soundfile knows, and the seed."""

    folder: Path
    extension: str
    seed: int


def plan(shared: Path, work: Path, seed: int) -> list[Song]:
    """Return all songs in the order of making: what exists first, then every source in turn."""
    midi = list(midi_collections())
    drums = list(drum_performances(unpacked(shared / "midi" / "groove.tar.xz", work)))
    pop = list(arrangements(unpacked(shared / "midi" / "pop909.tar.xz", work)))
    for songs in (midi, drums, pop):
        random.Random(seed).shuffle(songs)
    turns = zip_longest(midi, drums[0::2], pop, drums[1::2])
    return [*recordings(shared), *(song for turn in turns for song in turn if song)]


def make(song: Song, target: Target, samples: Path) -> manifest.Row | None:
    """Make a song's folder and return its line; None: it cannot be made, as is said."""
    rng = random.Random(f"{target.seed}/{song.name}")
    try:
        take = song.play(_studio(samples), rng)
        stems = mastered(take.stems)
    except ValueError as reason:
        print(f"{song.name}: left out: {reason}", file=sys.stderr, flush=True)
        return None
    finally:
        forget_sounds()
    frames = write(stems, target.folder / song.name, target.extension)
    return manifest.Row(
        song=song.name,
        source=song.source,
        licence=song.licence,
        instruments=" AND ".join(sorted(take.licences)),
        seconds=round(frames / SAMPLE_RATE_HZ, 1),
        stems=" ".join(sorted(stems)),
    )


def batches(songs: Sequence[Song], size: int) -> Iterator[Sequence[Song]]:
    """Yield the songs by so many."""
    for first in range(0, len(songs), size):
        yield songs[first : first + size]


def main() -> None:
    """Make what is missing, until there is enough."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / manifest.NAME
    rows = manifest.read(path)
    made = {row.song for row in rows}
    songs = plan(options.shared, options.work, options.seed)
    missing = [song for song in songs if song.name not in made]
    target = Target(options.out, options.format, options.seed)
    work = partial(make, target=target, samples=options.shared / "samples")
    with ProcessPoolExecutor(options.workers) as pool:
        for batch in batches(missing, BATCH * options.workers):
            if sum(row.seconds for row in rows) >= options.minutes * 60:
                break
            for row in filter(None, pool.map(work, batch)):
                manifest.append(path, row)
                rows.append(row)
    print(manifest.totals(rows))


def _options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the shared data")
    parser.add_argument("--out", type=Path, required=True, help="where the songs go")
    parser.add_argument("--work", type=Path, help="where MIDI is unpacked; default: OUT-midi")
    parser.add_argument("--minutes", type=float, default=1200.0, help="how much is enough")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=("wav", "flac"), default="wav")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options = parser.parse_args()
    options.work = options.work or options.out.with_name(f"{options.out.name}-midi")
    return options


if __name__ == "__main__":
    main()
