from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from daw_bridge.errors import DiskFullError, OutputError
from daw_bridge.serving.store import Store
from daw_bridge.workers.worker import Outcome
from tests.disks import fill_up, small_disk
from tests.serving.records import make_record


def encoded(**changes: object) -> bytes:
    record = make_record("b")
    record.task = msgspec.structs.replace(record.task, **changes)
    return msgspec.json.encode(record)


def test_records_outlive_the_process(tmp_path: Path) -> None:
    outcome = Outcome(
        "b", "separate", "m", "cpu", ("/a.wav",), 0, 7, 44_100, 2, {"v": "/v.wav"}, 0.0, -120.5, 1.0
    )
    first = Store(tmp_path / "jobs")
    for job in "abc":
        first.save(make_record(job))
    done = make_record("b")
    done.state, done.outcome, done.on_done = "done", outcome, ("/x", "y")
    first.save(done)  # not closed: as after kill -9
    second = Store(tmp_path / "jobs")
    found = second.find("b")
    assert found
    assert found.outcome == outcome
    assert found.on_done == ("/x", "y")
    assert found.is_over
    assert [record.task.job for record in second.unfinished()] == ["a", "c"]
    assert [record.task.job for record in second.latest(2)] == ["b", "c"]
    assert second.find("z") is None


def test_only_what_is_over_is_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs")
    over = make_record("over")
    over.state = "failed"
    store.save(over)
    store.save(make_record("waits"))
    store.prune(1000)
    assert store.jobs() == {"over", "waits"}
    store.prune(-1)
    assert [record.task.job for record in store.latest(9)] == ["waits"]


def test_a_name_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    record = make_record("a")
    record.task = msgspec.structs.replace(record.task, folder="/out/\udcff")
    with closing(Store(tmp_path / "jobs")) as store:
        with pytest.raises(OutputError, match="not UTF-8; change it"):
            store.save(record)
        assert store.find("a") is None


def fill(path: Path, jobs: str) -> None:
    with closing(Store(path)) as store:
        for job in jobs:
            store.save(make_record(job))


def damage(path: Path, where: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(where)
        file.write(b"\xa5" * length)


@pytest.mark.parametrize(
    "content",
    [b"something else, long enough to be looked at as a database header is", bytes(8192)],
    ids=["text", "zeros"],
)
def test_what_is_no_database_is_set_aside(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.write_bytes(content)
    fill(path, "ab")
    with closing(Store(path)) as store:
        assert store.jobs() == {"a", "b"}
    if any(content):
        (aside,) = tmp_path.glob("jobs.damaged-*")
        assert aside.read_bytes() == content


@pytest.mark.parametrize("existed", [True, False])
def test_a_full_disk_is_called_so(existed: bool, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        if existed:
            fill(disk / "jobs", "a")
        ballast = fill_up(disk)
        with pytest.raises(DiskFullError, match="free some room"):
            fill(disk / "jobs", "bcdefghijklmnopqrstuvwxyz")
        ballast.unlink()
        fill(disk / "jobs", "z")


def test_what_can_be_read_of_a_damaged_database_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    with closing(Store(path)) as store:
        for number in range(200):
            store.save(make_record(f"{number:03}"))
    damage(path, path.stat().st_size - 4096, 4096)
    with closing(Store(path)) as store:
        found = store.jobs()
        store.save(make_record("new"))
        assert store.find("new")
    assert found <= {f"{number:03}" for number in range(200)}
    assert list(tmp_path.glob("jobs.damaged-*"))


@pytest.mark.parametrize("companion", ["-wal", "-shm"])
def test_what_lies_beside_a_database_may_be_anything(companion: str, tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    fill(path, "ab")
    path.with_name(path.name + companion).write_bytes(b"\xa5" * 50_000)
    with closing(Store(path)) as store:
        assert store.jobs() == {"a", "b"}
        store.save(make_record("c"))
        assert len(store.unfinished()) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"", b"garbage", b"\xff\xfe", bytes(100), b"[" * 100_000, b"{}", b"null", None, 5, "text",
        encoded(kind="conquer"), encoded(sources=()), encoded(folder="/a\0b"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_set_aside(content: object, tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    fill(path, "abc")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("UPDATE OR IGNORE jobs SET record = ? WHERE job = 'b'", (content,))
        changed = database.execute("SELECT record FROM jobs WHERE job = 'b'").fetchone()[0]
    with closing(Store(path)) as store:
        unfinished = [record.task.job for record in store.unfinished()]
        if changed == content:
            assert unfinished == ["a", "c"]
            assert store.find("b") is None
            store.save(make_record("b"))
        assert store.find("b")
        assert [record.task.job for record in store.latest(9)][:1] == ["a"]
