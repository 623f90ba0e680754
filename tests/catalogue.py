"""A catalogue of one's own, of a server on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from daw_bridge.files.tables import to_toml
from daw_bridge.library.places import data_folder
from tests.mini_mdx import SHAPE, WINDOW, write_net

DUET = {"vocals": "lead", "instrumental": "backing", "other": "backing"}
SETTINGS = {"mdx_n_fft_scale_set": WINDOW, "compensate": 1.0, "primary_stem": "Vocals"}


def write_catalogue(*entries: str) -> Path:
    """Put a catalogue into the user's folder."""
    path = data_folder() / "models" / "catalogue.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(entries), "utf-8")
    return path


def entry(
    name: str,
    url: str,
    *lines: str,
    family: str = "mdx",
    stems: tuple[str, ...] = ("lead", "backing"),
    renames: Mapping[str, str] = DUET,
) -> str:
    """Return the entry of a model, by default one whose net calls its stems otherwise."""
    told = {
        "name": name,
        "summary": "A lead and its backing.",
        "family": family,
        "stems": stems,
        "renames": renames,
        "licence": "CC0-1.0",
        "attribution": "somebody",
        "checkpoint": {"url": url},
    }
    return "\n".join(["[[models]]", to_toml({"entry": told}).split("]\n", 1)[1], *lines, ""])


def write_published(site: Path) -> Path:
    """Write a network, and a table that tells of it by its hash, and return the network's path."""
    net = write_net(site / "net.onnx", SHAPE)
    key = hashlib.md5(net.read_bytes()).hexdigest()
    (site / "table.json").write_text(json.dumps({key: SETTINGS, "0" * 32: {}}), "utf-8")
    return net
