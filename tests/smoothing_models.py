"""Models of one layer: each smooths what it hears, and gives each stem a gain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.files.hashing import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD = """
name = "{name}"
version = "1"
summary = "A model of a test."
kind = "{kind}"
stems = {stems}
sample_rate_hz = {sample_rate_hz}
channels = 2
licence = "MIT"
attribution = "daw-bridge"
"""


def install(
    home: Path,
    name: str,
    kind: str,
    stems: tuple[str, ...],
    more: str,
    *,
    sample_rate_hz: int = 44_100,
) -> str:
    """Put a manifest into the user's folder and return the model's name."""
    folder = home / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    text = HEAD.format(name=name, kind=kind, stems=json.dumps(stems), sample_rate_hz=sample_rate_hz)
    (folder / "manifest.toml").write_text(text + more, "utf-8")
    return name


def install_waveform(
    home: Path,
    name: str,
    gains: Mapping[str, float],
    *,
    samples: int = 20_000,
    sample_rate_hz: int = 44_100,
) -> None:
    """Put a network into the user's folder that smooths each stem and gives it a gain."""
    kernel = np.array([[[0.25, 0.5, 0.25]]] * 2, np.float32)
    factors = np.array(list(gains.values()), np.float32).reshape(-1, 1, 1, 1)
    nodes = [
        helper.make_node("Conv", ["mixture", "kernel"], ["smooth"], group=2, pads=[1, 1]),
        helper.make_node("Mul", ["smooth", "factors"], ["stems"]),
    ]
    shapes = {"mixture": [1, 2, samples], "stems": [len(gains), 1, 2, samples]}
    source, target = (
        helper.make_tensor_value_info(each, TensorProto.FLOAT, shape)
        for each, shape in shapes.items()
    )
    constants = [
        numpy_helper.from_array(array, each)
        for each, array in {"kernel": kernel, "factors": factors}.items()
    ]
    graph = helper.make_graph(nodes, name, [source], [target], constants)
    opsets = [helper.make_opsetid("", 17)]
    network = home / "models" / name / "network.onnx"
    network.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), network)
    install(
        home,
        name,
        "waveform",
        tuple(gains),
        f"[passage]\nsamples = {samples}\ncontext_samples = 1\n[[stages]]\n"
        f"parts = {json.dumps(tuple(gains))}\n"
        f'network = {{ file = "network.onnx", sha256 = "{sha256_of(network)}" }}\n',
        sample_rate_hz=sample_rate_hz,
    )


def install_ensemble(
    home: Path,
    *members: str,
    stems: tuple[str, ...] = ("vocals", "drums", "other"),
    rule: str = "mean",
    more: str = "",
) -> str:
    """Put an ensemble into the user's folder and return its name."""
    tables = "".join(f"[[members]]\n{member}\n" for member in members)
    return install(home, "together", "ensemble", stems, f'consensus = "{rule}"\n{more}\n{tables}')


def install_chain(home: Path, stems: tuple[str, ...], stages: str, name: str = "chained") -> str:
    """Put a chain into the user's folder and return its name."""
    return install(home, name, "chain", stems, stages)


STEMS_OF_CHAIN = ("vocals.lead", "vocals.backing", "drums.kick", "drums.snare", "other")


def install_small_chain(home: Path) -> str:
    """Put a chain of four models into the user's folder: voice, then band; kit and choir below."""
    install_waveform(home, "voice", {"vocals": 0.5, "rest": 0.4})
    gains = {"drums": 0.3, "bass": 0.1, "other": 0.4, "vocals": 0.1}
    install_waveform(home, "band", gains, samples=9_000, sample_rate_hz=48_000)
    install_waveform(home, "kit", {"kick": 0.6, "snare": 0.2})
    install_waveform(home, "choir", {"lead": 0.7, "backing": 0.2}, samples=7_777)
    return install_chain(
        home,
        STEMS_OF_CHAIN,
        "".join(
            f"[[stages]]\nof = '{of}'\nparts = {json.dumps(parts)}\nmodel = '{model}'\n{more}"
            for of, parts, model, more in (
                ("mixture", ("vocals", "rest"), "voice", ""),
                ("rest", ("drums", "other"), "band", "takes = ['drums']\n"),
                ("drums", ("drums.kick", "drums.snare"), "kit", ""),
                ("vocals", ("vocals.lead", "vocals.backing"), "choir", ""),
            )
        ),
    )
