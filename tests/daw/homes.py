"""Homes of their own for users of DAWs and of the bridge."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from daw_bridge.library.places import HOME_VARIABLE
from tests.stemtool import STEMTOOL


@dataclass(frozen=True)
class User:
    """A user whose home is below a folder, and the bridge's beside it."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def bridge(self) -> Path:
        """What the bridge takes for its home."""
        return self.folder / "bridge"

    @property
    def state(self) -> Path:
        """Where the installed scripts look for the server."""
        return self.bridge / "state"

    @property
    def environment(self) -> dict[str, str]:
        here = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
        return here | {"HOME": str(self.home), HOME_VARIABLE: str(self.bridge)}

    def stemtool(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run ``stemtool`` as this user."""
        return subprocess.run(
            [STEMTOOL, *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
