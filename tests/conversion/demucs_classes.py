"""Classes that have the names of Demucs's."""

from __future__ import annotations

import sys
import types

import pytest
import torch


def make_class(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> type:
    """Return a network's class that pickles by a dotted name of the reference."""
    made = type(name, (torch.nn.Linear,), {"__module__": module, "__qualname__": name})
    for part in ("demucs", module):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    setattr(sys.modules[module], name, made)
    return made
