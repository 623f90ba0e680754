from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.errors import OutputError
from daw_bridge.serving.store import Store
from daw_bridge.workers.worker import Outcome
from tests.serving.records import make_record


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
    assert store.prune(1000) == []
    assert store.prune(-1) == ["over"]
    assert [record.task.job for record in store.latest(9)] == ["waits"]


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs"
    path.write_text("something else, long enough to be looked at as a database header is")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="move it away"):
        Store(path)
    assert path.read_bytes() == before
