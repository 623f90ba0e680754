"""What is wrong, in a sentence for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class WishError(Exception):
    """What was wished for cannot be done; the text says why, and what to do."""


def quoted(names: Iterable[str]) -> str:
    """Return the first of some names, and how many more there are."""
    first, *others = dict.fromkeys(names)
    return f"'{first}'" + (f" and {len(others)} more" if others else "")


def failed(names_by_reason: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each reason why clips were not separated."""
    return [
        f"{quoted(names)} {'was' if len(names) == 1 else 'were'} not separated: {reason}"
        for reason, names in names_by_reason.items()
    ]
