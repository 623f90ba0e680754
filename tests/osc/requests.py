"""Jobs asked for over OSC, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.server import Udp

ENDS = ("/stems/done", "/stems/error")


def submit(
    peer: Udp, job: str, folder: Path | str, *paths: Path | str, options: str = "",
    start: float = 0, length: float = -1, model: str = "", kind: str = "separate",
) -> None:  # fmt: skip
    types = "sssdds" + "s" * len(paths)
    said: tuple[Any, ...] = (job, model, str(folder), start, length, options, *map(str, paths))
    peer.send(f"/stems/{kind}", types, *said)


def status_of(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)
