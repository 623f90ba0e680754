"""``stemtool train``, up to where training itself begins (see ``tests/training``)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.stemtool import stemtool
from tests.training.songs import write_training


def test_help_names_what_it_reads_and_what_comes_next() -> None:
    run = stemtool("train", "--help")
    assert (run.returncode, run.stderr) == (0, "")
    for text in ("MUSDB18-HQ", "*.stem.mp4", ".csv", "--resume", "stemtool models export"):
        assert text in run.stdout


def test_bad_input_gets_one_sentence(tmp_path: Path) -> None:
    config = write_training(tmp_path, steps=1, every=1)
    cases: list[tuple[list[object], int, str]] = [
        (["train"], 2, "Missing argument 'CONFIG'"),
        (["train", tmp_path / "none.toml"], 2, "none.toml cannot be read"),
        (["train", config, "--data", tmp_path / "none"], 2, "there is no data set"),
        (["train", config, "--validation", "none"], 2, f"there is no data set {Path.cwd()}/none"),
        (["train", config, "--steps", "0"], 2, "0 is not in the range"),
        (["train", config, "--output", config / "run"], 1, "run cannot be written: Not a dir"),
        (["models", "export", config], 1, "tiny.toml is no checkpoint of a training."),
    ]
    for arguments, code, sentence in cases:
        run = stemtool(*arguments)
        assert (run.returncode, run.stdout) == (code, ""), run.stderr
        assert sentence in run.stderr
        assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "arguments", [("train", "tiny.toml"), ("models", "export", "run/last.ckpt")]
)
def test_without_torch_the_extra_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write_training(tmp_path, steps=1, every=1)
    absent = tmp_path / "absent" / "torch"
    absent.mkdir(parents=True)
    (absent / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    path = os.pathsep.join([str(absent.parent), os.environ.get("PYTHONPATH", "")])
    run = stemtool(*arguments, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [
        "stemtool: Training needs torch: pip install 'daw-bridge[train]' brings it."
    ]
