"""Projects that appear whole or not at all, and never over one that exists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from daw_bridge.errors import AudioError, DiskFullError, OptionError, OutputError
from daw_bridge.files.atomic import part_of, remove_parts
from daw_bridge.files.reach import Beneath, Folder
from daw_bridge.files.room import Room
from daw_bridge.projects.composition import Original, compose
from daw_bridge.projects.destination import Destination
from daw_bridge.projects.formats import FORMATS, FolderFormat, Format
from daw_bridge.projects.project import Project
from daw_bridge.projects.writers import FOLDER_WRITERS
from daw_bridge.projects.writing import write_project
from tests.conftest import make_noise
from tests.disks import fill_up, small_disk

SECOND = 44_100


def write_noise(path: Path, *, frames: int = SECOND, rate: int = 44_100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, make_noise(frames).samples.T, rate, "PCM_24")
    return path


def make_project(folder: Path, *, frames: int = SECOND) -> Project:
    names = ("vocals", "drums")
    return compose(
        "Song", {name: write_noise(folder / f"{name}.wav", frames=frames) for name in names}
    )


def write_session(_: Project, folder: Folder, destination: Destination) -> None:
    """Write a session as small as can be: a file, and one in a folder."""
    with folder.step("media", make=True) as media, media.create("take.wav") as take:
        take.write(b"take")
    with folder.create(destination.path.name) as file:
        file.write(b"session")


def fail(_: Project, folder: Folder, destination: Destination) -> None:
    write_session(_, folder, destination)
    raise OptionError("No.")


SESSION = FolderFormat("session", ".session", "none", ("link",))
FAILING = replace(SESSION, name="failing")


@pytest.fixture(autouse=True)
def _more_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOLDER_WRITERS, SESSION.name, write_session)
    monkeypatch.setitem(FOLDER_WRITERS, FAILING.name, fail)


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_project_that_exists_stays(tmp_path: Path) -> None:
    project = make_project(tmp_path / "stems")
    destination = Destination(tmp_path / "song.rpp", "link")
    destination.path.write_text("mine")
    with pytest.raises(OutputError, match=r"song\.rpp exists; --overwrite replaces it"):
        write_project(project, FORMATS["rpp"], destination)
    assert destination.path.read_text() == "mine"
    write_project(project, FORMATS["rpp"], replace(destination, overwrite=True))
    assert destination.path.read_text("utf-8").startswith("<REAPER_PROJECT")


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    project, mine = make_project(tmp_path / "stems"), tmp_path / "mine"
    mine.write_text("mine")
    destination = Destination(tmp_path / "song.rpp", "link", overwrite=True)
    destination.path.symlink_to(mine)
    write_project(project, FORMATS["rpp"], destination)
    assert (mine.read_text(), destination.path.is_symlink()) == ("mine", False)


def test_a_session_is_a_folder_and_an_older_one_is_kept(tmp_path: Path) -> None:
    project = make_project(tmp_path / "stems")
    destination = Destination(SESSION.place(tmp_path / "out", "Song"), "link")
    write_project(project, SESSION, destination)
    whole = ["Song", "Song/Song.session", "Song/media", "Song/media/take.wav"]
    assert names_below(tmp_path / "out") == whole
    with pytest.raises(OutputError, match=r"Song exists; --overwrite moves it aside"):
        write_project(project, SESSION, destination)
    (tmp_path / "out/Song/recorded").touch()
    for _ in range(2):
        write_project(project, SESSION, replace(destination, overwrite=True))
    assert (tmp_path / "out/Song~1/recorded").exists()
    assert (tmp_path / "out/Song~2/Song.session").exists()
    assert not (tmp_path / "out/Song/recorded").exists()


def test_nothing_stays_of_what_fails(tmp_path: Path) -> None:
    project = make_project(tmp_path / "stems")
    place = FAILING.place(tmp_path / "out", "Song")
    with pytest.raises(OptionError):
        write_project(project, FAILING, Destination(place, "link"))
    assert names_below(tmp_path / "out") == []
    (tmp_path / "stems/drums.wav").unlink()
    with pytest.raises(AudioError, match=r"drums\.wav cannot be read: No such file"):
        write_project(project, FORMATS["dawproject"], Destination(tmp_path / "out/song.dawproject"))
    assert names_below(tmp_path / "out") == []


def test_what_a_killed_process_left_of_a_session_is_removed(tmp_path: Path) -> None:
    place, beside = tmp_path / "Song", tmp_path / "beside"
    beside.mkdir()
    (beside / "mine").touch()
    part = part_of(place)
    (part / "media").mkdir(parents=True)
    (part / "media/take.wav").touch()
    (part / "link").symlink_to(beside)
    remove_parts([place])
    assert names_below(tmp_path) == ["beside", "beside/mine"]


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda each: each.name)
def test_a_full_disk_is_told_and_left_as_it_was(form: Format, tmp_path: Path) -> None:
    project = make_project(tmp_path / "stems", frames=10 * SECOND)
    way = form.ways[0]
    with small_disk(tmp_path / "disk", 1) as disk:
        ballast = fill_up(disk, leave=300_000 if way == "embed" else 0)
        destination = Destination(form.place(disk, "Song"), way)
        with pytest.raises(DiskFullError, match=r"no room left for .*Song"):
            write_project(project, form, destination)
        assert names_below(disk) == [ballast.name]


@pytest.mark.parametrize("form", [*FORMATS.values(), SESSION], ids=lambda each: each.name)
def test_a_folder_that_cannot_be_written_is_told(form: Format, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = form.place(tmp_path / "file", "Song")
    with pytest.raises(OutputError, match=r"Song.* cannot be written: "):
        write_project(make_project(tmp_path / "stems"), form, Destination(place, form.ways[0]))


def test_audio_that_comes_along_counts_as_written(tmp_path: Path) -> None:
    project = make_project(tmp_path / "stems")
    destination = Destination(tmp_path / "a.dawproject", room=Room(100_000, 0))
    with pytest.raises(OutputError, match="would write more than"):
        write_project(project, FORMATS["dawproject"], destination)
    assert not destination.path.exists()
    write_project(
        project, FORMATS["rpp"], replace(destination, path=tmp_path / "a.rpp", way="link")
    )


def test_nothing_is_written_beyond_reach(tmp_path: Path) -> None:
    project = make_project(tmp_path / "root/stems")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "root/link").symlink_to(elsewhere)
    reach = Beneath([tmp_path / "root"])
    for form in [*FORMATS.values(), SESSION]:
        place = form.place(tmp_path / "root/link", "Song")
        with pytest.raises(OutputError, match="cannot be written"):
            write_project(project, form, Destination(place, form.ways[0], reach=reach))
    assert names_below(elsewhere) == []


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    vocals = write_noise(tmp_path / "vocals.wav")
    for other in (
        write_noise(tmp_path / "longer.wav", frames=SECOND + 1),
        write_noise(tmp_path / "faster.wav", rate=48_000),
    ):
        with pytest.raises(AudioError, match="are not stems of one song"):
            compose("Song", {"vocals": vocals, "other": other})
        with pytest.raises(AudioError, match=r"a stem of something else|no stem of it"):
            compose("Song", {"vocals": vocals}, Original(other))
    with pytest.raises(AudioError, match="cannot be read as audio"):
        compose("Song", {"vocals": Path(__file__)})
    with pytest.raises(OptionError, match=r"on no track; convert it to wav, .* or aiff"):
        compose("Song", {"vocals": vocals}, Original(tmp_path / "film.mkv"))
    with pytest.raises(AudioError, match="a stem of something else, or of a part"):
        compose("Song", {"vocals": vocals}, Original(vocals, start=1))
