"""One run: clips → jobs → stems on tracks."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import WishError, failed, quoted
from .jobs import Job
from .playing import passes, play_alike, set_loop
from .tracks import empty_slot, find_track, is_free_between, is_outside, make_track

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from Live.Song import Song
    from Live.Track import Track

    from .selection import Part
    from .server import Server
    from .wishes import Wish

CLOSE_BEATS = 1e-3


class Run:
    """What one press of a key began.

    Attributes:
        placed: the names of tracks that stems came to.
        silenced: the names of clips that were switched off.
        failures: the names of clips that were not separated, by the reason.
        caller: who asked from a shell; empty if nobody did.
    """

    def __init__(self, server: Server, wish: Wish, parts: Sequence[Part], folder: Path) -> None:
        self.placed: list[str] = []
        self.silenced: list[str] = []
        self.failures: dict[str, list[str]] = {}
        self.caller = ""
        self._server = server
        self._wish = wish
        self._parts = list(parts)
        self._jobs: dict[str, Job] = {}
        self._complaints: list[str] = []
        self._doubtful: list[str] = []
        for part in parts:
            path = part.playing.path
            if path not in self._jobs:
                self._jobs[path] = _job(server, wish, part, folder)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return not self._parts

    @property
    def is_waiting(self) -> bool:
        """Whether the server has not answered yet."""
        return all(job.is_waiting for job in self._jobs.values())

    @property
    def problems(self) -> list[str]:
        """Sentences for what went wrong; clips that failed for one reason share one."""
        doubts = []
        if self._doubtful:
            doubts = [f"Stems of {quoted(self._doubtful)} may be out of step: listen."]
        return failed(self.failures) + self._complaints + doubts

    @property
    def progress(self) -> float:
        """How much is separated, from 0 to 1."""
        jobs = self._jobs.values()
        return sum(1.0 if job.is_over else job.progress for job in jobs) / len(jobs)

    @property
    def title(self) -> str:
        """What is not done yet."""
        return quoted_clips(self._parts)

    def look(self, song: Song) -> None:
        """See how far the jobs are; bring the stems of tracks that are done to tracks of theirs."""
        for job in self._jobs.values():
            job.look()
        for track in {id(part.track): part.track for part in self._parts}.values():
            parts = [part for part in self._parts if part.track is track]
            if all(self._jobs[part.playing.path].is_over for part in parts):
                self._parts = [part for part in self._parts if part.track is not track]
                self._bring(song, parts)

    def cancel(self) -> None:
        """Call off what is not done yet."""
        for job in self._jobs.values():
            job.cancel()

    def _bring(self, song: Song, parts: list[Part]) -> None:
        for part in parts:
            if problem := self._jobs[part.playing.path].problem:
                self.failures.setdefault(problem, []).append(part.playing.name)
        ready = [part for part in parts if self._jobs[part.playing.path].stems]
        if not ready:
            return
        try:
            with one_undo_step(song), _selection_kept(song):
                self._bring_stems(song, ready)
        except WishError as problem:
            self._complain(str(problem))
        except RuntimeError as refusal:
            self._complain(f"Live did not take the stems of {quoted_clips(ready)}: {refusal}")

    def _bring_stems(self, song: Song, parts: list[Part]) -> None:
        source = parts[0].track
        if source == None:  # noqa: E711  (so Live says that it is gone)
            raise WishError("A track went away while it was separated; its stems are on the disk.")
        below = source
        for stem in dict.fromkeys(s for part in parts for s in self._jobs[part.playing.path].stems):
            below = self._bring_stem(song, parts, stem, below)
            self.placed.append(below.name)
        for part in parts:
            self._silence(part)

    def _bring_stem(self, song: Song, parts: list[Part], stem: str, below: Track) -> Track:
        source, colour = parts[0].track, self._server.colour(stem)
        track = find_track(song, source, stem, lambda track: _has_room(track, parts))
        if track is None:
            track = make_track(song, source, stem, above=below)
            if is_outside(track, source):
                self._complain(f"Stems of '{source.name}' are below its group: move them there.")
        track.color = colour
        for part in parts:
            path = self._jobs[part.playing.path].stems.get(stem)
            if path and not _place(track, part, path, colour):
                self._doubtful.append(part.playing.name)
        return track

    def _silence(self, part: Part) -> None:
        """Switch a clip off, or its track where that is frozen and its clips are not to change."""
        if self._wish.source == "on" or part.clip == None:  # noqa: E711
            return
        if part.track.is_frozen:
            part.track.mute = True
            self.silenced.append(part.track.name)
        else:
            part.clip.muted = True
            self.silenced.append(part.playing.name)

    def _complain(self, sentence: str) -> None:
        if sentence not in self._complaints:
            self._complaints.append(sentence)


def quoted_clips(parts: Sequence[Part]) -> str:
    """Return the name of the first of some clips, and how many more there are."""
    return quoted([part.playing.name for part in parts])


def _job(server: Server, wish: Wish, part: Part, folder: Path) -> Job:
    name = f"live-{uuid.uuid4().hex}"
    request = {
        "method": "separate",
        "path": part.playing.path,
        "out": str(folder / name),
        "bits": "32f",
        "label": " ".join(part.playing.name.split()),
        **wish.options(),
    }
    return Job(server, request, name)


def _place(track: Track, part: Part, path: str, colour: int) -> bool:
    """Make a clip of a stem where its source is; return whether it is in step with it."""
    if part.slot is not None:
        clip = track.clip_slots[part.slot].create_audio_clip(path)
        clip.name, clip.color = part.playing.name, colour
        return play_alike(clip, part.playing)
    slot = empty_slot(track)
    if slot is None:
        raise WishError(f"'{track.name}' has no empty slot, which a clip is made in: add a scene.")
    clip = slot.create_audio_clip(path)
    try:
        clip.name, clip.color = part.playing.name, colour
        is_in_step = play_alike(clip, part.playing)
        clip.looping = False
        end = part.start
        for each in passes(part.playing, part.start, part.end):
            set_loop(clip, each.heard)
            placed = track.duplicate_clip_to_arrangement(clip, each.position)
            is_in_step &= abs(placed.start_time - each.position) < CLOSE_BEATS
            end = placed.end_time
        return is_in_step and abs(end - part.end) < CLOSE_BEATS
    finally:
        slot.delete_clip()


def _has_room(track: Track, parts: list[Part]) -> bool:
    if any(part.slot is None for part in parts) and empty_slot(track) is None:
        return False
    return all(
        is_free_between(track, part.start, part.end)
        if part.slot is None
        else not track.clip_slots[part.slot].has_clip
        for part in parts
    )


@contextmanager
def one_undo_step(song: Song) -> Iterator[None]:
    """Let one Undo take back all that is done meanwhile."""
    song.begin_undo_step()
    try:
        yield
    finally:
        song.end_undo_step()


@contextmanager
def _selection_kept(song: Song) -> Iterator[None]:
    """Show again at the end what was shown: new tracks and clips come to the front."""
    track, clip = song.view.selected_track, song.view.detail_clip
    try:
        yield
    finally:
        song.view.selected_track = track
        if clip is not None:
            song.view.detail_clip = clip
