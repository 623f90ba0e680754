"""Songs → examples: mixtures and their stems, made anew from a seed and a number.

An example depends on the seed and on its number alone, so a training that goes on after a kill sees
the examples that it would have seen without, whatever the number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Dataset

from daw_bridge.errors import AudioError, OptionError
from daw_bridge.files.songs import find_mixes, find_songs
from daw_bridge.training.augmentation import change_speed, vary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from daw_bridge.files.blocks import Block
    from daw_bridge.files.songs import Song
    from daw_bridge.training.config import TrainingConfig

_ATTEMPTS = 4
_AUDIBLE_POWER = 1e-6
_EXTRA = ""


@dataclass(frozen=True)
class _Choice:
    """Songs and how likely each is to be drawn."""

    songs: Sequence[Song]
    weights: NDArray[np.float64]
    """(songs,), of sum 1"""

    def draw(self, random: np.random.Generator) -> Song:
        return self.songs[random.choice(len(self.songs), p=self.weights)]


class Examples(Dataset["NDArray[np.float32]"]):
    """Examples by number: float32 (1 + stems, 2, samples), the mixture first.

    Raises:
        AudioError: a data set holds no song, or none that is long enough; or a song has another
            sample rate.
        OptionError: no song has a stem that the network is to give.
    """

    def __init__(
        self, config: TrainingConfig, *, samples: int, sample_rate_hz: int, first: int = 0
    ) -> None:
        self._config = config
        self._samples = samples
        self._rate_hz = sample_rate_hz
        self._first = first
        sources = config.data.train
        songs = self._find(sources, find_songs)
        self._mixes = self._choice(self._find(config.mixes, find_mixes))
        self._mixes_share = config.teacher.mixes_share if config.teacher and songs else 1
        self._whole = self._choice([song for song in songs if len(song.stems) > 1])
        self._by_stem = {
            stem: self._choice([song for song in songs if any(n in song.stems for n in names)])
            for stem, names in {**config.stems, _EXTRA: self._extra_names(songs)}.items()
        }
        for stem in config.stems:
            if songs and not self._by_stem[stem].songs:
                raise OptionError(f"No song of {', '.join(sources)} has a stem '{stem}'.")

    def _find(self, sources: Sequence[str], find: Callable[[Path], list[Song]]) -> list[Song]:
        """Return the songs that are longer than the longest passage that an example may take."""
        songs = [song for source in sources for song in find(Path(source))]
        for song in songs:
            check_rate(song, self._rate_hz)
        longest = round(self._samples * (1 + self._config.augmentation.speed))
        songs = [song for song in songs if song.frames > longest]
        if sources and not songs:
            seconds = longest / self._rate_hz
            raise AudioError(f"No song of {', '.join(sources)} is longer than {seconds:.1f} s.")
        return songs

    def __len__(self) -> int:
        return self._config.optimiser.steps * self._config.optimiser.batch - self._first

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        """Make an example: (1 + stems, 2, samples); a mix has silent stems, as none are known."""
        random = np.random.default_rng((self._config.seed, self._first + index))
        if self._mixes.songs and random.random() < self._mixes_share:
            silent = dict.fromkeys(self._config.stems, self._silence())
            parts = {**silent, _EXTRA: self._mix(random)}
        elif random.random() < self._config.augmentation.remix or not self._whole.songs:
            parts = self._remix(random)
        else:
            parts = self._excerpt(random)
        stems = [parts[stem] for stem in self._config.stems]
        mixture = np.sum(list(parts.values()), axis=0)
        example = np.stack([mixture, *stems])
        return example * np.float32(random.uniform(0.4, 1) / max(np.abs(mixture).max(), 1))

    def _mix(self, random: np.random.Generator) -> Block:
        """Return a passage (2, samples) of a random mix, at a speed of its own."""
        song = self._mixes.draw(random)
        speed = self._config.augmentation.speed
        frames = round(self._samples * random.uniform(1 - speed, 1 + speed))
        passage = song.read_mixture(int(random.integers(song.frames - frames)), frames)
        return change_speed(passage, self._samples) if speed else passage

    def _remix(self, random: np.random.Generator) -> dict[str, Block]:
        """Return stems (2, samples) by name, each from another song."""
        augmentation = self._config.augmentation
        parts = {}
        for stem, choice in self._by_stem.items():
            if stem == _EXTRA:
                if choice.songs and random.random() < augmentation.extra:
                    gain_db = random.uniform(*augmentation.extra_gain_db)
                    parts[stem] = self._source(stem, random) * np.float32(10 ** (gain_db / 20))
                continue
            absent = random.random() < augmentation.absent
            source = self._silence() if absent else self._source(stem, random)
            if not absent and random.random() < augmentation.layered:
                source = source + self._source(stem, random)
            parts[stem] = source
        return parts

    def _excerpt(self, random: np.random.Generator) -> dict[str, Block]:
        """Return stems (2, samples) by name, all from the same passage of one song."""
        song = self._whole.draw(random)
        start = int(random.integers(song.frames - self._samples))
        names = {**self._config.stems, _EXTRA: self._extra_names([song])}
        return {
            stem: self._vary(self._read(song, each, start, self._samples), stem, random)
            for stem, each in names.items()
        }

    def _source(self, stem: str, random: np.random.Generator) -> Block:
        """Return a passage (2, samples) of a random song's stem, best one that is not silent."""
        song = self._by_stem[stem].draw(random)
        names = self._config.stems.get(stem) or self._extra_names([song])
        speed = self._config.augmentation.speed
        frames = round(self._samples * random.uniform(1 - speed, 1 + speed))
        source = self._silence(frames)
        for _ in range(_ATTEMPTS):
            start = int(random.integers(song.frames - frames))
            source = self._read(song, names, start, frames)
            if np.square(source).mean() > _AUDIBLE_POWER:
                break
        return self._vary(change_speed(source, self._samples) if speed else source, stem, random)

    def _vary(self, source: Block, stem: str, random: np.random.Generator) -> Block:
        return vary(source, stem, self._rate_hz, self._config.augmentation, random)

    def _read(self, song: Song, names: Sequence[str], start: int, frames: int) -> Block:
        """Read the sum of those of several stems that a song has: (2, frames)."""
        source = self._silence(frames)
        for name in names:
            if name in song.stems:
                source += song.read(name, start, frames)
        return source

    def _silence(self, frames: int | None = None) -> Block:
        return np.zeros((2, frames or self._samples), np.float32)

    def _extra_names(self, songs: Sequence[Song]) -> tuple[str, ...]:
        """Return the names of the songs' stems that belong to none of the network's."""
        known = {name for names in self._config.stems.values() for name in names}
        return tuple(sorted({name for song in songs for name in song.stems} - known))

    def _choice(self, songs: Sequence[Song]) -> _Choice:
        weighed = [(song, _weight(song, self._config.data.weights)) for song in songs]
        drawn = [(song, weight) for song, weight in weighed if weight]
        weights = np.array([weight for _, weight in drawn])
        return _Choice([song for song, _ in drawn], weights / weights.sum())


def check_rate(song: Song, sample_rate_hz: int) -> None:
    """Raise :class:`AudioError` unless a song has the network's sample rate."""
    if song.sample_rate_hz != sample_rate_hz:
        raise AudioError(
            f"{song.name} has {song.sample_rate_hz} Hz and the network {sample_rate_hz} Hz;"
            " resample the data set."
        )


def _weight(song: Song, weights: Mapping[str, float]) -> float:
    fitting = (weight for pattern, weight in weights.items() if fnmatchcase(song.name, pattern))
    return next(fitting, 1.0)
