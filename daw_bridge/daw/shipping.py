"""Files for DAWs, with what differs from machine to machine filled in."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from daw_bridge.library.places import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Mapping[str, str] = MappingProxyType({})
PACKAGE = Path(__file__).parent


def shipped_files(folder: Path) -> list[Path]:
    """Return the paths, relative to a folder of this package, of all files to copy from it."""
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    )


def copy_filled(source: Path, target: Path, more: Mapping[str, str] = _NOTHING) -> None:
    """Copy the files of a folder of this package to another folder, which is made if need be.

    In text these are replaced, with forward slashes on every system:

        @STATE@     the folder where the server says how to reach it
        @STEMTOOL@  the command
        @FOLDER@    the target

    Args:
        source: the folder of this package.
        target: the other one.
        more: what takes the place of placeholders of these files alone.
    """
    for name, content in _filled(source, target, more).items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def is_current(source: Path, target: Path, more: Mapping[str, str] = _NOTHING) -> bool:
    """Return whether a folder holds what ``copy_filled`` would write into it now."""
    return all(
        (target / name).is_file() and (target / name).read_bytes() == content
        for name, content in _filled(source, target, more).items()
    )


def is_for_state(source: Path, target: Path) -> bool:
    """Return whether ``copy_filled`` wrote files for what is now the state folder."""
    state = state_folder().as_posix().encode()
    files = (target / name for name in shipped_files(source))
    return any(state in file.read_bytes() for file in files if file.is_file())


def _filled(source: Path, target: Path, more: Mapping[str, str]) -> dict[Path, bytes]:
    """Return what the files of a folder hold when they lie in another, by their names."""
    paths = {"@STATE@": state_folder(), "@STEMTOOL@": stemtool(), "@FOLDER@": target}
    values = {**{placeholder: path.as_posix() for placeholder, path in paths.items()}, **more}
    filled = {}
    for name in shipped_files(source):
        content = (source / name).read_bytes()
        for placeholder, value in values.items():
            content = content.replace(placeholder.encode(), value.encode())
        filled[name] = content
    return filled


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
