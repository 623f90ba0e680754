"""Selected tracks of the project that Audacity shows → stems on tracks below them.

Whoever calls brings what separates a file, so that nothing here knows of servers.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from daw_bridge.daw.audacity.project import Project
from daw_bridge.errors import DawError
from daw_bridge.library.colours import colour_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daw_bridge.daw.audacity.pipe import ScriptPipe
    from daw_bridge.daw.audacity.project import Track

_OF = " \N{EN DASH} "  # between the names of a track and of its stem
_NAMELESS = "Audio Track"

_log = logging.getLogger(__name__)


class Separate(Protocol):
    """Makes stems of a file."""

    def __call__(self, source: Path, folder: Path, label: str) -> Mapping[str, Path]:
        """Return the files of the stems, which are in the folder, named by the label."""
        ...


@dataclass(frozen=True)
class _Part:
    """What was exported of a track: from when on, and where it is."""

    track: Track
    start_s: float
    file: Path

    @property
    def label(self) -> str:
        return self.track.name or _NAMELESS


@dataclass(frozen=True)
class _Stem:
    """A stem of a track, and the time that it belongs to."""

    source: Track
    name: str
    label: str
    file: Path
    start_s: float


def separate_selection(
    pipe: ScriptPipe, separate: Separate, folder: Path, *, keep_source: bool = False
) -> list[str]:
    """Separate what is selected of each selected track, onto tracks below it.

    Where no time is selected, it is all of each track. Preferences and selection are as they were
    while it separates, and in the end.

    Args:
        pipe: to the running Audacity.
        separate: makes the stems.
        folder: an empty one that both can write to, for what goes to and fro.
        keep_source: leave the sources sounding; else they are muted.

    Returns:
        The names of the stems' tracks.

    Raises:
        DawError: nothing is selected, or Audacity fails or does not answer.
        DawBridgeError: what ``separate`` raises.
    """
    with tempfile.TemporaryDirectory(prefix="stemtool-audacity-") as scratch:
        project = Project(pipe, Path(scratch))
        before = project.tracks()
        parts = _export(project, before, folder)
        stems = [stem for part in parts for stem in _separate(part, separate)]
        _add_tracks(project, stems, before, mute=not keep_source)
    return [stem.label for stem in stems]


def _sources(tracks: Sequence[Track]) -> list[Track]:
    """Return the selected tracks, without stems of others of them: those were separated before."""
    chosen = [track for track in tracks if track.is_selected and track.channels]
    if not chosen:
        raise DawError("No audio track is selected in Audacity: select what is to be separated.")
    made_of = tuple(f"{track.name}{_OF}" for track in chosen)
    return [track for track in chosen if not track.name.startswith(made_of)]


def _export(project: Project, tracks: Sequence[Track], folder: Path) -> list[_Part]:
    """Write what is selected of each source among tracks into a file of its own."""
    sources, parts = _sources(tracks), []
    selection = project.selection()
    with project.kept_selected(tracks, selection), project.exporting_floats():
        for track in sources:
            first, end = selection.frames
            wanted = selection if end > first else project.extent(track)
            file = folder / f"{track.place}.wav"
            if project.export(track, wanted, file):
                parts.append(_Part(track, wanted.frames[0] / wanted.rate_hz, file))
    if not parts:
        raise DawError("There is no audio in what is selected in Audacity.")
    return parts


def _separate(part: _Part, separate: Separate) -> Iterator[_Stem]:
    folder = part.file.with_suffix("")
    for name, file in separate(part.file, folder, part.label).items():
        yield _Stem(part.track, name, f"{part.label}{_OF}{name}", file, part.start_s)


def _add_tracks(
    project: Project, stems: Sequence[_Stem], before: Sequence[Track], *, mute: bool
) -> None:
    """Put stems on tracks below their sources, which are muted; all of them, or none."""
    tracks = project.tracks()
    order = list(range(len(tracks) + len(stems)))
    _bring_in(project, stems, tracks)
    if list(map(_identity, tracks)) == list(map(_identity, before)):
        order = _below_sources(len(tracks), stems)
        project.reorder(order)
        if mute:
            for place in {stem.source.place for stem in stems}:
                project.mute(order.index(place))
    else:
        _log.warning(
            "Tracks were changed in Audacity meanwhile: the stems are below all others, and what"
            " they were made of is not muted."
        )
    moved = [track._replace(place=order.index(track.place)) for track in tracks]
    for track in moved:
        if track.is_focused:
            project.focus(track.place)
    project.select(moved)


def _bring_in(project: Project, stems: Sequence[_Stem], tracks: Sequence[Track]) -> None:
    """Put stems on tracks below all others; where that fails, the project is as it was."""
    try:
        new = project.bring_in([(stem.file, stem.start_s) for stem in stems], len(tracks))
        for track, stem in zip(new, stems, strict=True):
            project.name(track, stem.label, colour_of(stem.name))
    except BaseException:
        project.remove(len(tracks))
        project.select(tracks)
        raise


def _identity(track: Track) -> tuple[int, str, float, float]:
    return track.place, track.name, track.start_s, track.end_s


def _below_sources(count: int, stems: Sequence[_Stem]) -> list[int]:
    """Return the order of tracks in which each stem, now below all, follows its source."""
    order = []
    for index in range(count):
        order.append(index)
        order += [count + at for at, stem in enumerate(stems) if stem.source.place == index]
    return order
