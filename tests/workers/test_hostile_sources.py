"""Files whose headers ask for too much."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from daw_bridge.errors import AudioError
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.separation.separator import Separator

DATA_BYTES = 400_000


def wav(path: Path, *, channels: int, sample_rate_hz: int) -> Path:
    """Write silence under a header that says so; what does not fit its fields is cut off."""
    frame_bytes = channels * 2 & 0xFFFF
    second_bytes = sample_rate_hz * frame_bytes & 0xFFFFFFFF
    head = struct.pack("<HHIIHH", 1, channels, sample_rate_hz, second_bytes, frame_bytes, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", DATA_BYTES)
    size = struct.pack("<I", len(chunks) + DATA_BYTES + 4)
    path.write_bytes(b"RIFF" + size + b"WAVE" + chunks + bytes(DATA_BYTES))
    return path


@pytest.mark.parametrize(
    ("channels", "sample_rate_hz", "sentence"),
    [
        (65_535, 44_100, "cannot be read as audio"),
        (1_000, 44_100, "has 1000 channels"),
        (0, 44_100, "cannot be read as audio"),
        (2, 0, "cannot be read as audio"),
        (2, 1, "a sample rate of 1 Hz"),
        (2, 999, "a sample rate of 999 Hz"),
        (2, 0x7FFF_FFFF, "a sample rate of 2,147,483,647 Hz"),
        (2, 0xFFFF_FFFF, "cannot be read as audio"),
    ],
)
def test_a_header_that_asks_for_too_much(
    channels: int, sample_rate_hz: int, sentence: str, separator: Separator, tmp_path: Path
) -> None:
    path = wav(tmp_path / "a.wav", channels=channels, sample_rate_hz=sample_rate_hz)
    with pytest.raises(AudioError, match=sentence):
        run_separate(SeparateJob(path, tmp_path / "out"), separator)
    assert not (tmp_path / "out").exists()
