"""Pickles written opcode by opcode, and files of torch around them."""

from __future__ import annotations

import pickle
import struct

from tests.mini_model import torch_archive

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def text(value: str) -> bytes:
    """Push a text."""
    content = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(content)) + content


def named(dotted: str, protocol: int = 2) -> bytes:
    """Push what a name stands for."""
    module, _, name = dotted.rpartition(".")
    if protocol >= 4:
        return text(module) + text(name) + pickle.STACK_GLOBAL
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def program(steps: bytes, protocol: int = 2) -> bytes:
    """Make a pickle of steps."""
    begin = pickle.PROTO + bytes([protocol]) if protocol >= 2 else b""
    return begin + steps + pickle.STOP


def legacy_file(pickled: bytes, rest: bytes = b"") -> bytes:
    """Wrap a pickle as torch did before version 1.6."""
    facts: tuple[object, ...] = (LEGACY_MAGIC, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(each, 2) for each in facts) + pickled + (rest or pickle.dumps([]))


WRAPPERS = {"zip": torch_archive, "legacy": legacy_file}
"""What makes a file of a pickle."""
