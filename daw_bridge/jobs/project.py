"""Stems, where they lie or as they were made, become projects that DAWs open."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from daw_bridge.errors import AudioError
from daw_bridge.files.reach import ANYWHERE, read_small
from daw_bridge.files.reading import open_sum
from daw_bridge.jobs.sources import find_stems
from daw_bridge.library.stems import DASH, in_usual_order
from daw_bridge.projects.composition import Original, compose, is_played
from daw_bridge.projects.destination import Destination
from daw_bridge.projects.formats import FORMATS
from daw_bridge.projects.writing import check_free, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daw_bridge.files.reach import Reach
    from daw_bridge.files.room import Room
    from daw_bridge.jobs.job import Job, Result
    from daw_bridge.projects.destination import Way
    from daw_bridge.projects.project import Project

_DRUMS = "drums"
_OUTCOME = "outcome.json"
_MAX_OUTCOME_BYTES = 4 << 20

_log = logging.getLogger(__name__)


class Song(NamedTuple):
    """Stems in a folder.

    Attributes:
        title: the song's name.
        stems: the file of each.
        original: what they were made of, as far as the folder tells.
    """

    title: str
    stems: dict[str, Path]
    original: Original | None = None


@dataclass(frozen=True)
class ProjectOptions:
    """How projects are written.

    Attributes:
        way: how audio comes along; None: as is usual for each format.
        overwrite: replace projects that exist.
        reach: where all that is read and written may be.
        room: how much may be written; None: as much as there is room for.
        heartbeat: is called now and then; an exception that it raises ends the work.
    """

    way: Way | None = None
    overwrite: bool = False
    reach: Reach = ANYWHERE
    room: Room | None = None
    heartbeat: Callable[[], None] | None = None


class _Outcome(msgspec.Struct):
    """What a server noted of the job that made the stems."""

    stems: dict[str, str]
    sources: list[str] = []
    start: int = 0


def find_song(folder: Path) -> Song:
    """Return the stems in a folder, by what the server noted there, or else by their files' names.

    Raises:
        AudioError: there are none, or one is missing.
    """
    found = find_stems(folder)
    outcome = _read_outcome(folder)
    if outcome is None:
        return _by_names(found, folder)
    files = {stem: folder / _name_of(path) for stem, path in outcome.stems.items()}
    for stem, file in files.items():
        if file not in found.values():
            raise AudioError(
                f"{folder} lacks {file.name}, the stem {stem}: put it back, or remove {_OUTCOME},"
                " which names it."
            )
    title = _by_names({file.stem: file for file in files.values()}, folder).title
    return Song(title, files, _told_original(outcome, folder))


def write_projects(
    project: Project, places: Mapping[str, Path], options: ProjectOptions = ProjectOptions()
) -> None:
    """Write a project in several formats: to the file that DAWs open, by the format's name.

    Raises:
        OptionError: a format does not allow what is asked for.
        OutputError: one exists that may not be replaced, or cannot be written.
        AudioError: the audio cannot be read.
    """
    ways = check_places(places, options)
    for name, path in places.items():
        destination = Destination(
            path.absolute(),
            ways[name],
            overwrite=options.overwrite,
            reach=options.reach,
            room=options.room,
            heartbeat=options.heartbeat,
        )
        write_project(project, FORMATS[name], destination)


def check_places(places: Mapping[str, Path], options: ProjectOptions) -> dict[str, Way]:
    """Return how audio comes along with each project, once it is sure that all can be written.

    Raises:
        OptionError: a format does not allow what is asked for.
        OutputError: one exists that may not be replaced.
    """
    for name, path in places.items():
        check_free(FORMATS[name], path, overwrite=options.overwrite)
    return {name: FORMATS[name].choose_way(options.way) for name in places}


def write_job_projects(
    job: Job,
    result: Result,
    places: Mapping[str, Path],
    *,
    title: str,
    heartbeat: Callable[[], None] | None = None,
) -> None:
    """Write the projects of a job whose stems are whole.

    Raises:
        DawBridgeError: as :func:`write_projects`.
    """
    project = compose(title, result.outputs, _original_of(job, result), reach=job.reach)
    options = ProjectOptions(
        overwrite=job.overwrite, reach=job.reach, room=job.room, heartbeat=heartbeat
    )
    write_projects(project, places, options)


def hear_tempo(project: Project) -> float | None:
    """Return how many quarter notes a minute a song has, None where no tempo is to be heard.

    It is listened for in the drums, where they are a stem: else in the original, or in all stems.

    Raises:
        AudioError: a file cannot be read.
    """
    from daw_bridge.tempo import estimate_tempo

    first, *others = project.stems
    drums = [track for track in project.stems if track.stem == _DRUMS]
    mixture = [first, *(each for each in others if each.channels == first.channels)]
    tracks = drums or ([project.original] if project.original else mixture)
    with open_sum([track.file for track in tracks]) as reader:
        blocks = reader.blocks(tracks[0].offset, tracks[0].frames)
        return estimate_tempo(blocks, project.sample_rate_hz)


def _read_outcome(folder: Path) -> _Outcome | None:
    """Return what a server noted beside stems; None: nothing, or it is no note of stems."""
    try:
        content = read_small(folder / _OUTCOME, at_most=_MAX_OUTCOME_BYTES)
        outcome = msgspec.json.decode(content, type=_Outcome)
    except (OSError, ValueError, RecursionError):
        return None
    return outcome if outcome.stems else None


def _by_names(files: Mapping[str, Path], folder: Path) -> Song:
    """Return stems by their files' names: ``vocals``, or all with one label before that."""
    labels = {name.rpartition(DASH)[0] for name in files}
    label = labels.pop() if len(labels) == 1 else ""
    stems = {name.removeprefix(f"{label}{DASH}"): file for name, file in files.items()}
    ordered = {stem: stems[stem] for stem in in_usual_order(stems)}
    return Song(label or folder.resolve().name, ordered)


def _told_original(outcome: _Outcome, folder: Path) -> Original | None:
    """Return the file that a server made stems of, if it is still there.

    A folder that came from elsewhere may name any file of this machine, so it is not heeded.
    """
    here = folder.resolve()
    has_moved = any(Path(path).parent != here for path in outcome.stems.values())
    if has_moved or len(outcome.sources) != 1 or outcome.start < 0:
        return None
    file = Path(outcome.sources[0])
    return Original(file, outcome.start) if is_played(file) and file.is_file() else None


def _original_of(job: Job, result: Result) -> Original | None:
    """Return the source of a job, if it is one that DAWs have on a track."""
    if job.other_channels or job.audio_track > 1 or not is_played(job.source):
        _log.warning(
            "%s is on no track of the project: DAWs play one file, and its first track.", job.source
        )
        return None
    frames = result.read_frames or max(result.claimed_frames or 0, job.start + result.frames)
    return Original(job.source, job.start, frames)


def _name_of(path: str) -> str:
    """Return the name of a stem's file, which lies in the folder now, wherever that was before."""
    return path.replace("\\", "/").rpartition("/")[2]
