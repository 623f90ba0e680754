"""The clips that are meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import WishError
from .playing import Playing, read_playing
from .tracks import is_of_stems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Live.Clip import Clip
    from Live.Song import Song
    from Live.Track import Track

NOTHING = "Click an audio clip, so that Clip View shows it, then try again."
NO_CLIPS = "The selected tracks have no audio clips here: select others, or one clip."
TOO_OLD = "this Live cannot make audio clips by script; stemtool needs a newer Live 12."


class Found(NamedTuple):
    """A clip, the track that it is on, and its slot in the session, if it is there."""

    track: Track
    clip: Clip
    slot: int | None


@dataclass(frozen=True)
class Part:
    """A clip to separate.

    Attributes:
        clip: it is silenced at the end.
        track: stems come below it; the same object for all its clips.
        playing: what the clip does to its file.
        start: where it begins in the arrangement, in beats.
        end: where it ends.
        slot: its number in the session; None in the arrangement.
    """

    clip: Clip
    track: Track
    playing: Playing
    start: float
    end: float
    slot: int | None


def selected_parts(
    song: Song, *, in_session: bool, whole_tracks: bool
) -> tuple[list[Part], dict[str, list[str]]]:
    """Return the clip that Clip View shows, or all audio clips of the selected tracks.

    What an earlier run made or switched off is left out, unless nothing else is selected.

    Returns:
        What to separate; and the names of clips that cannot be, by the reason.

    Raises:
        WishError: nothing is selected.
    """
    if not whole_tracks:
        return _usable([_detail_clip(song)])
    tracks = [track for track in song.tracks if track.is_part_of_selection]
    tracks = [track for track in tracks if not is_of_stems(track)] or tracks
    found = [
        Found(track, clip, slot)
        for track in tracks
        for clip, slot in _clips(track, in_session=in_session)
        if clip.is_audio_clip
    ]
    if not found:
        raise WishError(NO_CLIPS)
    return _usable([each for each in found if not each.clip.muted] or found)


def _usable(found: list[Found]) -> tuple[list[Part], dict[str, list[str]]]:
    parts: list[Part] = []
    failures: dict[str, list[str]] = {}
    for each in found:
        reason = _obstacle(each)
        if reason:
            failures.setdefault(reason, []).append(each.clip.name)
        else:
            parts.append(_part(each))
    return parts, failures


def _detail_clip(song: Song) -> Found:
    shown = song.view.detail_clip
    if shown is None:
        raise WishError(NOTHING)
    for track in song.tracks:
        for in_session in (True, False):
            for clip, slot in _clips(track, in_session=in_session):
                if clip == shown:
                    return Found(track, clip, slot)
    raise WishError(NOTHING)


def _clips(track: Track, *, in_session: bool) -> Iterator[tuple[Clip, int | None]]:
    if in_session:
        for number, slot in enumerate(track.clip_slots):
            if slot.has_clip:
                yield slot.clip, number
        return
    for lane in (track, *getattr(track, "take_lanes", ())):
        for clip in lane.arrangement_clips:
            yield clip, None


def _obstacle(found: Found) -> str:
    """Return why a clip cannot be separated; nothing if it can."""
    clip = found.clip
    if clip.is_midi_clip:
        return "MIDI clips hold no audio; freeze and flatten the track first."
    if clip.is_recording:
        return "it is being recorded; stop that first."
    if not all(hasattr(slot, "create_audio_clip") for slot in found.track.clip_slots):
        return TOO_OLD
    if not Path(clip.file_path).is_file():
        return "its file is missing; File > Manage Files finds it again."
    return ""


def _part(found: Found) -> Part:
    track, clip, slot = found
    return Part(clip, track, read_playing(clip), clip.start_time, clip.end_time, slot)
