"""Files for DAWs, with what differs from machine to machine filled in."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from daw_bridge.library.places import state_folder

PACKAGE = Path(__file__).parent


def shipped_files(folder: Path) -> list[Path]:
    """Return the paths, relative to a folder of this package, of all files to copy from it."""
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )


def copy_filled(source: Path, target: Path) -> None:
    """Copy the files of a folder of this package to another folder, which is made if need be.

    In text these are replaced, with forward slashes on every system:

        @STATE@     the folder where the server says how to reach it
        @STEMTOOL@  the command
        @FOLDER@    the target
    """
    values = {"@STATE@": state_folder(), "@STEMTOOL@": stemtool(), "@FOLDER@": target}
    for name in shipped_files(source):
        content = (source / name).read_bytes()
        for placeholder, path in values.items():
            content = content.replace(placeholder.encode(), path.as_posix().encode())
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def remove_copies(source: Path, target: Path) -> None:
    """Take away what ``copy_filled`` wrote, and the folders that this leaves empty."""
    folders = {target}
    for name in shipped_files(source):
        (target / name).unlink(missing_ok=True)
        folders |= {target / parent for parent in name.parents}
    for folder in sorted(folders, reverse=True):
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def stemtool() -> Path:
    """Return where ``stemtool`` is: beside this Python, or on the ``PATH``."""
    beside = shutil.which("stemtool", path=str(Path(sys.executable).parent))
    return Path(beside or shutil.which("stemtool") or "stemtool")
