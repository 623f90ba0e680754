from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge.errors import AudioError
from daw_bridge.files.reading import open_audio
from daw_bridge.jobs.lengths import measure_seconds
from daw_bridge.jobs.separate import SeparateJob
from tests.encoded import RATE_HZ, SECONDS, encode

AT_MOST_S = 3


def measure(path: Path, start: int = 0, length: int | None = None) -> float:
    job = SeparateJob(path, path.parent, start=start, length=length)
    return measure_seconds(job, at_most=AT_MOST_S)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "adts", "mp4", "ogg", "matroska"])
def test_a_part_of_a_file_is_as_long_as_it_is(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    encode(kind, path)
    assert measure(path) > AT_MOST_S
    assert measure(path, length=AT_MOST_S * RATE_HZ + 1) > AT_MOST_S
    assert measure(path, length=RATE_HZ) == 1
    rest = measure(path, start=(SECONDS - 1) * RATE_HZ)
    assert rest == pytest.approx(1, abs=0.1)


def test_silence_is_as_long_as_sound(tmp_path: Path) -> None:
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros(80 * 60 * 8000, np.int16), 8000)
    assert path.stat().st_size < 200_000
    assert measure(path) == 80 * 60


def test_a_claim_to_be_short_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    encode("mp3", path)
    content = bytearray(path.read_bytes())
    at = content.index(b"Info") + 8
    content[at : at + 4] = (40).to_bytes(4, "big")
    path.write_bytes(content)
    with open_audio(path) as reader:
        assert reader.frames < AT_MOST_S * reader.sample_rate_hz
    assert measure(path) > AT_MOST_S


def test_a_low_sample_rate_is_long(tmp_path: Path) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros(100_000, np.int16), 1000)
    assert measure(path) == 100


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "sound"
    encode("ogg", path)
    with pytest.raises(AudioError, match="holds no audio there"):
        measure(path, start=60 * RATE_HZ)
