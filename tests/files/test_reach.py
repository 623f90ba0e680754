"""What is opened below a folder is in that folder, whatever its path leads to by then."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge.errors import AudioError, OutputError
from daw_bridge.files.atomic import remove_parts, write_whole
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.reach import ANYWHERE, Beneath, read_small
from daw_bridge.files.reading import open_audio
from daw_bridge.files.tags import read_tags
from daw_bridge.files.writing import StemFiles
from tests.conftest import make_noise
from tests.swapping import swapping, try_until_both

ROUNDS = 100
INSIDE_HZ, OUTSIDE_HZ = 44_100, 48_000
MP3 = OutputFormat("mp3")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that holds ``songs/take.wav``, beside one that it is not to be taken for."""
    for folder, rate in (("root/songs", INSIDE_HZ), ("outside", OUTSIDE_HZ)):
        (tmp_path / folder).mkdir(parents=True)
        soundfile.write(tmp_path / folder / "take.wav", make_noise(500).samples.T, rate)
    return tmp_path.resolve() / "root"


@pytest.fixture
def reach(root: Path) -> Beneath:
    return Beneath([root])


@pytest.fixture(params=["by descriptors", "by paths, as on Windows"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "by descriptors":
        for module in ("reach", "atomic"):
            monkeypatch.setattr(f"daw_bridge.files.{module}.HAS_FOLDER_DESCRIPTORS", False)
        monkeypatch.setattr("daw_bridge.files.reach._NO_LINK", 0)


def rate_of(path: Path, reach: Beneath) -> int:
    with open_audio(path, reach=reach) as reader:
        return reader.sample_rate_hz


def write_stems(paths: list[Path], reach: Beneath, output_format: OutputFormat = MP3) -> None:
    with StemFiles(
        paths, output_format, sample_rate_hz=INSIDE_HZ, channels=2, reach=reach
    ) as files:
        files.write(np.zeros((len(paths), 2, 50), np.float32))
        files.commit()


@pytest.mark.usefixtures("either_way")
def test_files_below_the_root_are_read_and_written(root: Path, reach: Beneath) -> None:
    assert rate_of(root / "songs" / "take.wav", reach) == INSIDE_HZ
    write_stems([root / "a" / "b" / "stem.mp3"], reach)
    assert rate_of(root / "a" / "b" / "stem.mp3", reach) == INSIDE_HZ
    write_whole(root / "a" / "note", b"one", reach=reach)
    write_whole(root / "a" / "note", b"two", durable=True, reach=reach)
    with reach.folder(root / "a") as folder:
        assert folder.names() == ["b", "note"]
        assert folder.read("note", at_most=3) == b"two"
        with pytest.raises(OSError, match="more than 2 bytes"):
            folder.read("note", at_most=2)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("link.wav", "a link is in its path"),
        ("songs-link/take.wav", "a link is in its path"),
        ("songs/take.wav/take.wav", "a file in place of a folder"),
        ("dangling.wav", "a link is in its path|There is no file"),
        ("pipe", "a pipe, a socket or a device"),
        ("../outside/take.wav", "not in a folder that clients may use"),
        ("none.wav", "There is no file"),
        ("songs", "is a folder"),
    ],
)
def test_what_is_out_of_reach_is_said_at_once(
    path: str, sentence: str, root: Path, reach: Beneath
) -> None:
    (root / "link.wav").symlink_to(root / "songs" / "take.wav")
    (root / "songs-link").symlink_to(root / "songs")
    (root / "dangling.wav").symlink_to(root / "none")
    os.mkfifo(root / "pipe")
    with pytest.raises(AudioError, match=sentence):
        rate_of(root / path, reach)
    with pytest.raises(OSError, match=r"\w"):
        sha256_of(root / path, reach=reach)
    assert not read_tags(root / path, reach=reach).fields


@pytest.mark.usefixtures("either_way")
def test_another_folder_is_out_of_reach_for_writing(root: Path, reach: Beneath) -> None:
    outside = root.parent / "outside"
    (root / "out").symlink_to(outside)
    for folder in (root / "out", root / "out" / "new", outside, root / ".." / "outside"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_stems([folder / "stem.mp3"], reach)
        with pytest.raises(OSError, match=r"\w"):
            write_whole(folder / "note", b"", reach=reach)
    assert [path.name for path in outside.iterdir()] == ["take.wav"]


@pytest.mark.usefixtures("either_way")
def test_a_link_in_the_place_of_a_result_is_replaced(root: Path, reach: Beneath) -> None:
    target = root.parent / "outside" / "take.wav"
    before = target.read_bytes()
    (root / "stem.mp3").symlink_to(target)
    write_stems([root / "stem.mp3"], reach)
    assert not (root / "stem.mp3").is_symlink()
    assert target.read_bytes() == before


def test_anywhere_links_are_followed(root: Path) -> None:
    (root / "link.wav").symlink_to(root / "songs" / "take.wav")
    with open_audio(root / "link.wav", reach=ANYWHERE) as reader:
        assert reader.sample_rate_hz == INSIDE_HZ


def test_a_pipe_holds_up_nobody(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(AudioError, match="a pipe, a socket or a device"), open_audio(root / "pipe"):
        pass


@pytest.mark.parametrize("place", ["songs", "songs/take.wav"])
def test_what_is_swapped_is_read_inside_or_not_at_all(
    place: str, root: Path, reach: Beneath
) -> None:
    target = root.parent / place.replace("songs", "outside")

    def attempt() -> bool:
        try:
            assert rate_of(root / "songs" / "take.wav", reach) == INSIDE_HZ
        except AudioError:
            return False
        return True

    with swapping(root / place, target):
        try_until_both(ROUNDS, attempt)


def _stems(folder: Path, reach: Beneath) -> None:
    write_stems([folder / "a.wav", folder / "b.wav"], reach, OutputFormat("wav"))


def _note(folder: Path, reach: Beneath) -> None:
    write_whole(folder / "note", b"text", reach=reach)


def _sweep(folder: Path, reach: Beneath) -> None:
    remove_parts([folder / "take.wav"], reach=reach)


@pytest.mark.parametrize("work", [_stems, _note, _sweep])
def test_what_is_swapped_is_written_inside_or_not_at_all(
    work: Callable[[Path, Beneath], None], root: Path, reach: Beneath
) -> None:
    outside = root.parent / "outside"
    (outside / ".01234567-take.wav").touch()

    def attempt() -> bool:
        try:
            work(root / "songs", reach)
        except (OutputError, OSError):
            return False
        return True

    with swapping(root / "songs", outside):
        try_until_both(ROUNDS, attempt)
    assert sorted(path.name for path in outside.iterdir()) == [".01234567-take.wav", "take.wav"]


def test_a_small_file_is_read_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\r\nb" * 256)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_small(tmp_path / "link", at_most=1024) == b"a\r\nb" * 256
    with pytest.raises(OSError, match="more than 1,023 bytes"):
        read_small(tmp_path / "file", at_most=1023)
    with pytest.raises(IsADirectoryError):
        read_small(tmp_path, at_most=1)
    with pytest.raises(OSError, match="a device"):
        read_small(Path("/dev/zero"), at_most=1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe"):
        read_small(tmp_path / "pipe", at_most=1)
