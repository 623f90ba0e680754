"""A catalogue of one's own, of a server on this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from daw_bridge.library.places import data_folder
from tests.mini_mdx import SHAPE, WINDOW, write_net

SETTINGS = {"mdx_n_fft_scale_set": WINDOW, "compensate": 1.0, "primary_stem": "Vocals"}


def write_catalogue(*entries: str) -> Path:
    """Put a catalogue into the user's folder."""
    path = data_folder() / "models" / "catalogue.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(entries), "utf-8")
    return path


def entry(name: str, url: str, *lines: str, family: str = "mdx") -> str:
    """Return the entry of a model that makes lead and backing of what its net calls otherwise."""
    return "\n".join(
        [
            "[[models]]",
            f'name = "{name}"',
            'summary = "A lead and its backing."',
            f'family = "{family}"',
            'stems = ["lead", "backing"]',
            'renames = { vocals = "lead", instrumental = "backing", other = "backing" }',
            'licence = "CC0-1.0"',
            'attribution = "somebody"',
            f'checkpoint = {{ url = "{url}" }}',
            *lines,
            "",
        ]
    )


def write_published(site: Path) -> Path:
    """Write a network, and a table that tells of it by its hash, and return the network's path."""
    net = write_net(site / "net.onnx", SHAPE)
    key = hashlib.md5(net.read_bytes()).hexdigest()
    (site / "table.json").write_text(json.dumps({key: SETTINGS, "0" * 32: {}}), "utf-8")
    return net
