"""How much memory a process of ours takes."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8  # glibc's malloc.h


def share_one_heap() -> None:
    """Keep glibc from giving each thread its own heap, where what others free cannot be reused.

    The peak is then the same from run to run, and for a song and a day of music.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
