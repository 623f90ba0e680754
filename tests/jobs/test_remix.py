from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.errors import AudioError, Cancelled, OutputError, PresetError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.cache import StemCache
from daw_bridge.jobs.job import check_outputs
from daw_bridge.jobs.remix import RemixJob, RemixResult, run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.rendering.preset import Preset, load_preset, say
from tests.conftest import SONGS, level_db, make_noise

SONG = SONGS / "rubidium.ogg"
FLOAT = OutputFormat("wav", "32f")


@pytest.fixture
def cache(tmp_path: Path) -> StemCache:
    return StemCache(tmp_path / "cache")


def never() -> Separator:
    raise AssertionError("nothing is to be separated")


def remix(separator: Separator, job: RemixJob, cache: StemCache | None = None) -> RemixResult:
    return run_remix(job, StemMaker(separator.manifest, lambda: separator, cache))


def test_nothing_said_gives_back_the_song(separator: Separator, tmp_path: Path) -> None:
    result = remix(separator, RemixJob(SONG, tmp_path / "out.wav", Preset(), output_format=FLOAT))
    song, out = Audio.read(SONG), Audio.read(tmp_path / "out.wav")
    assert level_db(out.samples - song.samples, song.samples) <= -120
    assert result.null_db is not None
    assert result.null_db <= -120
    assert (result.frames, result.provider, result.gain_db) == (song.frames, "cpu", 0)


def test_stems_are_made_once(separator: Separator, cache: StemCache, tmp_path: Path) -> None:
    job = RemixJob(SONG, tmp_path / "a.wav", say({"vocals": {"gain_db": 3}}), output_format=FLOAT)
    assert remix(separator, job, cache).provider == "cpu"
    again = RemixJob(SONG, tmp_path / "b.wav", job.preset, output_format=FLOAT)
    assert run_remix(again, StemMaker(separator.manifest, never, cache)).provider == "cache"
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    part = RemixJob(SONG, tmp_path / "c.wav", job.preset, start=1, length=44_100)
    assert remix(separator, part, cache).provider == "cpu"
    assert len(cache.entries()) == 2


def test_kept_stems_can_be_used_again(separator: Separator, tmp_path: Path) -> None:
    stems = tmp_path / "stems"
    job = RemixJob(SONG, tmp_path / "a.wav", load_preset("karaoke"), kept_folder=stems)
    assert list(remix(separator, job).outputs) == ["remix", "vocals", "accompaniment"]
    again = RemixJob(SONG, tmp_path / "b.wav", load_preset("karaoke"), stems_folder=stems)
    assert run_remix(again, StemMaker(separator.manifest, never)).provider == "folder"
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_stems_of_stemtool_separate_fit(separator: Separator, tmp_path: Path) -> None:
    run_separate(SeparateJob(SONG, tmp_path, name="stems/{stem}.{ext}"), separator)
    job = RemixJob(
        SONG, tmp_path / "out.wav", Preset(), stems_folder=tmp_path / "stems", output_format=FLOAT
    )
    result = run_remix(job, StemMaker(separator.manifest, never))
    assert result.null_db is not None
    assert -150 < result.null_db < -95


def test_stems_that_are_not_the_songs(separator: Separator, tmp_path: Path) -> None:
    (tmp_path / "stems").mkdir()
    other = Audio.read(SONGS / "sodium.ogg")
    soundfile.write(tmp_path / "stems" / "vocals.wav", other.samples.T, 44_100)
    job = RemixJob(SONG, tmp_path / "new" / "out.wav", Preset(), stems_folder=tmp_path / "stems")
    with pytest.raises(AudioError, match=r"are not those of .*rubidium"):
        run_remix(job, StemMaker(separator.manifest, never))
    assert not (tmp_path / "new").exists()


def test_a_part_of_a_song(separator: Separator, tmp_path: Path) -> None:
    job = RemixJob(
        SONG, tmp_path / "out.wav", Preset(), start=1000, length=50_000, output_format=FLOAT
    )
    remix(separator, job)
    part = Audio.read(SONG).samples[:, 1000:51_000]
    assert level_db(Audio.read(tmp_path / "out.wav").samples - part, part) <= -120


@pytest.mark.parametrize("channels", [1, 6])
def test_mono_and_surround(
    channels: int, separator: Separator, cache: StemCache, tmp_path: Path
) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, make_noise(50_000, channels=channels).samples.T, 44_100, "FLOAT")
    options = SeparationOptions(downmix=True)
    for name in ("first.wav", "cached.wav"):
        job = RemixJob(source, tmp_path / name, Preset(), options=options, output_format=FLOAT)
        assert remix(separator, job, cache).channels == min(channels, 2)
    first, cached = (Audio.read(tmp_path / name).samples for name in ("first.wav", "cached.wav"))
    np.testing.assert_array_equal(first, cached)
    if channels == 6:
        plain = RemixJob(source, tmp_path / "plain.wav", Preset())
        with pytest.raises(AudioError, match="--downmix"):
            remix(separator, plain)
    else:
        with pytest.raises(PresetError, match="is mono"):
            remix(separator, RemixJob(source, tmp_path / "wide.wav", load_preset("wide")))


def test_calling_off_leaves_nothing(separator: Separator, cache: StemCache, tmp_path: Path) -> None:
    job = RemixJob(
        SONG, tmp_path / "out" / "a.wav", Preset(lufs=-14), kept_folder=tmp_path / "kept"
    )
    maker = StemMaker(separator.manifest, lambda: separator, cache)
    with pytest.raises(Cancelled):
        run_remix(job, maker, is_cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert not list(cache.folder.iterdir())


def test_it_can_still_be_called_off_when_all_stems_have_come(
    separator: Separator, tmp_path: Path
) -> None:
    ends: list[int] = []
    job = RemixJob(SONG, tmp_path / "out.wav", Preset(lufs=-10))

    def is_cancelled() -> bool:
        ends.extend([0] if seen and seen[-1] == 882_000 else [])
        return len(ends) > 1

    seen: list[int] = []
    with pytest.raises(Cancelled):
        run_remix(
            job,
            StemMaker(separator.manifest, lambda: separator),
            progress=lambda done, _: seen.append(done),
            is_cancelled=is_cancelled,
        )
    assert seen[-1] == 882_000
    assert not list(tmp_path.iterdir())


def test_progress_reaches_the_end(separator: Separator, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    job = RemixJob(SONG, tmp_path / "out.wav", load_preset("nightcore"))
    maker = StemMaker(separator.manifest, lambda: separator)
    run_remix(job, maker, progress=lambda *at: seen.append(at))
    assert seen == sorted(seen)
    assert seen[-1] == (882_000, 882_000)


def test_nothing_is_destroyed(separator: Separator, tmp_path: Path) -> None:
    (tmp_path / "out.wav").write_text("precious")
    with pytest.raises(OutputError, match="--overwrite"):
        remix(separator, RemixJob(SONG, tmp_path / "out.wav", Preset()))
    (tmp_path / "stems").mkdir()
    stem = tmp_path / "stems" / "vocals.wav"
    soundfile.write(stem, make_noise(10).samples.T, 44_100)
    for output in (SONG, stem):
        job = RemixJob(SONG, output, Preset(), stems_folder=tmp_path / "stems", overwrite=True)
        with pytest.raises(OutputError, match="is an input"):
            check_outputs([job], separator.manifest)
