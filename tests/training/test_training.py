"""Training as a user starts it: it learns, goes on after a kill, and becomes a model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from daw_bridge import Audio
from daw_bridge.files.songs import find_songs
from tests.conftest import level_db
from tests.stemtool import STEMTOOL
from tests.training.songs import write_training

STEPS = 30
EVERY = 10


def stemtool(*arguments: str | Path, home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [STEMTOOL, *map(str, arguments)],
        env={**os.environ, "DAW_BRIDGE_HOME": str(home)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*arguments: str | Path, home: Path) -> str:
    process = stemtool(*arguments, home=home)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was left alone."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_training(folder, steps=STEPS, every=EVERY)
    run("train", config, home=folder)
    return folder


def test_overfits(trained: Path, tmp_path: Path) -> None:
    run("models", "export", trained / "run/last.ckpt", home=trained)
    song = find_songs(trained / "songs")[0]
    mixture = tmp_path / "mixture.wav"
    soundfile.write(mixture, song.read_mixture().T, song.sample_rate_hz, subtype="FLOAT")
    run("separate", mixture, "-m", "tiny", "-o", tmp_path, home=trained)
    for stem in ("drums", "bass"):
        reference = song.read(stem)
        estimate = Audio.read(tmp_path / "mixture" / f"{stem}.wav").samples
        sdr_db = -level_db(estimate - reference, reference)
        assert sdr_db >= 15, stem


def test_learns_a_teachers_stems_from_mixes_alone(trained: Path, tmp_path: Path) -> None:
    run("models", "export", trained / "run/last.ckpt", home=tmp_path)
    for number, folder in enumerate(("mixes", "held")):
        mixture = find_songs(trained / "songs")[number].read_mixture()
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "mix.flac", mixture.T, 44_100)
    config = write_training(tmp_path, steps=STEPS, every=EVERY)
    text = config.read_text().replace('train = ["songs"]\nvalidation = ["songs"]\n', "")
    teacher = '[teacher]\nmodel = "tiny"\nmixes = ["mixes"]\nheld = ["held"]\n'
    config.write_text(text + teacher)
    process = stemtool("train", config, home=tmp_path)
    output, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    assert output.strip().endswith("best.ckpt")
    found = re.findall(r"residual against the teacher's of drums (-?[\d.]+) dB", log)
    residuals_db = list(map(float, found))
    assert len(residuals_db) == STEPS // EVERY
    assert residuals_db[-1] < residuals_db[0] - 3
    assert residuals_db[-1] < -10


def test_goes_on_after_a_kill(trained: Path, tmp_path: Path) -> None:
    config = write_training(tmp_path, steps=STEPS, every=EVERY)
    last = tmp_path / "run/last.ckpt"
    process = stemtool("train", config, home=tmp_path)
    while not last.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    reached = torch.load(last, weights_only=True)["global_step"]
    assert 0 < reached < STEPS
    run("train", config, "--resume", home=tmp_path)
    ours, theirs = (
        torch.load(folder / "run/last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path, trained)
    )
    for name, state in ours.items():
        np.testing.assert_allclose(state, theirs[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_refuses_to_choose_by_silence(tmp_path: Path) -> None:
    config = write_training(tmp_path, steps=2, every=1)
    (tmp_path / "quiet/song").mkdir(parents=True)
    for stem in ("drums", "bass"):
        soundfile.write(tmp_path / f"quiet/song/{stem}.wav", np.zeros((44_100, 2)), 44_100)
    process = stemtool("train", config, "--validation", tmp_path / "quiet", home=tmp_path)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"chosen by {tmp_path / 'quiet'}: all stems there are silent" in errors
    assert "Traceback" not in errors


def test_refuses_to_train_over_a_checkpoint(trained: Path) -> None:
    process = stemtool("train", trained / "tiny.toml", home=trained)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "--resume" in errors
    assert "Traceback" not in errors


def test_keeps_the_statistics_of_weights_that_it_starts_from(trained: Path, tmp_path: Path) -> None:
    config = write_training(tmp_path, steps=2, every=2)
    start = trained / "run/last.ckpt"
    text = config.read_text().replace("[network]", f"[network]\nstart = '{start}'")
    config.write_text(text)
    run("train", config, home=tmp_path)
    before = torch.load(start, weights_only=True)["state_dict"]
    after = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["current_model_state"]
    for name, state in before.items():
        is_statistic = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        is_used = "encoder6.norm" not in name
        assert torch.equal(state, after[name]) == (is_statistic or not is_used), name
