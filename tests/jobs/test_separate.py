from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.errors import Cancelled, OptionError, OutputError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.job import check_outputs
from daw_bridge.jobs.remix import RemixJob
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.jobs.upmix import UpmixJob
from daw_bridge.library.manifest import ModelManifest
from daw_bridge.rendering.preset import Preset
from tests.conftest import SONGS, level_db, make_noise

SONG = SONGS / "rubidium.ogg"


@pytest.mark.parametrize(("bits", "limit_db"), [("32f", -120), ("24", -100), ("16", -60)])
def test_files_sum_to_the_mixture_as_reported(
    bits: str, limit_db: float, separator: Separator, tmp_path: Path
) -> None:
    job = SeparateJob(SONG, tmp_path, output_format=OutputFormat("wav", bits))  # type: ignore[arg-type]
    result = run_separate(job, separator)
    mixture = Audio.read(SONG)
    stems = [Audio.read(path) for path in result.outputs.values()]
    assert list(result.outputs) == ["vocals", "accompaniment"]
    assert {stem.samples.shape for stem in stems} == {mixture.samples.shape}
    rest = sum(stem.samples.astype(np.float64) for stem in stems) - mixture.samples
    measured = level_db(np.asarray(rest), mixture.samples)
    assert result.null_db is not None
    assert measured <= limit_db
    assert measured - 0.01 < result.null_db < measured + 6  # a bound, and a close one


def test_progress_reaches_the_end(separator: Separator, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = run_separate(
        SeparateJob(SONG, tmp_path), separator, progress=lambda *at: seen.append(at)
    )
    assert seen[-1] == (result.frames, result.frames)
    assert len(seen) > 1
    assert seen == sorted(seen)


def test_cancelling_leaves_nothing(separator: Separator, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run_separate(SeparateJob(SONG, tmp_path / "out"), separator, is_cancelled=lambda: True)
    assert not list(tmp_path.iterdir())


def test_residual_completes_what_was_asked_for(separator: Separator, tmp_path: Path) -> None:
    options = SeparationOptions(stems=("vocals",), extension="zeros")
    job = SeparateJob(
        SONG, tmp_path, options=options, residual=True, output_format=OutputFormat("wav", "32f")
    )
    result = run_separate(job, separator)
    assert list(result.outputs) == ["vocals", "residual"]
    assert result.null_db is not None
    assert result.null_db < -120


@pytest.mark.parametrize("bits", ["32f", "16"])
def test_what_is_left_and_what_was_taken_away_are_the_mixture(
    bits: str, separator: Separator, tmp_path: Path
) -> None:
    job = SeparateJob(
        SONG,
        tmp_path,
        options=SeparationOptions(stems=("vocals",), extension="zeros"),
        output_format=OutputFormat("wav", bits),  # type: ignore[arg-type]
        complement=True,
    )
    left = run_separate(job, separator)
    taken = run_separate(replace(job, complement=False), separator)
    assert list(left.outputs) == ["no vocals"]
    mixture = Audio.read(SONG).samples
    both = [Audio.read(*each.outputs.values()).samples for each in (left, taken)]
    missing = level_db(np.asarray(sum(both)) - mixture, mixture)
    assert missing < (-120 if bits == "32f" else -60)
    assert left.null_db is not None
    assert abs(left.null_db - missing) < 12


def test_part_of_the_stems_has_no_null(separator: Separator, tmp_path: Path) -> None:
    job = SeparateJob(SONG, tmp_path, options=SeparationOptions(stems=("vocals",)))
    assert run_separate(job, separator).null_db is None


def test_zeros_report_an_honest_null(separator: Separator, tmp_path: Path) -> None:
    result = run_separate(
        SeparateJob(SONG, tmp_path, options=SeparationOptions.spleeter()), separator
    )
    assert result.null_db is not None
    assert -60 < result.null_db < -10


def test_a_loud_mixture_is_turned_down_together(separator: Separator, tmp_path: Path) -> None:
    loud = Audio.read(SONG).samples * 3
    soundfile.write(tmp_path / "loud.wav", loud.T, 44_100, "FLOAT")
    result = run_separate(SeparateJob(tmp_path / "loud.wav", tmp_path), separator)
    gain = 10 ** (result.gain_db / 20)
    assert gain < 1
    stems = sum(Audio.read(path).samples for path in result.outputs.values())
    assert level_db(np.asarray(stems) - gain * loud, gain * loud) < -100


def test_silence_sums_exactly(separator: Separator, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros((5000, 2)), 44_100)
    result = run_separate(SeparateJob(tmp_path / "silence.wav", tmp_path), separator)
    assert result.null_db == -math.inf


def test_names(manifest: ModelManifest) -> None:
    job = SeparateJob(
        Path("/music/album/song.live.flac"),
        Path("out"),
        name="{model}/{folder} {track} ({stem}).{ext}",
        output_format=OutputFormat("mp3"),
    )
    assert job.outputs(manifest) == {
        "vocals": Path("out/spleeter-2stems/album song.live (vocals).mp3"),
        "accompaniment": Path("out/spleeter-2stems/album song.live (accompaniment).mp3"),
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{track}.wav", "lacks {stem}"),
        ("{stem}/{trak}", "did you mean 'track'"),
        ("{stem.__class__}", "unknown field"),
        ("{stem:>99999999}", "unknown field"),
        ("{stem!r}", "unknown field"),
        ("{stem", "cannot be understood"),
        ("../{stem}", "leads out"),
        ("/tmp/{stem}", "leads out"),
    ],
)
def test_bad_names(name: str, message: str, manifest: ModelManifest) -> None:
    with pytest.raises(OptionError, match=message):
        SeparateJob(SONG, Path("out"), name=name).outputs(manifest)


def test_nothing_is_overwritten_unasked(separator: Separator, tmp_path: Path) -> None:
    (tmp_path / "vocals.wav").write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        run_separate(SeparateJob(SONG, tmp_path, name="{stem}.wav"), separator)
    assert (tmp_path / "vocals.wav").read_text() == "precious"
    run_separate(SeparateJob(SONG, tmp_path, name="{stem}.wav", overwrite=True), separator)
    assert Audio.read(tmp_path / "vocals.wav").frames == 882_000


def test_the_input_is_never_an_output(manifest: ModelManifest, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "vocals.wav", make_noise(10).samples.T, 44_100)
    (tmp_path / "link.wav").symlink_to("vocals.wav")
    for source in ("vocals.wav", "link.wav"):
        job = SeparateJob(tmp_path / source, tmp_path, name="{stem}.wav", overwrite=True)
        with pytest.raises(OutputError, match="is an input"):
            check_outputs([job], manifest)


def test_no_input_is_another_inputs_output(manifest: ModelManifest, tmp_path: Path) -> None:
    sources = (tmp_path / "song.wav", tmp_path / "vocals.wav")
    jobs = [SeparateJob(source, tmp_path, name="{stem}.wav", overwrite=True) for source in sources]
    with pytest.raises(OutputError, match="is an input"):
        check_outputs(jobs, manifest)


def test_two_inputs_never_share_an_output(manifest: ModelManifest, tmp_path: Path) -> None:
    jobs = [SeparateJob(tmp_path / folder / "song.wav", tmp_path) for folder in "ab"]
    with pytest.raises(OptionError, match=r"\{folder\}"):
        check_outputs(jobs, manifest)


@pytest.mark.parametrize("stem", ["../../x", "/tmp/x", "..", "a\0b"])
def test_no_job_writes_out_of_its_folder(
    stem: str, manifest: ModelManifest, tmp_path: Path
) -> None:
    """Whoever names a stem: names of manifests are checked when they are read, and here again."""
    wild = msgspec.structs.replace(manifest, stems=(stem, "b"))
    for job in (
        SeparateJob(SONG, tmp_path, name="{stem}"),
        SeparateJob(SONG, tmp_path, name="{stem}/{track}", track=".."),
        RemixJob(SONG, tmp_path / "remix.wav", Preset(), kept_folder=tmp_path),
        UpmixJob(SONG, tmp_path, parts="stems"),
    ):
        if stem == ".." and not isinstance(job, SeparateJob):
            continue  # ...wav is the name of a file
        with pytest.raises(OutputError, match="leads out of"):
            job.outputs(wild)


def test_a_remix_and_a_stem_are_two_files(manifest: ModelManifest, tmp_path: Path) -> None:
    stems = tmp_path / "stems"
    stems.mkdir()
    for name in ("remix", "vocals"):
        soundfile.write(stems / f"{name}.wav", make_noise(10).samples.T, 44_100)
    job = RemixJob(SONG, tmp_path / "o.wav", Preset(), kept_folder=tmp_path, stems_folder=stems)
    with pytest.raises(OptionError, match=r"A stem in .*stems is called 'remix'"):
        job.outputs(manifest)
