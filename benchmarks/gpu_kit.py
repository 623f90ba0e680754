"""What ``benchmarks.gpu run`` needs on a machine that reaches no network.

kit.json      what was packed
benchmarks/   the benchmark itself
wheels/       this project, ONNX Runtime for GPUs, CUDA's libraries, pip, for Linux on x86-64
home/         models and their weights
song.wav      what is separated
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.separate import make_song
from daw_bridge.library.models import load_manifest
from tests.golden.songs import GOLDEN
from tests.golden.vr_case import FLAVOURS, make_arrays, shapes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
RUNTIME = "onnxruntime-gpu[cuda,cudnn]"
SCRIPTS = ("__init__.py", "gpu.py", "timed_pipeline.py")
_PLATFORMS = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(5, 29))]
_BANDS = "four-bands"


def make_kit(
    kit: Path,
    *,
    python: str,
    without: Sequence[str],
    models: Sequence[str],
    seconds: float,
    song: Path | None,
) -> None:
    """Fill a folder, which must not exist, and print how large it is.

    Args:
        kit: the folder.
        python: the version that the other machine has.
        without: patterns of names of packages that it has, too.
        models: are fetched; kinds of which there is none get small networks of random weights.
        seconds: how much of the song is separated, by random networks 30 s at most.
        song: at 44.1 kHz; None: those of the tests.
    """
    (kit / "benchmarks").mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(Path(__file__).with_name(script), kit / "benchmarks")
    make_song(song, seconds, kit)
    _download(kit / "wheels", python, without)
    contents = {
        "without": list(without),
        "models": _bring_models(kit / "home", models, seconds),
    }
    (kit / "kit.json").write_text(json.dumps(contents, indent=2), "utf-8")
    for part in sorted(kit.iterdir()):
        files = [part] if part.is_file() else [each for each in part.rglob("*") if each.is_file()]
        print(f"{sum(each.stat().st_size for each in files) / 1e6:8.1f} MB  {part.name}")


def _download(wheels: Path, python: str, without: Sequence[str]) -> None:
    pip: list[str | Path] = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "-w", wheels, ROOT], check=True)
    (own,) = wheels.iterdir()
    command = [*pip, "download", "--quiet", "--only-binary=:all:", "--python-version", python]
    command += [f"--platform={platform}" for platform in _PLATFORMS]
    command += ["-d", wheels, own, "pip", RUNTIME]
    subprocess.run(command, check=True)
    for wheel in wheels.iterdir():
        name = wheel.name.partition("-")[0].replace("_", "-").lower()
        if any(fnmatch(name, pattern) for pattern in without):
            wheel.unlink()


def _bring_models(home: Path, models: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """Fetch models into a folder, put others of the kinds that are missing there, and list all."""
    os.environ["DAW_BRIDGE_HOME"] = str(home.absolute())
    for model in models:
        _stemtool("pull", model)
    brought: dict[str, str] = {model: load_manifest(model).kind for model in models}
    with tempfile.TemporaryDirectory() as folder:
        for kind, words in _make_checkpoints(Path(folder)).items():
            if kind not in brought.values():
                _stemtool("import", *words, "--name", f"random-{kind}")
                brought[f"random-{kind}"] = kind
    return [
        {"model": model, "kind": kind, "seconds": seconds if model in models else min(seconds, 30)}
        for model, kind in brought.items()
    ]


def _make_checkpoints(folder: Path) -> dict[str, list[str | Path]]:
    """Return, for each kind, what is imported: MDX-Net's is of real size, the others are narrow."""
    references = Path(__file__).with_name("references.py")
    subprocess.run([sys.executable, references, "make", "mdx", folder], check=True)
    arrays = make_arrays(shapes_of(_BANDS))
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, folder / "vr.pth")
    flavour = FLAVOURS[_BANDS]
    told = {**flavour.parameters(), "primary_stem": flavour.primary_stem}
    (folder / "vr.json").write_text(json.dumps(told), "utf-8")
    return {
        "complex": [folder / "net.onnx", "--config", folder / "net.json"],
        "waveform": [GOLDEN / "demucs-waveforms" / "demucs3.th"],
        "hybrid": [GOLDEN / "demucs" / "htdemucs.th"],
        "banded": [folder / "vr.pth", "--config", folder / "vr.json"],
    }


def _stemtool(*words: str | Path) -> None:
    subprocess.run([Path(sys.executable).with_name("stemtool"), "models", *words], check=True)
