"""What somebody wants: typed into a clip's name, pressed by MIDI, or asked for from a shell.

A control surface has no dialog. What is wished for is kept, so that the next press does the same.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from .errors import WishError

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNGS = ("fast", "good", "best")
TYPED = re.compile(r"(?P<name>.*)!(?P<verb>stems|stop)\b(?P<words>.*)", re.DOTALL)


@dataclass(frozen=True)
class Wish:
    """Which stems, made by what, of which clips.

    Attributes:
        model: its name; the server's default where that is empty.
        quality: a rung of the ladder, in place of a model.
        stems: names separated by commas; all where that is empty.
        minus: names of stems to take away, which leaves one stem; in place of ``stems``.
        clips: ``clip`` for the one that is shown, ``tracks`` for all of the selected tracks.
        source: what becomes of the clips: ``off`` or ``on``.
    """

    model: str = ""
    quality: str = ""
    stems: str = ""
    minus: str = ""
    clips: str = "clip"
    source: str = "off"

    @classmethod
    def of(cls, pairs: Mapping[str, str]) -> Wish:
        """Return the wish that a file holds; what it does not say is as by default."""
        known = asdict(cls())
        return cls(**{key: pairs[key] for key in known if key in pairs})

    def pairs(self) -> dict[str, str]:
        """Return what a file holds of this."""
        return asdict(self)

    def options(self) -> dict[str, str]:
        """Return what of this the server is asked for."""
        words = {key: getattr(self, key) for key in ("model", "quality", "stems", "minus")}
        return {key: value for key, value in words.items() if value}

    def changed_by(self, words: str) -> Wish:
        """Return what words wish for in place of this.

        Raises:
            WishError: a word means nothing.
        """
        wish, stems, minus = self, [], []
        for word in re.split(r"[,\s]+", words.strip()) if words.strip() else ():
            if word.startswith("-"):
                minus.append(word[1:])
            elif _is_setting(word):
                wish = _set(wish, word)
            else:
                stems.append(word)
        if stems and minus:
            raise WishError(f"'{words}' names stems to make and stems to take away: choose one.")
        if stems or minus:
            wish = replace(wish, stems=",".join(stems), minus=",".join(minus))
        return wish


def _is_setting(word: str) -> bool:
    return word in {"all", "clip", "tracks", "on", "off", *RUNGS} or word.startswith("model=")


def _set(wish: Wish, word: str) -> Wish:
    if word in RUNGS:
        return replace(wish, quality=word, model="")
    if word.startswith("model="):
        return replace(wish, model=word[len("model=") :], quality="")
    if word in {"clip", "tracks"}:
        return replace(wish, clips=word)
    if word in {"on", "off"}:
        return replace(wish, source=word)
    return replace(wish, stems="", minus="")


@dataclass(frozen=True)
class Typed:
    """What was typed into a clip's name: ``Song !stems vocals`` or ``Song !stop``.

    Attributes:
        name: what the name was before.
        verb: ``stems`` or ``stop``.
        words: what follows.
    """

    name: str
    verb: str
    words: str

    @classmethod
    def read(cls, name: str) -> Typed | None:
        """Return what a clip's name asks for; None where it is only a name."""
        match = TYPED.match(name)
        return cls(match["name"].rstrip(), match["verb"], match["words"].strip()) if match else None
