from __future__ import annotations

from daw_bridge.serving.queue import SHORT_SECONDS, FairQueue
from tests.serving.records import make_record


def drain(queue: FairQueue, *, only_short: bool = False) -> list[str]:
    jobs = []
    while record := queue.pop(only_short=only_short):
        jobs.append(record.task.job)
    return jobs


def test_clients_take_turns() -> None:
    queue = FairQueue()
    for number in range(4):
        queue.push(make_record(f"a{number}", "a"))
    queue.push(make_record("b0", "b"))
    queue.push(make_record("c0", "c"))
    queue.push(make_record("b1", "b"))
    assert len(queue) == 7
    assert queue.count("a") == 4
    assert drain(queue) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]
    assert len(queue) == 0


def test_who_just_had_a_turn_waits_for_the_others() -> None:
    queue = FairQueue()
    for job in ("a0", "a1"):
        queue.push(make_record(job, "a"))
    assert queue.pop()
    queue.push(make_record("b0", "b"))
    queue.push(make_record("a2", "a"))
    assert drain(queue) == ["a1", "b0", "a2"]


def test_short_jobs_pass_long_ones() -> None:
    queue = FairQueue()
    queue.push(make_record("set", "a", seconds=SHORT_SECONDS + 1))
    queue.push(make_record("take", "a", seconds=SHORT_SECONDS))
    queue.push(make_record("mix", "b", seconds=SHORT_SECONDS * 60))
    assert drain(queue, only_short=True) == ["take"]
    assert drain(queue) == ["mix", "set"]  # a had its turn


def test_what_nobody_has_measured_may_be_short() -> None:
    queue = FairQueue()
    for job, client in (("a0", "a"), ("a1", "a"), ("b0", "b")):
        queue.push(make_record(job, client))
    first = queue.pop(only_short=True)
    assert first
    first.seconds = SHORT_SECONDS + 1
    queue.put_back(first)
    assert [record.task.job for record in queue] == ["a0", "a1", "b0"]
    assert drain(queue, only_short=True) == ["a1", "b0"]
    assert drain(queue) == ["a0"]


def test_a_job_can_be_taken_out_and_put_first() -> None:
    queue = FairQueue()
    records = [make_record(job) for job in "xyz"]
    for record in records:
        queue.push(record)
    assert queue.remove(records[1])
    assert not queue.remove(records[1])
    queue.push(records[1], first=True)
    assert [record.task.job for record in queue] == ["y", "x", "z"]
