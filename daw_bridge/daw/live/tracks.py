"""The tracks of stems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import Live

from .errors import WishError

if TYPE_CHECKING:
    from collections.abc import Callable

    from Live.ClipSlot import ClipSlot
    from Live.Song import Song
    from Live.Track import Track

KEY = "stemtool.stem"
"""Live keeps the stem's name on its track under this key, in the Live Set."""

FULL = "Live takes no more tracks here, as its edition allows none or the Live Set is full"


def is_of_stems(track: Track) -> bool:
    """Return whether a track was made for a stem."""
    return bool(track.get_data(KEY, ""))


def track_name(source: Track, stem: str) -> str:
    """Return what the track of a stem is called."""
    return f"{source.name} – {stem}"  # noqa: RUF001


def find_track(
    song: Song, source: Track, stem: str, has_room: Callable[[Track], bool]
) -> Track | None:
    """Return a track that an earlier run made for a stem, where it has room; else None."""
    name = track_name(source, stem)
    for track in song.tracks:
        is_free = not track.is_frozen and track.get_data(KEY, "") == stem and track.name == name
        if is_free and has_room(track):
            return track
    return None


def make_track(song: Song, source: Track, stem: str, *, above: Track) -> Track:
    """Make a track for a stem below another, as loud and where its source is.

    Raises:
        WishError: Live takes no more tracks.
    """
    try:
        track = song.create_audio_track(list(song.tracks).index(above) + 1)
    except (Live.Base.LimitationError, RuntimeError):
        raise WishError(f"{FULL}: '{track_name(source, stem)}' has no place.") from None
    track.name = track_name(source, stem)
    track.set_data(KEY, stem)
    mixer, like = track.mixer_device, source.mixer_device
    mixer.volume.value, mixer.panning.value = like.volume.value, like.panning.value
    return track


def is_outside(track: Track, source: Track) -> bool:
    """Return whether a source is in a group that the track below it is not in."""
    if not source.is_grouped:
        return False
    return not track.is_grouped or track.group_track != source.group_track


def empty_slot(track: Track) -> ClipSlot | None:
    """Return a slot of the session without a clip."""
    return next((slot for slot in track.clip_slots if not slot.has_clip), None)


def is_free_between(track: Track, start: float, end: float) -> bool:
    """Return whether a track has no clip between two beats of the arrangement."""
    clips = track.arrangement_clips
    return all(clip.end_time <= start or clip.start_time >= end for clip in clips)
