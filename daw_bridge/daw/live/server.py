"""Where stemtool's server takes requests, and how to start it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import WishError
from .pairs import read_pairs

if TYPE_CHECKING:
    import subprocess

    from .places import Places

AGAIN_S = 15.0
GREY = 0x999999


class Server:
    """The server of this user on this machine, running or not."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = -AGAIN_S

    @property
    def facts(self) -> dict[str, str]:
        """What a running server says of itself; nothing where none was started yet."""
        return read_pairs(self._places.state / "server")

    @property
    def inbox(self) -> Path | None:
        """Where requests go; None while no server says so."""
        folder = self.facts.get("inbox")
        return Path(folder) if folder else None

    @property
    def is_starting(self) -> bool:
        """Whether the command that starts it is at work."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server in the background; one that is there already stays.

        Raises:
            WishError: Live cannot start programs, or not this one.
        """
        now_s = time.monotonic()
        if self.is_starting or now_s - self._started_s < AGAIN_S:
            return
        self._started_s = now_s
        try:
            self._process = _run_apart(
                [self._places.stemtool, "serve", "--on-demand"], self._places.state / "live.start"
            )
        except (ImportError, OSError) as error:
            raise WishError(
                f"Live cannot start stemtool ({error}): run `stemtool serve --on-demand` in a"
                " terminal, or `stemtool daw install live` if stemtool was moved."
            ) from None

    @property
    def complaint(self) -> str:
        """Why the server did not start; empty where it did, or nobody tried."""
        if self._process is None or self._process.poll() in {None, 0}:
            return ""
        lines = (self._places.state / "live.start").read_text("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        last = said[-1] if said else "`stemtool serve --on-demand` failed without a word."
        return last.removeprefix("stemtool: ")

    def colour(self, stem: str) -> int:
        """Return a stem's colour as 0xRRGGBB."""
        text = self.facts.get(f"colour:{stem}") or self.facts.get("colour:accompaniment", "")
        try:
            return int(text.removeprefix("#"), 16)
        except ValueError:
            return GREY

    def offers(self) -> str:
        """Return a line a model: its stems, and what has to be fetched for it."""
        facts = self.facts
        lines = []
        for key, stems in facts.items():
            kind, _, name = key.partition(":")
            if kind == "model":
                lines.append(f"{name}{_fetching(facts, name)}: {stems.replace(',', ', ')}")
        return "\n".join(lines)


def _fetching(facts: dict[str, str], model: str) -> str:
    megabytes = facts.get(f"fetch:{model}")
    if megabytes is None:
        return ""
    return f" (to be fetched, {megabytes} MB)" if megabytes else " (to be fetched)"


def _run_apart(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program that stays when Live goes, shows no window, and writes into a file.

    Its Python is not Live's.
    """
    import subprocess

    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONHOME"}
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
