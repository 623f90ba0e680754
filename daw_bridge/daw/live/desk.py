"""Where wishes come in, and where it is said what becomes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import Live

from .errors import WishError, failed, quoted
from .pairs import read_pairs, write_pairs
from .run import Run, one_undo_step
from .selection import selected_parts
from .server import Server
from .wishes import Typed, Wish

if TYPE_CHECKING:
    from Live.Clip import Clip
    from Live.Song import Song

    from .places import Places

SAID_AGAIN_LOOKS = 10
MOST_LINES = 12
STALE_S = 10.0
CALLED_OFF = "Called off."
NO_OFFERS = "stemtool was not started yet, so it is not known what models there are."


class Instance(Protocol):
    """What Live gives to a script."""

    def song(self) -> Song:
        """Return the Live Set."""
        ...

    def handle(self) -> int:
        """Return what Live knows the script by, where MIDI is mapped."""
        ...

    def show_message(self, text: str, /) -> None:
        """Show a text at the bottom of Live, for some seconds."""
        ...

    def log_message(self, text: str, /) -> None:
        """Write a line into Live's Log.txt."""
        ...


class Desk:
    """What is under way, for a Live Set."""

    def __init__(self, instance: Instance, places: Places) -> None:
        self._instance = instance
        self._places = places
        self._server = Server(places)
        self._runs: list[Run] = []
        self._said = ""
        self._looks_since_said = 0
        self._shown: tuple[Clip, str] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What was wished for last, ``dialogs=no`` and ``button=note 60``."""
        return read_pairs(self._places.settings)

    def look(self) -> None:
        """See whether somebody wants something, and how far things are."""
        self._read_typed()
        self._read_request()
        for run in list(self._runs):
            run.look(self._instance.song())
            if run.is_over:
                self._runs.remove(run)
                self._report(run)
        if self._runs:
            self._say_progress()

    def press(self) -> None:
        """Begin with the last wish, or call off what is under way."""
        self._obey("stop" if self._runs else "stems", "")

    def refuse(self, sentence: str) -> None:
        """Say that something cannot be done."""
        self._say(sentence)
        self._show(sentence)

    def _read_typed(self) -> None:
        """Obey what is added to the name of the clip that is shown.

        What a set of a stranger has in its names was not typed here, nor was what Undo brings back.
        """
        song = self._instance.song()
        shown = song.view.detail_clip
        before, self._shown = self._shown, (shown, shown.name) if shown is not None else None
        if shown is None or before is None or before[0] != shown or song.can_redo:
            return
        typed = Typed.read(shown.name) if before[1] != shown.name else None
        if typed is not None:
            with one_undo_step(song):
                shown.name = typed.name
            self._shown = (shown, typed.name)
            self._obey(typed.verb, typed.words)

    def _read_request(self) -> None:
        """Obey a shell that waits, and not one that gave up before Live was there."""
        path = self._places.request
        request = read_pairs(path)
        if not request.get("end"):
            return
        age_s = time.time() - path.stat().st_mtime
        path.unlink(missing_ok=True)
        if age_s > STALE_S:
            return
        caller = request.get("id", "")
        try:
            self._obey(request.get("verb", ""), request.get("words", ""), caller)
        except WishError as error:
            self._answer(caller, "failed", str(error))
            raise

    def _obey(self, verb: str, words: str, caller: str = "") -> None:
        if verb == "stop":
            self._call_off()
            self._answer(caller, "done", CALLED_OFF)
        elif words.strip() == "?":
            self._show(self._server.offers() or NO_OFFERS)
        else:
            wish = Wish.of(self.settings).changed_by(words)
            write_pairs(self._places.settings, {**self.settings, **wish.pairs()})
            self._begin(wish, caller)

    def _call_off(self) -> None:
        for run in self._runs:
            run.cancel()
            self._answer(run.caller, "failed", CALLED_OFF)
        self._runs.clear()
        self._say(CALLED_OFF)

    def _begin(self, wish: Wish, caller: str) -> None:
        view = Live.Application.get_application().view
        song = self._instance.song()
        parts, failures = selected_parts(
            song,
            in_session=view.focused_document_view == "Session",
            whole_tracks=wish.clips == "tracks",
        )
        if not parts:
            raise WishError("\n".join(failed(failures)))
        run = Run(self._server, wish, parts, self._places.stems(song))
        run.failures, run.caller = failures, caller
        self._runs.append(run)

    def _say_progress(self) -> None:
        run = self._runs[0]
        if run.is_waiting and self._server.is_starting:
            self._say("Starting stemtool …")
        else:
            self._say(f"{run.title}: {run.progress:.0%} separated")
        for each in self._runs:
            self._answer(each.caller, "running", self._said, progress=each.progress)

    def _report(self, run: Run) -> None:
        told = list(run.problems)
        if run.placed:
            off = f"; switched off: {quoted(run.silenced)}" if run.silenced else ""
            told.append(f"Stems are on {quoted(run.placed)}{off}.")
        self._answer(run.caller, "failed" if run.problems else "done", " ".join(told))
        self._say(told[-1])
        if run.problems:
            self._show("\n".join(told))

    def _say(self, text: str) -> None:
        """Show a text at the bottom of Live, and again before it goes."""
        self._looks_since_said += 1
        if text != self._said or self._looks_since_said >= SAID_AGAIN_LOOKS:
            self._instance.show_message(f"Stemtool: {text}")
            self._looks_since_said = 0
        self._said = text

    def _show(self, text: str) -> None:
        """Show the first lines of a text in a box, unless the user wants none, and log it."""
        self._instance.log_message(f"Stemtool: {text}")
        lines = text.split("\n")
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = [f"{len(lines) - MOST_LINES} more are in Live's Log.txt."]
        if self.settings.get("dialogs") != "no":
            Live.Application.get_application().show_on_the_fly_message("\n".join(lines))

    def _answer(self, caller: str, state: str, message: str, *, progress: float = 1.0) -> None:
        """Tell the shell that asked, if one did."""
        if caller.isalnum():
            pairs = {"state": state, "progress": f"{progress:.3f}"}
            write_pairs(
                self._places.answer(caller), {**pairs, "message": " ".join(message.split())}
            )
