"""Asks the script inside Ableton Live from outside, by files in the state folder."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, NamedTuple

from daw_bridge.daw.live.errors import WishError
from daw_bridge.daw.live.pairs import read_pairs, write_pairs
from daw_bridge.errors import DawError
from daw_bridge.library.places import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 3.0
EVERY_S = 0.1
NO_ANSWER = (
    "Live does not answer: start it, and choose Stemtool as a Control Surface in its settings"
    " (Link, Tempo & MIDI); `stemtool daw install live` puts it there. While Live shows a message,"
    " press its button."
)


class Answer(NamedTuple):
    """What the script says.

    Attributes:
        state: running, done or failed.
        progress: from 0 to 1.
        message: a sentence, or nothing yet.
    """

    state: str
    progress: float
    message: str


def ask_live(verb: str, words: str) -> Iterator[Answer]:
    """Yield what Live's script says of a wish until it is done or has failed.

    Args:
        verb: ``stems`` or ``stop``.
        words: as they are typed into a clip's name.

    Raises:
        DawError: nobody answers, or Live cannot be asked.
    """
    caller = uuid.uuid4().hex
    request = state_folder() / "live.request"
    answer = state_folder() / f"live.{caller}.status"
    try:
        write_pairs(request, {"id": caller, "verb": verb, "words": words, "end": "1"})
    except WishError as error:
        raise DawError(str(error)) from None
    try:
        yield from _answers(answer)
    finally:
        if read_pairs(request).get("id") == caller:
            request.unlink(missing_ok=True)
        answer.unlink(missing_ok=True)


def _answers(path: Path) -> Iterator[Answer]:
    last, deadline_s = None, time.monotonic() + PATIENCE_S
    while last is None or last.state == "running":
        pairs = read_pairs(path)
        if not pairs and time.monotonic() > deadline_s:
            raise DawError(NO_ANSWER)
        answer = Answer(
            pairs.get("state", "running"),
            float(pairs.get("progress", 0)),
            pairs.get("message", ""),
        )
        if pairs and answer != last:
            last = answer
            yield answer
        time.sleep(EVERY_S)
