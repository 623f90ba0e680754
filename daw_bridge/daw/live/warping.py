"""Warp markers: which place in a file is heard at which beat.

Live hides the last marker of a clip: it only says how fast the file goes on after the one before
it. On a stem's clip it becomes a marker that is seen, and means the same.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import Live

if TYPE_CHECKING:
    from Live.Clip import Clip, WarpMode

Marker = tuple[float, float]
"""A place in the file, as Live counts it, and its beat."""

SAME = 1e-6
SECONDS_A_BEAT = 0.5


@dataclass(frozen=True)
class Warp:
    """How a clip is warped.

    Attributes:
        mode: the algorithm.
        markers: in their order.
    """

    mode: WarpMode
    markers: tuple[Marker, ...]


def read_warp(clip: Clip) -> Warp | None:
    """Return how a clip is warped; None if it is not."""
    if not clip.warping:
        return None
    markers = tuple((each.sample_time, each.beat_time) for each in clip.warp_markers)
    return Warp(clip.warp_mode, markers)


def set_warp(clip: Clip, warp: Warp | None) -> bool:
    """Warp a clip of a file of the same length; return whether each beat is where it should be."""
    if warp is None:
        clip.looping = False
        clip.warping = False
        return True
    clip.warping = True
    clip.warp_mode = warp.mode
    _set_markers(clip, warp.markers)
    held = {each.beat_time: each.sample_time for each in clip.warp_markers}
    return all(abs(held.get(beat, -1.0) - place) < SAME for place, beat in warp.markers[:-1])


def _set_markers(clip: Clip, markers: tuple[Marker, ...]) -> None:
    """Leave one of the clip's own markers, out of the way of the new ones, until these are set."""
    for own in tuple(clip.warp_markers)[1:-1]:
        clip.remove_warp_marker(own.beat_time)
    own = clip.warp_markers[0]
    (place, beat), *_ = markers
    before = beat - (place - own.sample_time) / SECONDS_A_BEAT
    if own.beat_time != before:
        clip.move_warp_marker(own.beat_time, before - own.beat_time)
    is_own_kept = own.sample_time == place
    for each in markers[is_own_kept:-1]:
        clip.add_warp_marker(Live.Clip.WarpMarker(*each))
    with suppress(RuntimeError):  # where it lies behind the end of the file, it changes nothing
        clip.add_warp_marker(Live.Clip.WarpMarker(*markers[-1]))
    if not is_own_kept:
        clip.remove_warp_marker(before)
