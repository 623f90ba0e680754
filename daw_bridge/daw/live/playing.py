"""How a clip plays its file; a stem's clip is made to play the same way.

Stems are as long as the file they come from, so the clip of a stem takes its source's markers,
loop, warping, gain and pitch as they are, and stays in step with it to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .errors import WishError
from .warping import Warp, read_warp, set_warp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from Live.Clip import Clip, ClipLaunchQuantization, LaunchMode
    from Live.Groove import Groove

MOST_PASSES = 2000


class Span(NamedTuple):
    """Part of a file: in beats if the clip is warped, else in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class Launch:
    """How a clip of the session starts."""

    mode: LaunchMode
    quantization: ClipLaunchQuantization
    legato: bool


@dataclass(frozen=True)
class Playing:
    """What a clip does to its file.

    Attributes:
        name: of the clip.
        path: the file.
        frames: the file's length as Live read it; -1 if there is none.
        warp: None if it is not warped.
        is_looped: whether it goes round and round the loop.
        markers: where it starts and ends.
        loop: the loop's; without one, again where it starts and ends.
        gain: as Live counts it, 0 to 1.
        pitch: semitones and cents.
        groove: None without one.
        launch: None in the arrangement.
    """

    name: str
    path: str
    frames: int
    warp: Warp | None
    is_looped: bool
    markers: Span
    loop: Span
    gain: float
    pitch: tuple[int, float]
    groove: Groove | None
    launch: Launch | None


class Pass(NamedTuple):
    """What is heard once, from a position of the arrangement on, in beats."""

    position: float
    heard: Span


def read_playing(clip: Clip) -> Playing:
    """Return what a clip does to its file."""
    launch = None
    if clip.is_session_clip:
        launch = Launch(clip.launch_mode, clip.launch_quantization, clip.legato)
    return Playing(
        name=clip.name,
        path=clip.file_path,
        frames=clip.sample_length,
        warp=read_warp(clip),
        is_looped=clip.looping,
        markers=Span(clip.start_marker, clip.end_marker),
        loop=Span(clip.loop_start, clip.loop_end),
        gain=clip.gain,
        pitch=(clip.pitch_coarse, clip.pitch_fine),
        groove=clip.groove,
        launch=launch,
    )


def play_alike(clip: Clip, playing: Playing) -> bool:
    """Make a clip of the session play a stem as its source plays the mixture.

    Returns:
        Whether it is in step, as far as the clip says.
    """
    is_warped_alike = set_warp(clip, playing.warp)
    clip.looping = playing.is_looped
    set_loop(clip, playing.loop)
    if playing.is_looped:
        _set_markers(clip, playing.markers)
    clip.gain = playing.gain
    clip.pitch_coarse, clip.pitch_fine = playing.pitch
    if playing.groove is not None:
        clip.groove = playing.groove
    if launch := playing.launch:
        clip.launch_mode, clip.launch_quantization = launch.mode, launch.quantization
        clip.legato = launch.legato
    return is_warped_alike and clip.sample_length in {playing.frames, -1}


def passes(playing: Playing, start: float, end: float) -> Iterator[Pass]:
    """Yield what a clip plays between two beats of the arrangement, each round of its loop alone.

    Scripts cannot set how long a looped clip of the arrangement is, but make as many clips without
    a loop as it has rounds.

    Raises:
        WishError: there are too many.
    """
    if not playing.is_looped:
        yield Pass(start, playing.loop)
        return
    loop = playing.loop
    if (end - start) / (loop.end - loop.start) > MOST_PASSES:
        raise WishError(
            f"'{playing.name}' goes round its loop more than {MOST_PASSES} times: consolidate it"
            " (Ctrl+J) first."
        )
    heard_from, first = playing.markers.start, loop.end - playing.markers.start
    if first <= 0:  # it starts behind its loop, and never comes back
        first = end - start
    yield Pass(start, Span(heard_from, heard_from + min(first, end - start)))
    position, rounds = start + first, 0
    while position < end:
        heard = min(loop.end - loop.start, end - position)
        yield Pass(position, Span(loop.start, loop.start + heard))
        rounds += 1
        position = start + first + rounds * (loop.end - loop.start)


def set_loop(clip: Clip, span: Span) -> None:
    """Set a loop, or without one what is heard; its start is never behind its end meanwhile."""
    if span.start < clip.loop_end:
        clip.loop_start, clip.loop_end = span
    else:
        clip.loop_end, clip.loop_start = reversed(span)


def _set_markers(clip: Clip, span: Span) -> None:
    if span.start < clip.end_marker:
        clip.start_marker, clip.end_marker = span
    else:
        clip.end_marker, clip.start_marker = reversed(span)
