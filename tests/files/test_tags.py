from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest

from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.tags import Tags, _write_tags, copy_tags, read_tags
from daw_bridge.files.writing import StemFiles

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63f8cfc0f0"
    "1f0005050201a5f645400000000049454e44ae426082"
)
TAGS = Tags(
    {"title": ["Déjà vu \u266b"], "artist": ["A", "B"], "album": ["C"], "date": ["1971"]},
    PNG,
    "image/png",
)
CONTAINERS = ("wav", "flac", "ogg", "mp3", "m4a")


def make_file(path: Path, tags_from: Path | None = None) -> Path:
    with StemFiles(
        [path],
        OutputFormat(path.suffix[1:]),  # type: ignore[arg-type]
        sample_rate_hz=44_100,
        channels=2,
        tags_from=tags_from,
    ) as files:
        files.write(np.zeros((1, 2, 5000), np.float32))
        files.commit()
    return path


def write_tags(path: Path, tags: Tags) -> None:
    with path.open("r+b") as file:
        _write_tags(file, tags)


@pytest.mark.parametrize("source", CONTAINERS)
@pytest.mark.parametrize("target", CONTAINERS)
def test_tags_and_cover_travel_between_formats(source: str, target: str, tmp_path: Path) -> None:
    tagged = make_file(tmp_path / f"source.{source}")
    write_tags(tagged, TAGS)
    assert read_tags(tagged) == TAGS
    assert read_tags(make_file(tmp_path / f"target.{target}", tags_from=tagged)) == TAGS


def test_a_source_without_tags_gives_none(tmp_path: Path) -> None:
    bare = make_file(tmp_path / "bare.wav")
    assert read_tags(make_file(tmp_path / "stem.flac", tags_from=bare)) == Tags({}, b"", "")


def test_a_wav_of_samples_alone_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = make_file(tmp_path / "bare.wav")
    monkeypatch.delattr("daw_bridge.files.tags._read_by_ffmpeg")
    assert read_tags(bare) == Tags({}, b"", "")
    write_tags(bare, TAGS)
    with pytest.raises(NameError):
        read_tags(bare)


def test_what_cannot_hold_or_show_tags_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"no audio")
    stem = make_file(tmp_path / "stem.wav")
    before = stem.read_bytes()
    with stem.open("r+b") as file:
        copy_tags(tmp_path / "noise", file)
    assert stem.read_bytes() == before


def test_a_broken_cover_is_left_out(tmp_path: Path) -> None:
    tagged = make_file(tmp_path / "source.ogg")
    file = mutagen.File(tagged)
    file["title"] = "A"
    file["metadata_block_picture"] = "no picture"
    file.save()
    stem = make_file(tmp_path / "stem.flac", tags_from=tagged)
    assert read_tags(stem) == Tags({"title": ["A"]}, b"", "")


@pytest.mark.parametrize(
    ("container", "codec"), [("wav", "pcm_s16le"), ("wv", "wavpack"), ("asf", "wmav2")]
)
def test_tags_of_other_kinds_are_read(container: str, codec: str, tmp_path: Path) -> None:
    source = tmp_path / f"source.{container}"
    with av.open(str(source), "w", format=container) as file:
        file.metadata.update({"title": "Déjà vu", "artist": "A", "date": "1971"})
        stream: Any = file.add_stream(codec, rate=44_100, layout="stereo")
        stream.bit_rate = 128_000
        silence = np.zeros((2, 44_100), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, "fltp", "stereo")
        frame.sample_rate, frame.pts = 44_100, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    fields = read_tags(make_file(tmp_path / "target.flac", tags_from=source)).fields
    assert fields["title"] == ["Déjà vu"]
    assert fields["artist"] == ["A"]


def test_a_cover_that_does_not_fit_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_file(tmp_path / "source.mp3")
    write_tags(source, TAGS._replace(cover=PNG + bytes(17 << 20)))
    assert read_tags(make_file(tmp_path / "stem.flac", tags_from=source)) == Tags(
        TAGS.fields, b"", ""
    )
    assert f"The cover of {source} does not fit" in caplog.text
