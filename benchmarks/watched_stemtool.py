"""stemtool up to its network's first run, which tells when it came how far and ends there.

python benchmarks/watched_stemtool.py ARGUMENTS_OF_STEMTOOL...

A line a mark: its name and the time, by the clock that all processes share. What is watched is
wrapped when its module is loaded, so that modules come in the order in which stemtool loads them.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

marks = {"interpreter": time.monotonic()}

WATCHED = {
    "daw_bridge.weights.inspecting": ("", "ensure_harmless", "weights verified"),
    "daw_bridge.separation.runtime": ("OnnxGraph", "__init__", "session loaded"),
    "daw_bridge.stft": ("Stft", "forward", "segment transformed"),
}
"""Of a module: a class of it, or none, what is called there, and the mark when that returns."""
LAST = ("daw_bridge.separation.runtime", "OnnxGraph", "run")


class Watch(MetaPathFinder):
    """Wraps what is watched in modules as they are loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, _: object = None) -> Any:
        """Find a module that is watched by way of the other finders."""
        if name not in WATCHED:
            return None
        found = (each.find_spec(name, path) for each in sys.meta_path[1:])
        spec: Any = next(filter(None, found))
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            owner, function, mark = WATCHED[name]
            watch(getattr(module, owner, module), function, mark)
            if name == LAST[0]:
                setattr(getattr(module, LAST[1]), LAST[2], end)

        spec.loader.exec_module = exec_module
        return spec


def watch(owner: Any, function: str, mark: str) -> None:
    """Note when a function returns for the first time."""
    run = getattr(owner, function)

    def watched(*arguments: Any, **options: Any) -> Any:
        result = run(*arguments, **options)
        marks.setdefault(mark, time.monotonic())
        return result

    setattr(owner, function, watched)


def end(*_: object) -> None:
    """Say what was noted, and leave."""
    marks["first run"] = time.monotonic()
    sys.stdout.write("".join(f"{moment} {mark}\n" for mark, moment in marks.items()))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.meta_path.insert(0, Watch())
    from stemtool_cli.main import main

    marks["command loaded"] = time.monotonic()
    main()
