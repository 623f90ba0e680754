"""Status files: whose they are, and that they lead nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from daw_bridge.errors import BusyError
from daw_bridge.files.reach import Beneath
from daw_bridge.serving.status import note_failure, restore_status, write_status
from daw_bridge.serving.store import Record
from tests.serving.records import make_record
from tests.swapping import swapping

ROUNDS = 300


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path.resolve() / "root"


def record_in(folder: Path, job: str = "job") -> Record:
    record = make_record(job)
    record.task = msgspec.structs.replace(record.task, folder=str(folder))
    return record


def test_a_status_is_written_and_replaced(root: Path) -> None:
    record = record_in(root / "new" / "out")
    write_status(record, Beneath([root]))
    status = root / "new" / "out" / "status"
    assert status.read_text("utf-8") == "job=job\nstate=queued\nprogress=0.000\n"
    record.state = "done"
    restore_status(record, Beneath([root]))
    assert "state=done\nprogress=1.000" in status.read_text("utf-8")
    write_status(record_in(root / "new" / "out", "next"), Beneath([root]))
    assert status.read_text("utf-8").startswith("job=next\n")


@pytest.mark.parametrize("left", [b"", bytes(100)])
def test_what_a_power_cut_leaves_of_one_is_replaced(left: bytes, root: Path) -> None:
    (root / "status").write_bytes(left)
    write_status(record_in(root), Beneath([root]))
    assert (root / "status").read_bytes().startswith(b"job=job")


def test_a_file_of_the_users_stays(root: Path) -> None:
    own = root / "status"
    for content in (b"my notes", b"job=done well\n", b"RIFF\0\0\0\0WAVE"):
        own.write_bytes(content)
        write_status(record_in(root), Beneath([root]))
        restore_status(record_in(root), Beneath([root]))
        note_failure(root, "job", BusyError("Full."))
        assert own.read_bytes() == content


def test_links_and_pipes_are_left_alone(root: Path) -> None:
    secret = root.parent / "outside" / "secret"
    secret.write_bytes(b"job=job\nstate=queued\n")
    (root / "status").symlink_to(secret)
    write_status(record_in(root), Beneath([root]))
    restore_status(record_in(root), Beneath([root]))
    assert (root / "status").is_symlink()
    assert secret.read_bytes() == b"job=job\nstate=queued\n"
    (root / "status").unlink()
    os.mkfifo(root / "status")
    write_status(record_in(root), Beneath([root]))
    restore_status(record_in(root), Beneath([root]))
    assert [path.name for path in root.iterdir()] == ["status"]


def test_nothing_is_made_outside_of_the_roots(root: Path) -> None:
    outside = root.parent / "outside"
    (root / "link").symlink_to(outside)
    for folder in (outside / "new", root / ".." / "outside", root / "link", root / "link" / "new"):
        write_status(record_in(folder), Beneath([root]))
    assert not list(outside.iterdir())


def test_a_folder_that_is_swapped_leads_nowhere(root: Path) -> None:
    outside = root.parent / "outside"
    (root / "out").mkdir()
    with swapping(root / "out", outside):
        for _ in range(ROUNDS):
            write_status(record_in(root / "out"), Beneath([root]))
    assert not list(outside.iterdir())
