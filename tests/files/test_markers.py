"""Markers, as FFmpeg and editors of WAV files write them."""

from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge.files.markers import Marker, read_markers
from daw_bridge.files.riff import append_chunk
from tests.programs import require

CHAPTERS = """;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1500
title=Intro
[CHAPTER]
TIMEBASE=1/1000
START=1500
END=3000
title=Chorus <1> ü
"""
TITLES = (Marker("Intro", 0), Marker("Chorus <1> ü", 66_150))


@pytest.mark.parametrize("ending", ["m4a", "mp3", "mka"])
def test_chapters(ending: str, tmp_path: Path) -> None:
    (tmp_path / "chapters").write_text(CHAPTERS, "utf-8")
    path = tmp_path / f"song.{ending}"
    command = [require("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "sine=d=3"]
    command += ["-i", str(tmp_path / "chapters"), "-map_chapters", "1", str(path)]
    subprocess.run(command, check=True)
    assert read_markers(path, sample_rate_hz=44_100) == TITLES


def write_cues(path: Path, cues: list[tuple[int, int]], labels: dict[int, bytes]) -> None:
    soundfile.write(path, np.zeros(100_000), 44_100, "PCM_16")
    records = [struct.pack("<II4sIII", number, at, b"data", 0, 0, at) for number, at in cues]
    texts = [struct.pack("<I", number) + text + b"\0" for number, text in labels.items()]
    coded = [b"labl" + struct.pack("<I", len(text)) + text + bytes(len(text) % 2) for text in texts]
    with path.open("rb+") as file:
        append_chunk(file, b"LIST", b"INFOISFT\4\0\0\0abc\0")
        append_chunk(file, b"cue ", struct.pack("<I", len(cues)) + b"".join(records))
        append_chunk(file, b"LIST", b"adtl" + b"".join(coded))


def test_cues_come_in_order_and_those_without_a_name_have_a_number(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    write_cues(path, [(7, 66_150), (3, 0), (5, 70_000)], {7: "Chorus <1> ü".encode(), 3: b"Intro"})
    assert read_markers(path, sample_rate_hz=44_100) == (*TITLES, Marker("3", 70_000))


def test_what_is_hostile_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    write_cues(path, [(n, n) for n in range(5000)], {0: b"\x1b[2J\n" * 500, 1: b"\xff"})
    markers = read_markers(path, sample_rate_hz=44_100)
    assert len(markers) == 1000
    assert markers[0].name.startswith("\\x1b[2J\\n")
    assert len(markers[0].name) == 100
    content = path.read_bytes()
    for size in (0, 11, 30, len(content) - 100_000, len(content) - 3):
        path.write_bytes(content[:size])
        assert len(read_markers(path, sample_rate_hz=44_100)) <= 1000
    file = io.BytesIO(content[:200_044])
    append_chunk(file, b"cue ", b"\xff\xff\xff\xff123")
    path.write_bytes(file.getvalue())
    assert read_markers(path, sample_rate_hz=44_100) == ()
    assert read_markers(tmp_path / "missing.wav", sample_rate_hz=44_100) == ()
