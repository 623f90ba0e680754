"""Where things are on this machine; the installer writes it into a file beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .pairs import read_pairs

if TYPE_CHECKING:
    from Live.Song import Song


@dataclass(frozen=True)
class Places:
    """Paths that differ from machine to machine.

    Attributes:
        state: where the server says how to reach it, and where settings and the log are.
        stemtool: the command.
        script: the folder of this script, two below the User Library.
    """

    state: Path
    stemtool: str
    script: Path

    @classmethod
    def read(cls) -> Places:
        """Return what the installer wrote."""
        pairs = read_pairs(Path(__file__).with_name("places.txt"))
        return cls(Path(pairs["state"]), pairs["stemtool"], Path(pairs["script"]))

    @property
    def settings(self) -> Path:
        """What was wished for last, and what else the user sets."""
        return self.state / "live.settings"

    @property
    def request(self) -> Path:
        """What a shell wishes for."""
        return self.state / "live.request"

    def answer(self, caller: str) -> Path:
        """Return where a shell reads how that is getting on."""
        return self.state / f"live.{caller}.status"

    def stems(self, song: Song) -> Path:
        """Return the folder for stems: a Live Set's own, or the User Library's if it has none."""
        home = Path(song.file_path).parent if song.file_path else self.script.parents[1]
        return home / "Samples" / "Stems"
