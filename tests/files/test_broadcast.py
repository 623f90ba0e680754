"""Files that know where they belong, as FFmpeg and libsndfile read them."""

from __future__ import annotations

import io
import json
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, Separator
from daw_bridge.errors import OptionError
from daw_bridge.files.broadcast import Origin, Place, add_names, read_origin
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.riff import append_chunk, find_chunk
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.separate import SeparateJob, run_separate
from tests.conftest import SONGS, make_noise
from tests.programs import require

SONG = SONGS / "rubidium.ogg"
LATE = (1 << 33) + 12_345  # a time reference whose upper half counts
HOSTILE = "Q\"'<&>\x00\x1b\ud800 ü 🎸"


def tagged_part_of_a_song(path: Path) -> Path:
    song = Audio.read(SONG)
    soundfile.write(path, song.samples[:, :100_000].T, song.sample_rate_hz, "PCM_16")
    tagged = mutagen.File(path)
    tagged["title"] = "Rubidium"
    tagged.save()
    return path


def read_tag(path: Path, name: str) -> str:
    """Return what FFmpeg calls a tag of a file."""
    command = [require("ffprobe"), "-v", "error", "-of", "json", "-show_format", str(path)]
    run = subprocess.run(command, capture_output=True, check=True)
    tag: str = json.loads(run.stdout)["format"]["tags"][name]
    return tag


def read_names(path: Path) -> ET.Element:
    with path.open("rb") as file:
        content = find_chunk(file, b"iXML", most_bytes=1 << 16)
    assert content
    return ET.fromstring(content)


@pytest.mark.parametrize("bits", ["16", "24", "32f"])
def test_stems_of_a_selection_know_where_they_belong(
    bits: str, separator: Separator, tmp_path: Path
) -> None:
    source = tagged_part_of_a_song(tmp_path / "song.flac")
    flac, wav = OutputFormat("flac", "24"), OutputFormat("wav", bits)  # type: ignore[arg-type]
    job = SeparateJob(source, tmp_path / "wav", start=44_101, length=50_001, output_format=wav)
    plain = run_separate(
        replace(job, output_folder=tmp_path / "flac", output_format=flac), separator
    )
    result = run_separate(job, separator)
    for stem, path in result.outputs.items():
        assert read_tag(path, "time_reference") == "44101"
        assert mutagen.File(path).tags["TIT2"].text == ["Rubidium"]
        assert read_origin(path) == 44_101
        names = read_names(path)
        assert [each.text for each in names.iterfind("TRACK_LIST/TRACK/NAME")] == [stem] * 2
        assert names.findtext("PROJECT") == "song"
        samples = soundfile.read(path, dtype="float32")[0].T
        expected = Audio.read(plain.outputs[stem]).samples
        np.testing.assert_allclose(samples, expected, atol=2.0**-15)


def test_a_place_is_handed_on_and_added_to(separator: Separator, tmp_path: Path) -> None:
    source = tmp_path / "take.wav"
    write([source], make_noise(9_000).samples[np.newaxis], [Place(LATE, "day", "take")])
    for start, origin, expected in [
        (0, None, LATE),
        (3_000, None, LATE + 3_000),
        (3_000, Origin(seconds=2), 88_200 + 3_000),
    ]:
        job = SeparateJob(source, tmp_path / f"{expected}", start=start, origin=origin)
        outputs = run_separate(job, separator).outputs
        assert [read_origin(path) for path in outputs.values()] == [expected, expected]


def test_whole_files_of_no_place_say_nothing(separator: Separator, tmp_path: Path) -> None:
    for path in run_separate(SeparateJob(SONG, tmp_path), separator).outputs.values():
        assert read_origin(path) is None


def test_hostile_names_are_kept_as_far_as_xml_can(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write([path], make_noise(100).samples[np.newaxis], [Place(1, HOSTILE, HOSTILE)])
    assert read_names(path).findtext("PROJECT") == "Q\"'<&>    ü 🎸"
    assert read_origin(path) == 1


def test_beyond_four_gigabytes_the_size_is_mended_too(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((1001, 1)), 44_100, "PCM_24", format="RF64")
    with path.open("rb+") as file:
        add_names(file, Place(LATE, "day", "take"), sample_rate_hz=44_100, channels=1)
    assert read_names(path).findtext("TRACK_LIST/TRACK_COUNT") == "1"
    content = path.read_bytes()
    assert int.from_bytes(content[20:28], "little") == len(content) - 8
    assert soundfile.info(path).frames == 1001


@pytest.mark.parametrize(
    ("text", "sample"),
    [("0", 0), ("158760000", 158_760_000), ("1:00:00", 158_760_000), ("90.5s", 3_991_050)],
)
def test_times(text: str, sample: int) -> None:
    assert Origin.parse(text).at(44_100) == sample


@pytest.mark.parametrize("text", ["", "-1", "noon", "1:2:3:4", "9" * 30, "9" * 30 + "s", "٣"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(OptionError, match="origin"):
        Origin.parse(text)


def test_broken_files_say_nothing(tmp_path: Path) -> None:
    file = io.BytesIO(b"RIFF\0\0\0\0WAVE")
    append_chunk(file, b"bext", bytes(20))
    (tmp_path / "short.wav").write_bytes(file.getvalue())
    (tmp_path / "cut.wav").write_bytes(b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0\0")
    (tmp_path / "text.wav").write_bytes(b"bext" * 500)
    for path in tmp_path.iterdir():
        assert read_origin(path) is None


def write(paths: list[Path], samples: np.ndarray, places: list[Place]) -> None:
    with StemFiles(
        paths, OutputFormat("wav"), sample_rate_hz=44_100, channels=samples.shape[1]
    ) as files:
        files.place(places)
        files.write(samples)
        files.commit()
