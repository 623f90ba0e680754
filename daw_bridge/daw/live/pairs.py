"""Files of key=value lines, through which programs ask each other for things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import WishError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_pairs(path: Path) -> dict[str, str]:
    """Return the pairs of a file in their order; none if there is no such file."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def write_pairs(path: Path, pairs: Mapping[str, str]) -> None:
    """Write a file of pairs; whoever reads it sees all of it or nothing.

    Raises:
        WishError: a value has a line break, or the file cannot be written.
    """
    for value in pairs.values():
        if len(value.splitlines()) > 1:
            raise WishError(f"{value!r} has a line break: give it a name without.")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("".join(f"{key}={value}\n" for key, value in pairs.items()), "utf-8")
        part.replace(path)
    except OSError as error:
        raise WishError(f"{path} cannot be written: {error.strerror}.") from None
