"""The folders that clients may name files in where nobody says otherwise.

They are the user's home folder and what ``roots`` in the state folder lists, a path a line.
"""

from __future__ import annotations

from pathlib import Path

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.files.atomic import write_whole
from daw_bridge.library.places import state_folder

ROOTS_FILE = "roots"


def listed_roots(state: Path) -> tuple[Path, ...]:
    """Return the folders that a state folder lists, there or not.

    Raises:
        OptionError: the list cannot be read.
    """
    try:
        lines = (state / ROOTS_FILE).read_text("utf-8").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError) as error:
        raise OptionError(f"{state / ROOTS_FILE} cannot be read: {error}.") from error
    return tuple(Path(line) for line in lines if line)


def usual_roots() -> tuple[Path, ...]:
    """Return the folders that clients may name files in, of those that are there."""
    return (Path.home(), *(root for root in listed_roots(state_folder()) if root.is_dir()))


def add_root(folder: Path) -> None:
    """Let clients name files in another folder, from the next start of a server on.

    Raises:
        OptionError: it is no folder.
        OutputError: the list cannot be written.
    """
    folder = folder.absolute()
    if not folder.is_dir() or "\n" in str(folder):
        raise OptionError(f"{folder} is no folder that a server could use.")
    roots = listed_roots(state_folder())
    if folder in roots:
        return
    file = state_folder() / ROOTS_FILE
    text = "".join(f"{root}\n" for root in (*roots, folder))
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, text.encode())
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}.") from None
