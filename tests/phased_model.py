"""A model of a user's whose network is shown derivatives of the phase."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.files.hashing import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

BOTH = ["time-derivative", "frequency-derivative"]


def install_phased(
    home: Path, *, planes: int = 6, features: list[str] = BOTH, more: str = ""
) -> Path:
    """Put a network into the user's folder whose mask is a square of one plane of phase."""
    axis = numpy_helper.from_array(np.zeros(1, np.int64), "axis")
    bounds = [
        numpy_helper.from_array(np.array([value]), name)
        for name, value in {"start": 2, "end": 4, "over": 1}.items()
    ]
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    nodes = [
        helper.make_node("Slice", ["planes", "start", "end", "over"], ["times"]),
        helper.make_node("Mul", ["times", "times"], ["squares"]),
        helper.make_node("Mul", ["squares", "scale"], ["mask"]),
        helper.make_node("Unsqueeze", ["mask", "axis"], ["one"]),
        helper.make_node("Concat", ["one", "one"], ["masks"], axis=0),
    ]
    shapes: dict[str, list[int | str]] = {
        "planes": [1, planes, "frames", "bins"],
        "masks": [2, 1, 2, "frames", "bins"],
    }
    source, target = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    graph = helper.make_graph(nodes, "graph", [source], [target], [axis, scale, *bounds])
    folder = home / "models" / "phased"
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "network.onnx")
    manifest = folder / "manifest.toml"
    manifest.write_text(
        f"""
name = "phased"
version = "1"
summary = "A network of a few nodes."
kind = "magnitude"
stems = ["a", "b"]
sample_rate_hz = 44100
channels = 2
licence = "MIT"
attribution = "daw-bridge"
features = {json.dumps(features)}
bandwidths = {{ all = 1500 }}
segment = {{ frames = 32, multiple_frames = 8, context_frames = 1 }}

[[stages]]
parts = ["a", "b"]
network = {{ file = "network.onnx", sha256 = "{sha256_of(folder / "network.onnx")}" }}
{more}""",
        "utf-8",
    )
    return manifest
