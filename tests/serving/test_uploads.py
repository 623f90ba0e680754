from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from daw_bridge.errors import AudioError, BusyError, DiskFullError, OptionError, OutputError
from daw_bridge.serving.limits import Limits
from daw_bridge.serving.uploads import Upload, Uploads
from tests.disks import fill_up, small_disk

DATA = bytes(range(256)) * 4
LIMITS = Limits(upload_bytes=4096, host_upload_bytes=4096)


def announce(name: str = "song.wav", *, data: bytes = DATA, transfer: str = "t") -> Upload:
    return Upload(transfer, name, len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path, LIMITS)


def test_an_upload_goes_on_where_it_was(uploads: Uploads, tmp_path: Path) -> None:
    assert uploads.put(announce()) == 0
    assert uploads.add("t", 0, DATA[:100]) is None
    again = Uploads(tmp_path, LIMITS)
    assert again.put(announce()) == 100
    with pytest.raises(OptionError, match="goes on at byte 100 of 1024"):
        again.add("t", 0, DATA[:100])
    with pytest.raises(AudioError, match="not complete"):
        again.find("t")
    upload = again.add("t", 100, DATA[100:])
    assert upload == announce()
    again.finish(upload)
    assert again.find("t").read_bytes() == DATA
    assert again.find("t").name == "song.wav"
    assert again.put(announce()) == len(DATA)


def test_a_wrong_hash_is_found_and_forgotten(uploads: Uploads) -> None:
    wrong = Upload("t", "song.wav", len(DATA), "0" * 64)
    uploads.put(wrong)
    upload = uploads.add("t", 0, DATA)
    assert upload
    with pytest.raises(AudioError, match="hash"):
        uploads.finish(upload)
    with pytest.raises(OptionError, match="not announced"):
        uploads.find("t")


def test_uploads_share_one_limit(uploads: Uploads) -> None:
    uploads.put(announce(data=bytes(3000)))
    with pytest.raises(BusyError, match="4,096"):
        uploads.put(announce(data=bytes(2000), transfer="u"))
    with pytest.raises(OptionError, match="goes on"):
        uploads.add("t", 0, bytes(3001))
    uploads.prune(-1)
    uploads.put(announce(data=bytes(2000), transfer="u"))


@pytest.mark.parametrize(
    "upload",
    [
        announce("../song.wav"),
        announce("a/b"),
        announce(".."),
        announce("part"),
        announce(""),
        announce("a\nb"),
        announce("a\x1b[31mb"),
        announce("a\x9bb"),
        announce("a\u202egpj.wav"),
        announce("a\ud800"),
        announce("é" * 128),
        announce("PART"),
        announce("p\uff41rt"),
        announce("announced.j\u017fon"),
        announce("NUL"),
        announce("aux.wav"),
        announce("com¹.wav"),
        announce("song.wav."),
        announce("song.wav "),
        announce(data=b""),
        Upload("t", "song.wav", 5, "hash"),
        Upload("t", "song.wav", -5, "0" * 64),
    ],
)
def test_what_is_no_file_is_refused(upload: Upload, uploads: Uploads, tmp_path: Path) -> None:
    with pytest.raises(OptionError):
        uploads.put(upload)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["song", "é" * 127, "Für Elise (2).flac", "歌👩‍🎤.wav", ".wav", "part.wav"]
)
def test_what_is_a_file_is_taken(name: str, uploads: Uploads) -> None:
    complete(uploads, announce(name))
    assert uploads.find("t").name == name


def complete(uploads: Uploads, upload: Upload, host: str = "") -> Path:
    uploads.put(upload, host)
    assert uploads.add(upload.transfer, 0, DATA) == upload
    uploads.finish(upload)
    return uploads.find(upload.transfer)


def test_an_empty_piece_changes_nothing(uploads: Uploads) -> None:
    uploads.put(announce())
    for offset in (0, len(DATA)):
        with pytest.raises(OptionError, match="0 bytes"):
            uploads.add("t", offset, b"")
    complete(uploads, announce(transfer="u"))
    for piece in (b"", b"x"):
        with pytest.raises(OptionError, match="goes on at byte 1024 of 1024"):
            uploads.add("u", len(DATA), piece)
    assert uploads.find("u").read_bytes() == DATA


def test_what_came_before_a_crash_is_finished_after_it(uploads: Uploads, tmp_path: Path) -> None:
    uploads.put(announce())
    assert uploads.add("t", 0, DATA)
    again = Uploads(tmp_path, LIMITS)
    assert again.put(announce()) == len(DATA)
    assert again.find("t").read_bytes() == DATA
    again.finish(announce())


@pytest.mark.parametrize(
    "content",
    [b"", bytes(80), b'{"transfer":"t","na', b"[" * 100_000, b'{"transfer":5}', None],
    ids=["empty", "zeroed", "truncated", "nested", "other", "none"],
)
def test_an_announcement_that_cannot_be_read_is_set_aside(
    content: bytes | None, uploads: Uploads, tmp_path: Path
) -> None:
    complete(uploads, announce())
    (folder,) = tmp_path.iterdir()
    if content is None:
        (folder / "announced.json").unlink()
    else:
        (folder / "announced.json").write_bytes(content)
    again = Uploads(tmp_path, LIMITS)
    with pytest.raises(OptionError, match="not announced"):
        again.find("t")
    (aside,) = tmp_path.glob("*.damaged-*")
    assert (aside / "song.wav").read_bytes() == DATA
    complete(again, announce())


@pytest.mark.parametrize(("name", "size"), [("song.wav", 5), ("song.wav", 2000), ("part", 2000)])
def test_a_file_of_another_size_is_set_aside(
    name: str, size: int, uploads: Uploads, tmp_path: Path
) -> None:
    path = complete(uploads, announce())
    path.unlink()
    path.with_name(name).write_bytes(bytes(size))
    again = Uploads(tmp_path, LIMITS)
    assert again.put(announce()) == 0


def test_a_file_that_vanished_is_told_of(uploads: Uploads) -> None:
    complete(uploads, announce()).unlink()
    for call in (lambda: uploads.put(announce()), lambda: uploads.add("t", 0, DATA)):
        with pytest.raises(OutputError, match="Transfer t cannot be stored: No such file"):
            call()
    uploads.drop("t", "", needed=())
    complete(uploads, announce())


def test_a_machine_has_a_share_of_the_room(tmp_path: Path) -> None:
    limits = Limits(upload_bytes=5000, host_upload_bytes=2100, uploads=4, host_uploads=3)
    uploads = Uploads(tmp_path, limits)
    for transfer in ("a", "b"):
        uploads.put(announce(transfer=transfer), "10.0.0.1")
    with pytest.raises(BusyError, match=r"those of 10\.0\.0\.1 together"):
        Uploads(tmp_path, limits).put(announce(transfer="c"), "10.0.0.1")
    uploads.put(announce(transfer="c"), "10.0.0.2")
    uploads.put(announce(data=b"x", transfer="d"), "10.0.0.1")
    with pytest.raises(BusyError, match="all uploads together"):
        uploads.put(announce(transfer="e"), "10.0.0.3")


def test_an_upload_is_dropped_by_who_sent_it(uploads: Uploads, tmp_path: Path) -> None:
    path = complete(uploads, announce(), "10.0.0.1")
    with pytest.raises(OptionError, match="not yours"):
        uploads.drop("t", "10.0.0.2", needed=())
    with pytest.raises(BusyError, match="yet to read"):
        uploads.drop("t", "10.0.0.1", needed=[path])
    uploads.drop("t", "10.0.0.1", needed=())
    assert not list(tmp_path.iterdir())
    with pytest.raises(OptionError, match="not announced"):
        uploads.drop("t", "10.0.0.1", needed=())
    with pytest.raises(OptionError, match="not announced"):
        uploads.finish(announce())


def test_what_a_job_is_yet_to_read_is_never_old(uploads: Uploads, tmp_path: Path) -> None:
    path = complete(uploads, announce())
    outside = tmp_path / "outside"
    outside.symlink_to(path.parent)
    uploads.prune(-1, needed=[path])
    assert uploads.find("t") == path
    os.utime(path.parent, (0, 0))
    uploads.find("t")
    uploads.prune(1000)
    assert path.parent.stat().st_mtime > time.time() - 1000
    uploads.prune(-1)
    with pytest.raises(OptionError, match="not announced"):
        uploads.find("t")
    assert not path.exists()


def test_a_full_disk_leaves_the_names_free(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        uploads = Uploads(disk / "transfers", Limits(reserve_bytes=0))
        uploads.put(announce())
        ballast = fill_up(disk)
        with pytest.raises(DiskFullError):
            uploads.put(announce(transfer="u"))
        with pytest.raises(DiskFullError):
            uploads.add("t", 0, DATA)
        assert len(list((disk / "transfers").iterdir())) == 1
        ballast.unlink()
        with pytest.raises(DiskFullError):
            uploads.put(announce(data=bytes(1 << 21), transfer="u"))
        for transfer in "tu":
            complete(uploads, announce(transfer=transfer))


def test_some_of_the_disk_stays_free(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        uploads = Uploads(disk / "transfers", Limits(reserve_bytes=1 << 20))
        data = bytes(5 << 19)
        upload = announce(data=data)
        uploads.put(upload)
        fill_up(disk, leave=2 << 20)
        with pytest.raises(DiskFullError, match="would leave less than 1,048,576 free"):
            uploads.add("t", 0, data)


def test_a_transfer_is_one_file(uploads: Uploads) -> None:
    uploads.put(announce())
    with pytest.raises(OptionError, match="something else"):
        uploads.put(announce("other.wav"))
