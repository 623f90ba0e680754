from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge.audio import Stems, join_stems
from daw_bridge.errors import AudioError
from daw_bridge.jobs.render import _ahead
from daw_bridge.jobs.sources import find_stems, read_stems
from tests.conftest import make_noise
from tests.stems import FRAMES, make_stems, passage_of, write_stems


def test_a_folder_gives_its_stems(tmp_path: Path) -> None:
    stems = make_stems()
    write_stems(tmp_path, stems)
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".0123-bass.wav").touch()
    read = join_stems(read_stems(tmp_path, passage_of(stems), 2))
    assert read.names == ("bass", "drums")
    np.testing.assert_array_equal(read.samples, stems.samples)
    np.testing.assert_array_equal(read.mixture, stems.mixture)


def test_a_part_of_a_folder(tmp_path: Path) -> None:
    stems = make_stems()
    write_stems(tmp_path, stems)
    read = join_stems(read_stems(tmp_path, passage_of(stems, 7, 70_000), 2))
    np.testing.assert_array_equal(read.samples, stems.samples[..., 7:70_007])


@pytest.mark.parametrize(
    ("frames", "rate", "channels", "sentence"),
    [
        (FRAMES - 1, 44_100, 2, "not as long as"),
        (FRAMES + 1, 44_100, 2, "not as long as"),
        (FRAMES + 40_000, 44_100, 2, "not as long as"),
        (FRAMES, 48_000, 2, "2 channels at 48000 Hz"),
        (FRAMES, 44_100, 1, "1 channels at 44100 Hz"),
    ],
)
def test_stems_of_another_song(
    frames: int, rate: int, channels: int, sentence: str, tmp_path: Path
) -> None:
    write_stems(tmp_path, make_stems())
    other = make_noise(frames, channels=channels).samples
    soundfile.write(tmp_path / "vocals.wav", other.T, rate)
    with pytest.raises(AudioError, match=sentence):
        list(read_stems(tmp_path, passage_of(make_stems()), 2))


def test_folders_that_hold_no_stems(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no folder"):
        find_stems(tmp_path / "none")
    with pytest.raises(AudioError, match="stemtool separate makes some"):
        find_stems(tmp_path)
    for name in ("bass.wav", "bass.flac"):
        (tmp_path / name).touch()
    with pytest.raises(AudioError, match="the same stem"):
        find_stems(tmp_path)


def test_blocks_that_are_made_ahead_come_in_order_and_end_as_they_would() -> None:
    ended = []

    def made() -> Generator[Stems, None, None]:
        try:
            yield from [make_stems(1000), make_stems(2000)]
            raise AudioError("broken")
        finally:
            ended.append(True)

    blocks, expected = _ahead(made()), made()
    for _ in range(2):
        assert np.array_equal(next(blocks).samples, next(expected).samples)
    with pytest.raises(AudioError, match="broken"):
        next(blocks)
    assert ended == [True]
    blocks = _ahead(made())
    next(blocks)
    blocks.close()
    assert ended == [True, True]
