"""Whatever a checkpoint does to the process that reads it, one sentence comes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from daw_bridge.conversion import process
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.process import convert_apart, inspect_apart
from daw_bridge.errors import OptionError, WeightsError
from tests import mini_model
from tests.golden.openunmix_case import make_target

TRUSTING = ImportWishes(trust=True)


class Calls:
    """A pickle that calls something where it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def running(code: str) -> Calls:
    return Calls(exec, code)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "made").mkdir()
    return tmp_path / "made"


def write(place: Path, held: Calls) -> Path:
    """Write an Open-Unmix of two stems that holds something else too."""
    place.mkdir()
    for seed, stem in enumerate(("vocals", "other")):
        arrays = make_target(seed, bins=65, seen_bins=33, hidden=8, layers=1)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.save({**tensors, "more": held}, place / f"{stem}.pth")
    return place


def fail(held: Calls, folder: Path) -> str:
    """Return what comes of reading a pickle that is trusted."""
    checkpoint = write(folder.parent / "brought", held)
    with pytest.raises(WeightsError) as caught:
        convert_apart(checkpoint, None, TRUSTING, folder=folder)
    message = str(caught.value)
    assert message.startswith(str(checkpoint))
    assert "\n" not in message
    assert not list(folder.iterdir())
    return message


def test_a_crash_is_a_sentence(folder: Path) -> None:
    assert "was ended by the system: Aborted" in fail(Calls(os.abort), folder)


def test_leaving_without_a_word_is_a_sentence(folder: Path) -> None:
    assert "exited with status 3" in fail(Calls(os._exit, 3), folder)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="memory has no limit there")
def test_memory_has_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hoard = running("held = []\nwhile True: held.append(bytearray(1 << 28))")
    monkeypatch.setattr(process, "_LEAST_MEMORY_BYTES", 1 << 30)
    assert "Killed" not in fail(hoard, folder)  # by a system that ran out of it


@pytest.mark.skipif(sys.platform == "win32", reason="time of processors has no limit there")
def test_time_of_processors_has_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LEAST_CPU_S", 3)
    monkeypatch.setattr(process, "_WALL_S_PER_CPU_S", 100)
    assert "CPU time limit exceeded" in fail(running("while True: pass"), folder)


def test_time_has_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_WALL_S_PER_CPU_S", 0.01)
    assert "took more than 3 s" in fail(running("import time; time.sleep(600)"), folder)


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_files_have_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_FILE_BYTES", 1000)
    checkpoint = mini_model.write_archive(folder.parent)
    with pytest.raises(WeightsError, match="File too large"):
        convert_apart(checkpoint, None, ImportWishes(), folder=folder)


def test_options_that_do_not_fit_are_told_as_such(folder: Path) -> None:
    checkpoint = mini_model.write_archive(folder.parent)
    with pytest.raises(OptionError, match="makes 2 stems, not a, b, c"):
        convert_apart(checkpoint, None, ImportWishes(("a", "b", "c")), folder=folder)


def test_a_file_may_have_a_name_of_no_encoding(folder: Path) -> None:
    archive = mini_model.write_archive(folder.parent)
    renamed = archive.rename(archive.with_name("2stems-\udcff.tar.gz"))
    model = convert_apart(renamed, None, ImportWishes(), folder=folder)
    assert model.stems == mini_model.STEMS
    with pytest.raises(WeightsError, match="is no ONNX graph"):
        inspect_apart(renamed, ((1, 2, 64, 64),))


def test_nothing_is_imported_from_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = mini_model.write_archive(folder.parent)
    trap = folder.parent / "trap"
    trap.mkdir()
    for module in ("msgspec", "numpy", "onnx", "tarfile"):
        (trap / f"{module}.py").write_text("import os; os._exit(7)", "utf-8")
    monkeypatch.chdir(trap)
    assert convert_apart(checkpoint, None, ImportWishes(), folder=folder)


def test_the_process_ends_with_whoever_asked(folder: Path) -> None:
    told = folder.parent / "pid"
    code = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    checkpoint = write(folder.parent / "brought", running(code))
    asking = f"""
from pathlib import Path
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.process import convert_apart
wishes = ImportWishes(trust=True)
convert_apart(Path({str(checkpoint)!r}), None, wishes, folder=Path({str(folder)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", asking]) as asker:
        while not (told.is_file() and told.read_text("utf-8")):
            time.sleep(0.05)
        asker.kill()
    pid = int(told.read_text("utf-8"))
    with suppress(ProcessLookupError):
        for _ in range(600):
            os.kill(pid, 0)
            if _is_zombie(pid):
                return
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        pytest.fail("it went on for a minute")


def _is_zombie(pid: int) -> bool:
    """Return whether a process is over, but nobody has asked how it ended."""
    state = Path(f"/proc/{pid}/stat")
    return state.is_file() and state.read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
