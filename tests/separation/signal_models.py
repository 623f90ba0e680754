"""Models of the user's own whose networks give signals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from daw_bridge.files.hashing import sha256_of

HEAD = """
name = "signals"
version = "1"
summary = "A network of a few nodes."
kind = "{kind}"
stems = {stems}
sample_rate_hz = 44100
channels = 2
licence = "MIT"
attribution = "daw-bridge"
{more}
[[stages]]
parts = {stems}
network = {{ file = "network.onnx", sha256 = "{digest}" }}
"""


def install(
    home: Path,
    graph: onnx.ModelProto,
    kind: str,
    more: str,
    *,
    stems: Sequence[str] = ("low", "high"),
    last_is_rest: bool = False,
) -> str:
    """Put a model into the user's folder and return its name."""
    folder = home / "models" / "signals"
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(graph, folder / "network.onnx")
    names = "[" + ", ".join(f'"{stem}"' for stem in stems) + "]"
    text = HEAD.format(
        kind=kind,
        stems=names,
        more="last_is_rest = true\n" + more if last_is_rest else more,
        digest=sha256_of(folder / "network.onnx"),
    )
    (folder / "manifest.toml").write_text(text, "utf-8")
    return "signals"
