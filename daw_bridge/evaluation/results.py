"""The scores of a model on songs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from daw_bridge.evaluation.bss_eval import Figures, Scores, median_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daw_bridge.evaluation.targets import Target

MIXTURE = "mixture"
"""The method that does nothing: the mixture is the estimate of every stem."""

ORACLE = "ideal masks"
"""The method that knows the stems, and bounds what masks can do."""


@dataclass(frozen=True)
class SongScores:
    """The scores on one song.

    Attributes:
        name: the song.
        duration_s: its length.
        scores: by stem, of those that the song has, and by method.
    """

    name: str
    duration_s: float
    scores: Mapping[str, Mapping[str, Scores]]


@dataclass(frozen=True)
class Evaluation:
    """A model's scores, beside those of doing nothing and of ideal masks.

    Attributes:
        model: its name, which is also that of its method.
        options: how it separated, where not by default.
        targets: what was compared.
        songs: scores of each song.
        elapsed_s: seconds that it took.
    """

    model: str
    options: Mapping[str, object]
    targets: tuple[Target, ...]
    songs: tuple[SongScores, ...]
    elapsed_s: float

    @property
    def methods(self) -> tuple[str, ...]:
        """What is compared, from the worst on."""
        return (MIXTURE, self.model, ORACLE)

    @property
    def duration_s(self) -> float:
        """The length of all songs."""
        return sum(song.duration_s for song in self.songs)

    def of_songs(self, stem: str, method: str) -> list[Figures]:
        """Return a method's figures on each song that has the stem and at least one other.

        A song of one stem only is no mixture: doing nothing is best there.
        """
        least = min(2, len(self.targets))
        return [
            song.scores[stem][method].figures
            for song in self.songs
            if stem in song.scores and len(song.scores) >= least
        ]

    @cached_property
    def figures(self) -> dict[str, dict[str, Figures]]:
        """Medians over songs, by stem and method."""
        return {
            target.name: {
                method: median_figures(self.of_songs(target.name, method))
                for method in self.methods
            }
            for target in self.targets
        }
