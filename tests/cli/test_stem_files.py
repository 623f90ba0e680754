"""Stem files as sources: their own stems are used, where there is no model to make any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import AudioError
from daw_bridge.files.reading import open_audio
from daw_bridge.jobs.remix import RemixJob
from daw_bridge.jobs.sources import locate_stems
from daw_bridge.library.models import load_manifest
from daw_bridge.rendering.preset import load_preset
from tests.conftest import SONGS, level_db
from tests.stem_files import FOUR, Band, labels, make_band, write_labelled
from tests.stemtool import stemtool


@pytest.fixture(scope="module")
def band(tmp_path_factory: pytest.TempPathFactory) -> Band:
    return make_band(tmp_path_factory.mktemp("band"))


@pytest.fixture(scope="module")
def alac(band: Band) -> Path:
    return band.write(band.mixture.with_name("alac.stem.mp4"), "stem.mp4:alac")


@pytest.fixture(scope="module")
def aac(band: Band) -> Path:
    return band.write(band.mixture.with_name("aac.stem.mp4"))


def samples(path: Path) -> np.ndarray:
    """Return a file: float64 (channels, frames)."""
    return soundfile.read(path)[0].T


@pytest.mark.usefixtures("home")
def test_a_remix_of_its_own_stems(alac: Path, band: Band, tmp_path: Path) -> None:
    out = tmp_path / "music.wav"
    done = stemtool("remix", alac, "--mute", "vocals", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stems from stem file" in done.stdout
    assert "the stems are those of the file itself; nothing was separated" in done.stdout
    assert "they sum to the mixture: " in done.stdout
    music = samples(band.mixture) - samples(band.stems["vocals"])
    assert level_db(samples(out) - music, music) < -120


@pytest.mark.usefixtures("home")
def test_what_lossy_stems_leave_is_measured(aac: Path, band: Band, tmp_path: Path) -> None:
    out = tmp_path / "all.wav"
    done = stemtool("remix", aac, "-o", out, "--bits", "32f", "--json")
    report = json.loads(done.stdout)
    mixture = samples(band.mixture)
    assert report["provider"] == "stem file"
    assert report["frames"] == mixture.shape[1]
    assert report["precision"] is None
    decoded = Audio.read(aac).samples[:, : mixture.shape[1]]
    null = level_db(samples(out) - decoded, decoded)
    assert null == pytest.approx(report["null_db"], abs=0.05)
    assert -60 < null < -15


@pytest.mark.usefixtures("home")
def test_a_part_kept_stems_and_a_model_that_is_not_here(
    alac: Path, band: Band, tmp_path: Path
) -> None:
    done = stemtool(
        "remix", alac, "-o", tmp_path / "a.wav", "--keep-stems", "--bits", "32f",
        "--start", "1", "--length", "0.5", "-m", "htdemucs", "--solo", "vox",
    )  # fmt: skip
    assert done.returncode == 2
    assert "there are drums, bass, other, vocals" in done.stderr
    done = stemtool(
        "remix", alac, "-o", tmp_path / "a.wav", "--keep-stems", "--bits", "32f",
        "--start", "1", "--length", "0.5", "-m", "htdemucs", "--solo", "vocals",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    part = samples(band.stems["vocals"])[:, 44_100 : 44_100 + 22_050]
    for path in (tmp_path / "a.wav", tmp_path / "a.stems/vocals.wav"):
        assert level_db(samples(path) - part, part) < -120
    assert {path.stem for path in (tmp_path / "a.stems").iterdir()} == set(FOUR)


@pytest.mark.usefixtures("home")
def test_an_upmix_by_its_own_stems(alac: Path, tmp_path: Path) -> None:
    done = stemtool("upmix", alac, "-o", tmp_path / "up.wav", "--json")
    report = json.loads(done.stdout)
    assert report["provider"] == "stem file"
    assert report["report"]["null_db"] < -100


@pytest.mark.usefixtures("home")
def test_stems_of_a_stem_file_for_the_song(alac: Path, band: Band, tmp_path: Path) -> None:
    out = tmp_path / "drumless.wav"
    done = stemtool("remix", band.mixture, "--stems", alac, "--mute", "drums", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    rest = samples(band.mixture) - samples(band.stems["drums"])
    assert level_db(samples(out) - rest, rest) < -120


def test_info_shows_names_and_colours(alac: Path) -> None:
    done = stemtool("info", alac)
    assert done.returncode == 0
    assert "Drums #009E73, Bass #D55E00, Other #CC79A7, Vocals #56B4E9" in done.stdout
    assert "track 5" in done.stdout
    (told,) = json.loads(stemtool("info", alac, "--json").stdout)["files"]
    assert told["stems"][3] == {"name": "Vocals", "colour": "#56B4E9"}


def test_info_of_hostile_labels(tmp_path: Path) -> None:
    named = write_labelled(tmp_path / "a.stem.mp4", labels("\x1b[2J", "a\nb", "../../x", "<b>"))
    shown = stemtool("info", named)
    assert shown.returncode == 0
    assert r"\x1b[2J #009E73, a\nb #009E73, ../../x #009E73, <b> #009E73" in shown.stdout
    broken = write_labelled(tmp_path / "b.stem.mp4", b"[" * 60_000)
    shown = stemtool("info", broken)
    assert shown.returncode == 1
    assert "says that it is a stem file, and cannot be used as one" in shown.stderr
    assert "track 5" in shown.stdout
    assert "Traceback" not in shown.stderr


def test_names_are_fit_for_files(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "a.mp4", labels("../../x", "Vox", "vocals", "remix"))
    assert list(locate_stems(path)) == ["______x", "vocals", "vocals 3", "remix 4"]
    path = write_labelled(tmp_path / "b.mp4", labels("", "Stem", "", "\n"))
    assert list(locate_stems(path)) == ["stem", "stem 2", "stem 3", "_"]


def test_hostile_labels_leave_a_mixture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_labelled(tmp_path / "a.mp4", labels("Drums"))
    job = RemixJob(path, tmp_path / "out.wav", load_preset("karaoke"))
    assert job.stems(load_manifest("spleeter-2stems")) == ("vocals", "accompaniment")
    assert "labels 1 stems, not 4; only its first track is seen" in caplog.text
    with pytest.raises(AudioError, match="labels 1 stems, not 4"):
        locate_stems(path)


def test_a_project_of_a_stem_file(aac: Path, alac: Path, band: Band, tmp_path: Path) -> None:
    for source in (aac, alac):
        out = tmp_path / source.stem
        done = stemtool("project", source, "--to", "dawproject,rpp", "-o", out)
        assert (done.returncode, done.stderr) == (0, "")
        assert "4 stems of 4.0 s at 44100 Hz" in done.stdout
        title = source.name.partition(".")[0]
        audio = out / f"{title} audio"
        paths = [audio / f"{title}.wav", *(audio / f"stems/{name}.wav" for name in FOUR)]
        assert {path.name for path in out.iterdir()} == {
            audio.name, f"{title}.dawproject", f"{title}.rpp",
        }  # fmt: skip
        for path, expected in zip(paths, map(samples, band.tracks), strict=True):
            assert samples(path).shape == expected.shape
            if source == alac:
                assert np.array_equal(samples(path), expected)
            else:
                assert level_db(samples(path) - expected, expected) < -20
    again = stemtool("project", alac, "--to", "rpp", "-o", tmp_path / alac.stem)
    assert again.returncode == 1
    assert "exists; --overwrite replaces it" in again.stderr


def test_nothing_is_written_where_a_project_exists(alac: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.rpp"
    mine.write_text("mine")
    run = stemtool("project", alac, "--to", "rpp", "-o", mine, timeout=60)
    assert (run.returncode, list(tmp_path.iterdir())) == (1, [mine])
    assert "mine.rpp exists; --overwrite replaces it" in run.stderr


def test_both_codecs_are_one_file_too_many(band: Band, tmp_path: Path) -> None:
    said = ("--to", "stem.mp4,stem.mp4:alac", "-o", tmp_path / "out")
    done = stemtool("project", band.mixture.parent, *said)
    assert done.returncode == 2
    assert "would be one file; leave one out" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("home")
def test_a_separation_with_a_stem_file(tmp_path: Path) -> None:
    done = stemtool(
        "separate", SONGS / "rubidium.ogg", "-o", tmp_path, "-m", "bridge-4stems",
        "--length", "3", "--project", "stem.mp4:alac",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    made = tmp_path / "rubidium/rubidium.stem.mp4"
    assert f"stem.mp4:alac  {made}" in done.stdout
    for number, name in enumerate(FOUR, 2):
        with open_audio(made, track=number) as reader:
            track = np.concatenate(list(reader.blocks()), axis=1)
        assert np.array_equal(track, samples(tmp_path / f"rubidium/{name}.wav"))
