"""Seeking to where nothing can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.files.seeking import SeekableFile


def test_a_place_that_cannot_be_is_a_negative_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with SeekableFile(tmp_path / "file") as file:
        assert file.seek(3) == 3
        assert (file.seek(-1), file.seek(1 << 70)) == (-1, -1)
        assert file.read() == b"tent"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SeekableFile(tmp_path / "none")
