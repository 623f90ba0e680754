from __future__ import annotations

import os
from pathlib import Path

import pytest

from daw_bridge.files.regular import check_regular, open_regular, read_regular


def test_a_regular_file_is_read_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb" * 256)
    assert read_regular(path, 1024) == b"a\r\nb" * 256
    with pytest.raises(OSError, match="more than 0 KiB"):
        read_regular(path, 1023)
    (tmp_path / "link").symlink_to(path)
    with open_regular(tmp_path / "link") as file:
        assert file.read(4) == b"a\r\nb"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_what_has_no_end_is_not_opened(tmp_path: Path) -> None:
    """Nobody writes to the pipe: who opened it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (open_regular, check_regular):
            with pytest.raises(OSError, match="a pipe or a device"):
                read(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
