from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from daw_bridge.errors import AudioError, BusyError, OptionError
from daw_bridge.serving.limits import Limits
from daw_bridge.serving.uploads import Upload, Uploads

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
        announce(data=b""),
        Upload("t", "song.wav", 5, "hash"),
        Upload("t", "song.wav", -5, "0" * 64),
    ],
)
def test_what_is_no_file_is_refused(upload: Upload, uploads: Uploads, tmp_path: Path) -> None:
    with pytest.raises(OptionError):
        uploads.put(upload)
    assert not list(tmp_path.iterdir())


def test_a_transfer_is_one_file(uploads: Uploads) -> None:
    uploads.put(announce())
    with pytest.raises(OptionError, match="something else"):
        uploads.put(announce("other.wav"))
