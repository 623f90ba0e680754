"""The benchmark of GPUs, rehearsed on the CPU in an environment that is there already."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from benchmarks import gpu, gpu_kit, timed_pipeline
from tests.conftest import make_noise
from tests.ladder_models import install


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit of one model that works and one that is not there, whose environment is this one."""
    kit = tmp_path / "kit"
    install(kit / "home", "low", sdr_db=1)
    soundfile.write(kit / "song.wav", make_noise(88_200).samples.T, 44_100)
    (kit / "benchmarks").symlink_to(Path(gpu.__file__).parent)
    (kit / "env").symlink_to(sys.prefix)
    models = [{"model": name, "kind": "magnitude", "seconds": 2} for name in ("none", "low")]
    (kit / "kit.json").write_text(json.dumps({"without": [], "models": models}), "utf-8")
    return kit


def rehearse(kit: Path, budget_s: float) -> tuple[int, list[dict[str, object]]]:
    """Return the exit status, and what was measured of each model."""
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.gpu", "run", kit]
    command += ["--out", kit / "out", "--provider", "cpu", "--budget-s", str(budget_s)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.returncode, json.loads((kit / "out" / "gpu.json").read_text("utf-8"))["results"]


def test_a_model_that_fails_is_told_and_the_next_has_its_turn(kit: Path) -> None:
    status, (failed, measured) = rehearse(kit, 100)
    assert status == 1
    assert "no model 'none'" in str(failed["failure"])
    assert measured["failure"] == ""
    assert measured["residual_db"] == {"low": None, "high": None}
    assert "| low | magnitude | 2 | the same to the bit |" in (kit / "out/gpu.md").read_text()


def test_a_residual_is_measured_for_each_stem(tmp_path: Path) -> None:
    noise = make_noise(1_000).samples.T
    for folder, gain in (("ours", 1.0), ("theirs", 1.001)):
        (tmp_path / folder).mkdir()
        for stem, level in (("drums", gain), ("bass", 1.0), ("silence", 0.0)):
            path = tmp_path / folder / f"{stem}.wav"
            soundfile.write(path, level * noise, 44_100, "FLOAT")
    residuals = timed_pipeline.compare(tmp_path / "ours", tmp_path / "theirs")
    assert residuals["drums"] == pytest.approx(-60, abs=0.01)
    assert (residuals["bass"], residuals["silence"]) == (None, None)


def test_time_that_is_up_ends_what_runs(kit: Path) -> None:
    (kit / "out").mkdir()
    bench = gpu.Bench(kit, kit / "out", 0.3)
    with pytest.raises(gpu.StepError, match="ended, as no time was left"):
        bench.execute([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(gpu.StepError, match="no time was left"):
        bench.execute([sys.executable, "-c", ""])


def test_a_kit_brings_what_a_bare_python_needs() -> None:
    assert {f"{module.__name__.rpartition('.')[2]}.py" for module in (gpu, timed_pipeline)} < set(
        gpu_kit.SCRIPTS
    )
    command = [sys.executable, "-S", "-c", "import benchmarks.gpu"]
    root = Path(gpu.__file__).parent.parent
    assert subprocess.run(command, cwd=root, check=False).returncode == 0
