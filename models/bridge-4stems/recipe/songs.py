"""What a song is to the recipe: something with a name and a licence that can be played."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import random

    from band import Take
    from studio import Studio


class Song(Protocol):
    """A song that can be made.

    Attributes:
        name: its folder's name, its own in the whole data set.
        source: the collection that it comes from.
        licence: SPDX expression of what is played, or of the recording.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def source(self) -> str: ...  # noqa: D102

    @property
    def licence(self) -> str: ...  # noqa: D102

    def play(self, studio: Studio, rng: random.Random) -> Take:
        """Return its stems.

        Raises:
            ValueError: it cannot be made: it is too short or broken.
        """
