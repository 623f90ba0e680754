"""What files say of their stems, and the boxes that say it, which may be anybody's."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from daw_bridge.files.boxes import BoxError, add_box, find_boxes, inner_boxes, whole_file
from daw_bridge.files.reading import list_tracks
from daw_bridge.files.stem_files import Labels, StemLabel, read_labels
from tests.encoded import encode
from tests.stem_files import FOUR, labels, walk, write_labelled

GREEN = "#009E73"
DEEP = 30_000


def box(kind: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return (8 + len(content) if size is None else size).to_bytes(4, "big") + kind + content


@pytest.fixture(scope="module")
def stem_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "song.stem.mp4"
    return write_labelled(path, labels(*FOUR) + b"\0")


def test_labels_are_read(stem_file: Path) -> None:
    assert read_labels(stem_file) == Labels(tuple(StemLabel(name, GREEN) for name in FOUR))


def test_what_labels_may_lack(tmp_path: Path) -> None:
    stems = [{"name": "Vox 🎵", "color": "red"}, {"color": "#12345G"}, {}, {"name": "x" * 5000}]
    manifest = json.dumps({"version": 2, "stems": stems, "more": [1.5, None]}).encode()
    path = write_labelled(tmp_path / "a.mp4", manifest)
    assert read_labels(path).stems == (
        StemLabel("Vox 🎵", ""),
        StemLabel("", ""),
        StemLabel("", ""),
        StemLabel("x" * 60, ""),
    )


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (b" " * 70_000 + labels(*FOUR), "its box 'stem' has 70,"),
        (b'{"version":1,"stems":' + b"[" * DEEP + b"]" * DEEP + b"}", "cannot be read"),
        (b'{"version":1,"more":' + b"[" * DEEP + b"]" * DEEP + b',"stems":[]}', "cannot be read"),
        (b"", "cannot be read"),
        (b"\xff\xfe{", "cannot be read"),
        (b'{"version":1,"stems":[', "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"version":0,"stems":[{},{},{},{}]}', "cannot be read"),
        (b'{"version":1,"stems":{"name":"Drums"}}', "cannot be read"),
        (b'{"version":1,"stems":[{"name":7},{},{},{}]}', "cannot be read"),
        (labels(*FOUR[:3]), "labels 3 stems, not 4"),
        (labels(*FOUR, "piano"), "labels 5 stems, not 4"),
    ],
)
def test_labels_that_cannot_be_used(manifest: bytes, told: str, tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "song.stem.mp4", manifest)
    stems, warning = read_labels(path)
    assert not stems
    assert warning.startswith(f"{path} says that it is a stem file, and cannot be used as one: ")
    assert told in warning
    assert warning.endswith("; only its first track is seen.")
    assert len(warning) < len(str(path)) + 400
    assert len(list_tracks(path)) == 5


def test_a_box_that_ends_beyond_the_one_around_it(stem_file: Path, tmp_path: Path) -> None:
    content = bytearray(stem_file.read_bytes())
    at = content.index(b"stem{") - 4
    content[at : at + 4] = b"\x7f\xff\xff\xff"
    path = tmp_path / "song.stem.mp4"
    path.write_bytes(content)
    assert "its box 'stem' has no size that fits into 'udta'" in read_labels(path).warning


def test_four_tracks_are_not_five(stem_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "song.stem.mp4"
    path.write_bytes(stem_file.read_bytes().replace(b"soun", b"subt", 1))
    assert "it has 4 audio tracks, not 5" in read_labels(path).warning


@pytest.mark.parametrize("kind", ["mp4", "wav", "mov"])
def test_other_files_say_nothing(kind: str, tmp_path: Path) -> None:
    encode(kind, tmp_path / "song.stem.mp4")
    assert read_labels(tmp_path / "song.stem.mp4") == Labels()


def test_what_is_missing_cut_short_or_a_folder_says_nothing(
    stem_file: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(stem_file.read_bytes()[:5000])
    assert read_labels(cut) == read_labels(tmp_path / "none") == read_labels(tmp_path) == Labels()


def test_changed_bytes_never_raise(stem_file: Path, tmp_path: Path) -> None:
    content = stem_file.read_bytes()
    movie = content.index(b"moov") - 4
    chance = np.random.default_rng(0)
    path = tmp_path / "song.stem.mp4"
    seen = set()
    for _ in range(400):
        changed = bytearray(content)
        for spot in chance.integers(movie, len(content), 8):
            changed[spot] = chance.integers(256)
        path.write_bytes(changed)
        stems, warning = read_labels(path)
        seen.add((len(stems), bool(warning)))
    assert seen == {(4, False), (0, True), (0, False)}


def test_a_box_is_added_where_the_file_ends() -> None:
    movie = box(b"moov", box(b"trak") + box(b"udta", box(b"meta", b"abc")) + box(b"free", b"12"))
    file = io.BytesIO(box(b"mdat", b"audio") + movie)
    add_box(file, (b"moov", b"udta", b"stem"), b"{}")
    content = file.getvalue()
    assert content.startswith(box(b"mdat", b"audio"))
    assert walk(content, b"moov", b"udta", b"stem") == [b"{}"]
    assert walk(content, b"moov", b"udta", b"meta") == [b"abc"]
    assert walk(content, b"moov", b"free") == [b"12"]
    assert len(walk(content, b"moov")[0]) + 8 == len(movie) + 10


def test_what_it_is_to_be_in_is_made() -> None:
    file = io.BytesIO(box(b"moov", box(b"trak")))
    add_box(file, (b"moov", b"udta", b"stem"), b"{}")
    assert file.getvalue() == box(b"moov", box(b"trak") + box(b"udta", box(b"stem", b"{}")))


def test_long_and_open_ended_boxes_grow() -> None:
    long = (1).to_bytes(4, "big") + b"moov" + (24).to_bytes(8, "big") + box(b"trak")
    file = io.BytesIO(long)
    add_box(file, (b"moov", b"stem"), b"{}")
    (grown,) = inner_boxes(file, whole_file(file))
    assert (grown.content, grown.end) == (16, 34)
    file = io.BytesIO(box(b"moov", box(b"trak"), size=0))
    add_box(file, (b"moov", b"stem"), b"{}")
    assert file.getvalue() == box(b"moov", box(b"trak") + box(b"stem", b"{}"), size=0)


def test_nothing_moves_that_a_position_points_to() -> None:
    content = box(b"moov", box(b"trak")) + box(b"mdat", b"audio")
    file = io.BytesIO(content)
    with pytest.raises(BoxError, match="it does not end with 'moov'"):
        add_box(file, (b"moov", b"stem"), b"{}")
    assert file.getvalue() == content


def test_boxes_without_end_are_not_followed() -> None:
    with pytest.raises(BoxError, match="more than 1,000 boxes"):
        find_boxes(io.BytesIO(box(b"free") * 2000), [b"moov"])
    with pytest.raises(BoxError, match="no size that fits"):
        find_boxes(io.BytesIO(box(b"free", size=3)), [b"moov"])
