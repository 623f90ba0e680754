"""The folder where Audacity's tool puts its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daw_bridge.daw.shipping import stemtool
from daw_bridge.errors import DawError
from daw_bridge.library.places import state_folder

if TYPE_CHECKING:
    from pathlib import Path

NAME = "inbox"
"""Of the server's inbox, in the state folder."""


def prepare_inbox(_home: Path, _folder: Path) -> None:
    """Make the inbox, as a tool in Audacity can make no folders.

    Raises:
        DawError: Audacity's commands cannot name what the tool needs, as they are plain ASCII.
        OSError: it cannot be made.
    """
    inbox = state_folder() / NAME
    for path in (inbox, stemtool()):
        if not str(path).isascii():
            raise DawError(
                f"Audacity's tools cannot name {path}: install stemtool, and set DAW_BRIDGE_HOME,"
                " where folders have plain English letters."
            )
    inbox.mkdir(0o700, parents=True, exist_ok=True)
