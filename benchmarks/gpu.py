"""What a GPU gives beside the CPU of its machine, which may be bare and reach no network.

python -m benchmarks.gpu pack KIT [--python 3.12] [--without NAME ...] [--models NAME ...]
python3 -m benchmarks.gpu run . --out RESULTS [--provider gpu] [--budget-s 560]

``pack``, where there is a package registry, makes a folder of all that ``run`` needs; ``run``, in
that folder, needs Python alone. For a model of each kind it runs ``stemtool separate`` on the GPU
and on the CPU, holds the stems of the one against those of the other, and writes a table and JSON.
What fails is told, and the next model has its turn; the exit status says whether any did, or was
not reached in time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_RESIDUAL_DB = -60
CPU = "cpu"
_NVIDIA_SMI = ["nvidia-smi", "--id=0", "--format=csv,noheader,nounits"]


class StepError(Exception):
    """A step of the benchmark failed, or had no time left; the message says why."""


@dataclass
class Measured:
    """What was measured of one model; None: not reached.

    Attributes:
        seconds: how much of the song is separated.
        pipeline: times real time, warm and without files, by provider.
        process: times real time of a whole process, the second of two, by provider.
        memory_mb: peak memory of that process, by provider.
        gpu_mb: peak memory of the GPU during the process, less what was taken before.
        residual_db: for each stem, what the GPU's lacks of the CPU's; None: the same to the bit.
        failure: what went wrong first.
    """

    model: str
    kind: str
    seconds: float
    pipeline: dict[str, float]
    process: dict[str, float]
    memory_mb: dict[str, float]
    gpu_mb: float | None = None
    residual_db: dict[str, float | None] | None = None
    failure: str = ""

    @property
    def worst_db(self) -> float | None:
        """The largest residual; None: there is none."""
        residuals = self.residual_db or {}
        return max((db for db in residuals.values() if db is not None), default=None)


class Bench:
    """Runs commands in an environment that holds only what a kit brings.

    Args:
        kit: what ``pack`` made.
        out: where results and the output of all commands go.
        budget_s: after so many seconds whatever runs is ended.
    """

    def __init__(self, kit: Path, out: Path, budget_s: float) -> None:
        self._ends = time.monotonic() + budget_s
        self._kit = kit.absolute()
        self.contents = json.loads((kit / "kit.json").read_text("utf-8"))
        self.song = self._kit / "song.wav"
        self.stems = self._kit / "stems"
        self._log = out / "log.txt"
        self._log.write_bytes(b"")
        self._programs = self._kit / "env" / "bin"
        self._environment = {**os.environ, "DAW_BRIDGE_HOME": str(self._kit / "home")}
        if self.contents["without"]:
            folders = [*map(str, _own_libraries()), os.environ.get("LD_LIBRARY_PATH", "")]
            self._environment["LD_LIBRARY_PATH"] = ":".join(filter(None, folders))

    def install(self) -> None:
        """Make the environment, offline; this Python has what was left out of the kit."""
        environment = self._programs.parent
        if environment.exists():
            return
        self.execute([sys.executable, "-m", "venv", "--without-pip", environment])
        if self.contents["without"]:
            (packages,) = environment.glob("lib/python*/site-packages")
            own = [path for path in sys.path if path.endswith("-packages")]
            (packages / "own.pth").write_text("\n".join(own), "utf-8")
        wheels = sorted((self._kit / "wheels").glob("*.whl"))
        pip = next(wheel for wheel in wheels if wheel.name.startswith("pip-"))
        installing: list[str | Path] = [sys.executable, pip / "pip", "--python", environment]
        installing += ["install", "--quiet", "--no-index", "--no-deps", "--ignore-installed"]
        self.execute([*installing, "--no-cache-dir", *wheels])

    def stemtool(self, *words: str | Path) -> tuple[float, float]:
        """Run a command of ``stemtool``; return seconds and its peak memory in megabytes."""
        _, wall_s, peak_mb = self.execute([self._programs / "stemtool", *words])
        return wall_s, peak_mb

    def doctor(self) -> dict[str, str]:
        """Return what ``stemtool doctor`` says of this machine."""
        told, _, _ = self.execute([self._programs / "stemtool", "doctor", "--json"])
        report: dict[str, str] = json.loads(told)
        return report

    def ask(self, *words: str | Path) -> str:
        """Return what benchmarks/timed_pipeline.py prints."""
        script = self._kit / "benchmarks" / "timed_pipeline.py"
        told, _, _ = self.execute([self._programs / "python", script, *words])
        return told

    def execute(self, command: Sequence[str | Path]) -> tuple[str, float, float]:
        """Return what a command prints, and seconds and peak memory in megabytes that it takes.

        Raises:
            StepError: it failed; its last line says why. Or it had to be ended.
        """
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise StepError("no time was left")
        output = self._log.with_name("output.txt")
        began = time.monotonic()
        with output.open("wb") as printed, self._log.open("ab") as log:
            log.write(f"\n$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command, env=self._environment, stdout=printed, stderr=log, start_new_session=True
            )
            ending = threading.Timer(left_s, os.killpg, (process.pid, signal.SIGKILL))
            ending.start()
            _, status, usage = os.wait4(process.pid, 0)
            ending.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s, told = time.monotonic() - began, output.read_text("utf-8", "replace")
        output.unlink()
        with self._log.open("a", encoding="utf-8") as log:
            log.write(told)
        if process.returncode:
            lines = self._log.read_text("utf-8", "replace").split("\n$ ")[-1].strip().splitlines()
            late = time.monotonic() >= self._ends
            raise StepError("it was ended, as no time was left" if late else lines[-1])
        return told, wall_s, usage.ru_maxrss / 1024


class GpuMemory:
    """Watches the memory of the first NVIDIA GPU while it is entered; elsewhere, nothing."""

    def __init__(self) -> None:
        self._samples: list[float] = []

    def __enter__(self) -> GpuMemory:
        command = [*_NVIDIA_SMI, "--query-gpu=memory.used", "--loop-ms=50"]
        self._watcher: subprocess.Popen[str] | None = None
        with suppress(OSError):
            self._watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._watch, args=[self._watcher], daemon=True).start()
        return self

    def _watch(self, watcher: subprocess.Popen[str]) -> None:
        for line in watcher.stdout or ():
            with suppress(ValueError):  # what else it may say
                self._samples.append(float(line))

    def __exit__(self, *_: object) -> None:
        if self._watcher:
            self._watcher.terminate()
            self._watcher.wait()

    @property
    def peak_mb(self) -> float | None:
        """What was taken at most, less what was taken first; None: unknown."""
        return max(self._samples) - self._samples[0] if self._samples else None


def _own_libraries() -> list[Path]:
    """Return the folders of NVIDIA's libraries among the packages of this Python."""
    spec = find_spec("nvidia")
    roots = (spec.submodule_search_locations or []) if spec else []
    return [folder for root in roots for folder in sorted(Path(root).glob("*/lib"))]


def measure(bench: Bench, model: dict[str, Any], provider: str) -> Measured:
    """Measure one model on a provider and on the CPU."""
    measured = Measured(**model, pipeline={}, process={}, memory_mb={})
    try:
        _measure(bench, measured, provider)
    except StepError as error:
        measured.failure = str(error)
    return measured


def _measure(bench: Bench, measured: Measured, provider: str) -> None:
    name, seconds = measured.model, measured.seconds
    folders = {each: bench.stems / name / each for each in (provider, CPU)}
    for each, folder in folders.items():
        words: list[str | Path] = ["separate", bench.song, "-m", name, "--provider", each]
        words += ["--length", str(seconds)]
        words += ["-o", folder, "--name", "{stem}.{ext}", "--bits", "32f", "--overwrite", "--quiet"]
        bench.stemtool(*words)  # so that files are in memory
        with GpuMemory() as memory:
            wall_s, measured.memory_mb[each] = bench.stemtool(*words)
        measured.process[each] = seconds / wall_s
        if each == provider:
            measured.gpu_mb = memory.peak_mb
    measured.residual_db = json.loads(bench.ask("compare", folders[CPU], folders[provider]))
    for each in folders:
        took_s = float(bench.ask("time", name, each, bench.song, str(seconds)))
        measured.pipeline[each] = seconds / took_s
    worst_db = measured.worst_db
    if worst_db is not None and worst_db > MAX_RESIDUAL_DB:
        raise StepError(f"a stem's residual is {worst_db:.1f} dB, above {MAX_RESIDUAL_DB} dB")


def describe_machine() -> dict[str, str]:
    """Return what this machine is."""
    told = ""
    with suppress(OSError, subprocess.CalledProcessError):
        query = "--query-gpu=name,driver_version,memory.total"
        told = subprocess.run(
            [*_NVIDIA_SMI, query], capture_output=True, text=True, check=True
        ).stdout
    processor = platform.processor()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        processor = next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    return {
        "GPU, driver, memory in MiB": told.strip() or "nvidia-smi tells of none",
        "Processor": f"{processor}, {os.cpu_count()} threads",
    }


def render(machine: dict[str, str], results: list[Measured], provider: str) -> str:
    """Return machine and results as Markdown."""
    shown = [name for name in machine if not name.startswith(("Model ", "Provider ", "Server"))]
    shown += [f"Provider {name}" for name in (provider, "cuda") if f"Provider {name}" in machine]
    lines = [f"- {name}: {machine[name]}" for name in dict.fromkeys(shown)]
    lines += [
        "",
        "Times real time, and peak memory of whole processes:",
        "",
        f"| model | kind | seconds | worst residual | pipeline, {provider} | cpu"
        f" | process, {provider} | cpu | GPU memory | memory, {provider} | cpu | failure |",
        "|" + 12 * "---|",
    ]
    for result in results:
        cells = [result.model, result.kind, f"{result.seconds:.0f}", _worst(result)]
        for figures in (result.pipeline, result.process):
            cells += [f"{figures[each]:.1f}" if each in figures else "" for each in (provider, CPU)]
        cells.append("" if result.gpu_mb is None else f"{result.gpu_mb:.0f} MB")
        taken = result.memory_mb
        cells += [f"{taken[each]:.0f} MB" if each in taken else "" for each in (provider, CPU)]
        lines.append(f"| {' | '.join([*cells, result.failure])} |")
    return "\n".join(lines) + "\n"


def _worst(result: Measured) -> str:
    if result.residual_db is None:
        return ""
    return "the same to the bit" if result.worst_db is None else f"{result.worst_db:.1f} dB"


def run(arguments: argparse.Namespace) -> int:
    """Measure all models of a kit; return the exit status."""
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments.kit, out, arguments.budget_s)
    machine, results = describe_machine(), []
    try:
        bench.install()
        machine |= bench.doctor()
    except StepError as error:
        raise SystemExit(
            f"The kit cannot be used: {error}; {out}/log.txt has all of it."
        ) from error
    for model in bench.contents["models"]:
        results.append(measure(bench, model, arguments.provider))
        table = render(machine, results, arguments.provider)
        (out / "gpu.md").write_text(table, "utf-8")
        told = {"machine": machine, "results": [asdict(result) for result in results]}
        (out / "gpu.json").write_text(json.dumps(told, indent=2), "utf-8")
        print(table.splitlines()[-1], flush=True)
    print(f"\n{table}")
    return int(any(result.failure for result in results))


def pack(arguments: argparse.Namespace) -> int:
    """Make a kit; return the exit status."""
    from benchmarks.gpu_kit import make_kit  # it needs what a bare machine lacks

    make_kit(
        arguments.kit,
        python=arguments.python,
        without=arguments.without,
        models=arguments.models,
        seconds=arguments.seconds,
        song=arguments.song,
    )
    return 0


def main() -> None:
    """Run the benchmark, or get it ready."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack", help="make a folder of all that is needed")
    packing.set_defaults(do=pack)
    packing.add_argument("kit", type=Path)
    packing.add_argument(
        "--python", default="{}.{}".format(*sys.version_info), help="of the target"
    )
    packing.add_argument("--without", nargs="+", default=[], help="packages that the target has")
    packing.add_argument("--models", nargs="+", default=["spleeter-2stems", "bridge-4stems"])
    packing.add_argument("--song", type=Path, help="at 44.1 kHz")
    packing.add_argument("--seconds", type=float, default=180)
    running = commands.add_parser("run", help="measure, on a machine with a GPU")
    running.set_defaults(do=run)
    running.add_argument("kit", type=Path)
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--provider", default="gpu", help="cpu: a rehearsal without a GPU")
    running.add_argument("--budget-s", type=float, default=560)
    arguments = parser.parse_args()
    sys.exit(arguments.do(arguments))


if __name__ == "__main__":
    main()
