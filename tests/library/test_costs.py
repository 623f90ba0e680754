"""What models cost is kept, whatever becomes of the file, and whoever else keeps something."""

from __future__ import annotations

import json
import platform
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import pytest

from daw_bridge.library.costs import (
    MAX_COSTS,
    Conditions,
    Cost,
    find_cost,
    keep_cost,
    read_costs,
    typical_cost,
)
from daw_bridge.library.models import load_manifest

MODEL = "spleeter-2stems"
CPU = Conditions("cpu", 2)


def keep(seconds: float, conditions: Conditions = CPU, model: str = MODEL, **how: bool) -> None:
    keep_cost(Cost.of(load_manifest(model), conditions, seconds), **how)


def find(conditions: Conditions = CPU, model: str = MODEL) -> float | None:
    return find_cost(read_costs(), load_manifest(model), conditions)


def test_what_is_kept_is_found(home: Path) -> None:
    assert find() is None
    keep(0.5)
    keep(0.25)
    assert find() == 0.25
    assert len(read_costs()) == 1
    assert (home / "costs.json").is_file()


def test_a_song_counts_half(home: Path) -> None:
    keep(2.0, is_average=True)
    keep(1.0, is_average=True)
    assert find() == 1.5


def test_each_condition_has_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(1.0)
    assert find(Conditions("cpu", 4)) is None
    assert find(Conditions("cpu", 2, "int8")) is None
    assert find(Conditions("cuda", 2)) is None
    assert find(model="bridge-4stems") is None
    monkeypatch.setattr(platform, "node", lambda: "another machine")
    assert find() is None


def test_auto_stands_for_the_gpu_where_it_was_measured(home: Path) -> None:
    keep(1.0)
    assert find(Conditions("auto", 2)) == 1.0
    assert find(Conditions("gpu", 2)) is None
    keep(0.1, Conditions("cuda", 2))
    assert find(Conditions("auto", 2)) == 0.1
    assert find(Conditions("gpu", 2)) == 0.1
    assert find() == 1.0


def test_another_version_costs_something_else(home: Path) -> None:
    keep(1.0)
    (cost,) = read_costs()
    content = msgspec.json.encode([msgspec.structs.replace(cost, versions="0.9")])
    (home / "costs.json").write_bytes(content)
    assert find() is None
    keep(3.0, is_average=True)
    assert find() == 3.0
    assert len(read_costs()) == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'[{"model": "x"}]', b" " * (2 << 20), b"null"],
)
def test_a_damaged_file_holds_nothing(
    content: bytes, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "costs.json").write_bytes(content)
    assert read_costs() == []
    assert "cannot be read" in caplog.text
    keep(1.0)
    assert find() == 1.0


@pytest.mark.parametrize(
    ("key", "value"),
    [("seconds", 0), ("seconds", -1), ("threads", 0), ("model", "../x"), ("machine", "\x1b[2J")],
)
def test_values_are_checked(key: str, value: object, home: Path) -> None:
    keep(1.0)
    path = home / "costs.json"
    (cost,) = json.loads(path.read_bytes())
    path.write_text(json.dumps([{**cost, key: value}]), "utf-8")
    assert read_costs() == []


def test_a_folder_in_its_place_does_no_harm(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    (home / "costs.json").mkdir()
    keep(1.0)
    assert find() is None
    assert f"What {MODEL} costs is not kept" in caplog.text


def test_the_oldest_go(home: Path) -> None:
    keep(1.0)
    (cost,) = read_costs()
    many = [msgspec.structs.replace(cost, threads=10 + number) for number in range(MAX_COSTS)]
    (home / "costs.json").write_bytes(msgspec.json.encode([cost, *many]))
    keep(2.0, Conditions("cpu", 3))
    assert len(read_costs()) == MAX_COSTS
    assert find() is None
    assert find(Conditions("cpu", 3)) == 2.0


def _keep_some(first: int) -> None:
    for threads in range(first, first + 10):
        keep(1.0, Conditions("cpu", threads))


def test_processes_do_not_lose_what_others_keep(home: Path) -> None:
    with ProcessPoolExecutor(4) as processes:
        list(processes.map(_keep_some, range(1, 41, 10)))
    assert sorted(cost.threads for cost in read_costs()) == list(range(1, 41))


def test_what_is_typical() -> None:
    assert typical_cost(load_manifest("htdemucs-ft")) == pytest.approx(
        4 * (typical_cost(load_manifest("htdemucs")) or 0)
    )
    assert typical_cost(load_manifest("bridge-4stems")) == pytest.approx(0.04)
    assert typical_cost(load_manifest("classic-4stems")) == pytest.approx(0.044)
