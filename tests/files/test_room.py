from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_bridge.errors import DiskFullError, OutputError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.room import Room, check_reserve
from daw_bridge.files.writing import StemFiles
from tests.disks import fill_up, small_disk

FRAMES = 10_000
BLOCK = np.zeros((2, 2, FRAMES), np.float32)
SPOOL_BYTES, RESULT_BYTES = BLOCK.nbytes, BLOCK.size * 3  # 24 bits


def write(folder: Path, room: Room, *, expected_frames: int = 0, blocks: int = 1) -> None:
    paths = [folder / "a.wav", folder / "b.wav"]
    files = StemFiles(paths, OutputFormat(), sample_rate_hz=44_100, channels=2, room=room)
    files.expect(expected_frames)
    with files:
        for _ in range(blocks):
            files.write(BLOCK)
        files.commit()


def test_spools_and_results_are_counted(tmp_path: Path) -> None:
    room = Room(SPOOL_BYTES + RESULT_BYTES, 0)
    write(tmp_path, room, expected_frames=FRAMES)
    assert room.claimed_bytes == SPOOL_BYTES + RESULT_BYTES
    with pytest.raises(OutputError, match=r"more than .* GiB .* --max-job-size"):
        write(tmp_path / "again", room)
    assert not (tmp_path / "again").exists()


def test_what_is_known_to_be_too_much_does_not_begin(tmp_path: Path) -> None:
    room = Room(SPOOL_BYTES + RESULT_BYTES, 0)
    with pytest.raises(OutputError, match="--max-job-size"):
        write(tmp_path / "out", room, expected_frames=FRAMES + 1)
    assert room.claimed_bytes == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", [1, RESULT_BYTES + 1])
def test_what_turns_out_to_be_too_much_leaves_nothing(missing: int, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--max-job-size"):
        write(tmp_path / "out", Room(SPOOL_BYTES + RESULT_BYTES - missing, 0))
    assert not (tmp_path / "out").exists()


def test_some_of_the_disk_stays_free(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        check_reserve(disk, 1 << 20, 1 << 20)
        ballast = fill_up(disk, leave=(1 << 20) + SPOOL_BYTES)
        with pytest.raises(DiskFullError, match="would leave less than 1,048,576 free"):
            write(disk / "out", Room(1 << 40, 1 << 20), blocks=2)
        assert list(disk.iterdir()) == [ballast]
