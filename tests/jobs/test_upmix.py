"""Upmixes from file to file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, Separator
from daw_bridge.errors import AudioError, Cancelled, OptionError, OutputError
from daw_bridge.evaluation.surround import check_surround
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.speakers import find_speakers, fold_matrix, read_mask
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.render import StemMaker
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.jobs.upmix import UpmixJob, UpmixResult, run_upmix
from daw_bridge.library.models import load_manifest
from daw_bridge.library.places import find_layouts
from daw_bridge.rendering.layout import load_layout
from tests.conftest import SONGS, level_db, make_noise

SONG = SONGS / "rubidium.ogg"


def upmix(job: UpmixJob, separator: Separator | None = None, **hooks: Any) -> UpmixResult:
    def open_separator() -> Separator:
        assert separator, "No separator is needed where stems are in a folder."
        return separator

    return run_upmix(job, StemMaker(load_manifest("spleeter-2stems"), open_separator), **hooks)


@pytest.fixture(scope="module")
def stems_folder(separator: Separator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stems")
    run_separate(SeparateJob(SONG, folder, name="{stem}.{ext}"), separator)
    return folder


@pytest.mark.parametrize(("container", "bits", "limit_db"), [
    ("wav", "32f", -120), ("wav", "24", -95), ("flac", "24", -95),
])  # fmt: skip
@pytest.mark.parametrize("layout", find_layouts())
def test_a_file_is_what_was_asked_for_and_what_is_reported(
    layout: str, container: str, bits: str, limit_db: float, stems_folder: Path, tmp_path: Path
) -> None:
    job = UpmixJob(
        SONG, tmp_path / f"up.{container}", layout=load_layout(layout), stems_folder=stems_folder,
        output_format=OutputFormat(container, bits),  # type: ignore[arg-type]
    )  # fmt: skip
    result = upmix(job)
    speakers = job.layout.speakers
    mix, song = Audio.read(job.output), Audio.read(SONG)
    assert find_speakers(job.output, mix.channels) == speakers
    assert read_mask(job.output) == sum(speakers)
    assert result.outputs == {layout: job.output}
    assert mix.frames == song.frames == result.frames
    folded = fold_matrix(speakers).astype(np.float64) @ mix.samples
    assert level_db(folded - song.samples, song.samples) <= limit_db
    assert result.null_db == pytest.approx(level_db(folded - song.samples, song.samples), abs=0.01)
    peaks = 20 * np.log10(np.abs(mix.samples).max(axis=1) + 1e-30)
    for peak, reported in zip(peaks, result.report.peaks_db.values(), strict=True):
        assert peak == pytest.approx(reported, abs=0.01) or reported == -math.inf
    assert abs(result.report.surround_lufs - result.report.stereo_lufs) < 1
    assert check_surround(job.output, SONG)[0] == result.report


def test_stems_sum_to_the_mix_and_channels_are_its_channels(
    separator: Separator, tmp_path: Path
) -> None:
    output_format = OutputFormat("wav", "32f")
    results = {
        parts: upmix(
            UpmixJob(SONG, tmp_path / name, parts=parts, output_format=output_format),  # type: ignore[arg-type]
            separator,
        )
        for parts, name in (("mix", "a.wav"), ("stems", "s"), ("channels", "c"))
    }
    mix = Audio.read(tmp_path / "a.wav").samples
    stems = [Audio.read(path).samples for path in results["stems"].outputs.values()]
    assert list(results["stems"].outputs) == ["vocals", "accompaniment"]
    assert level_db(sum(stems) - mix, mix) <= -120
    assert all(read_mask(path) == 0x60F for path in results["stems"].outputs.values())
    assert list(results["channels"].outputs) == ["L", "R", "C", "LFE", "Ls", "Rs"]
    for path, channel in zip(results["channels"].outputs.values(), mix, strict=True):
        assert np.array_equal(Audio.read(path).samples[0], channel)
    for result in results.values():
        assert result.report.null_db <= -120
        assert result.report.levels_db == pytest.approx(results["mix"].report.levels_db, abs=1e-3)


def test_a_folder_that_lacks_stems_does_not_fit(stems_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    (tmp_path / "stems" / "vocals.wav").symlink_to(stems_folder / "vocals.wav")
    job = UpmixJob(SONG, tmp_path / "out", parts="stems", stems_folder=tmp_path / "stems")
    with pytest.raises(AudioError, match="are not those of"):
        upmix(job)
    assert not (tmp_path / "out").exists()


def test_a_selection_is_mixed_up(separator: Separator, tmp_path: Path) -> None:
    job = UpmixJob(SONG, tmp_path / "a.wav", start=100_001, length=50_003)
    assert upmix(job, separator).report.null_db < -95
    assert Audio.read(tmp_path / "a.wav").frames == 50_003


def test_integers_do_not_clip_where_the_input_is_beyond_full_scale(
    separator: Separator, tmp_path: Path
) -> None:
    hot = Audio.read(SONG).samples[:, :100_000] * 4
    soundfile.write(tmp_path / "hot.wav", hot.T, 44_100, "FLOAT")
    result = upmix(UpmixJob(tmp_path / "hot.wav", tmp_path / "a.wav"), separator)
    assert result.gain_db < -1
    assert result.report.null_db < -95
    assert max(result.report.peaks_db.values()) <= 0


def test_what_cannot_be_mixed_up(separator: Separator, stems_folder: Path, tmp_path: Path) -> None:
    for channels in (1, 6):
        path = tmp_path / f"{channels}.wav"
        soundfile.write(path, make_noise(1000, channels=channels).samples.T, 44_100)
        with pytest.raises(AudioError, match=f"{channels} channels?; only stereo"):
            upmix(UpmixJob(path, tmp_path / "new" / "a.wav"), separator)
    soundfile.write(tmp_path / "2.wav", make_noise(1000).samples.T, 44_100)
    job = UpmixJob(tmp_path / "2.wav", tmp_path / "new" / "a.wav", stems_folder=stems_folder)
    with pytest.raises(AudioError, match="is not as long as"):
        upmix(job)
    with pytest.raises(OutputError, match="is an input"):
        upmix(UpmixJob(tmp_path / "2.wav", tmp_path / "2.wav", overwrite=True), separator)
    with pytest.raises(OptionError, match="wav or flac, not mp3"):
        UpmixJob(tmp_path / "2.wav", tmp_path / "a.mp3", output_format=OutputFormat("mp3"))
    assert not (tmp_path / "new").exists()


def test_a_lossy_source_is_measured_to_its_true_length(
    separator: Separator, tmp_path: Path
) -> None:
    samples = Audio.read(SONG).samples[np.newaxis, :, :100_000]
    with StemFiles(
        [tmp_path / "a.m4a"], OutputFormat("m4a"), sample_rate_hz=44_100, channels=2
    ) as files:
        files.write(samples)
        files.commit()
    result = upmix(UpmixJob(tmp_path / "a.m4a", tmp_path / "up.wav"), separator)
    assert check_surround(tmp_path / "up.wav", tmp_path / "a.m4a")[0] == result.report
    assert result.report.null_db < -95


def test_a_cancelled_upmix_leaves_nothing(separator: Separator, tmp_path: Path) -> None:
    job = UpmixJob(SONG, tmp_path / "new" / "a.wav")
    with pytest.raises(Cancelled):
        upmix(job, separator, is_cancelled=lambda: True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"frames": 999}, "is not as long as"),
        ({"sample_rate_hz": 48_000}, "has not the sample rate of"),
        ({"frames": 99_999}, "is not as long as"),
        ({"channels": 2}, "which loudspeakers"),
    ],
)
def test_what_cannot_be_checked(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    surround = make_noise(**({"frames": 1000, "channels": 6} | change))
    paths = [tmp_path / "surround.wav", tmp_path / "stereo.wav"]
    for path, audio in zip(paths, (surround, make_noise(1000)), strict=True):
        soundfile.write(path, audio.samples.T, audio.sample_rate_hz)
    with pytest.raises(AudioError, match=sentence):
        check_surround(*paths)
