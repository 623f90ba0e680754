"""Disks that are soon full."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Give a disk of so many megabytes in a folder; skip the test where none can be mounted."""
    folder.mkdir(parents=True)
    size = f"size={megabytes}m"
    if sys.platform != "linux" or not shutil.which("mount"):
        pytest.skip("there is no tmpfs here")
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("disks may not be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path, *, leave: int = 0) -> Path:
    """Fill a disk but for so many bytes; return the file to remove to make room again."""
    path = folder / "ballast"
    with path.open("wb", buffering=0) as file:
        try:
            while (free := shutil.disk_usage(folder).free) > leave:
                file.write(bytes(min(free - leave, 1 << 20)))
        except OSError:
            pass
    return path
