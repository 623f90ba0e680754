"""Derivatives of the phase: what theory says of sounds that are known, and networks see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daw_bridge import SeparationOptions, Separator
from daw_bridge.errors import ManifestError
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.models import load_manifest
from daw_bridge.separation.phase import derive
from daw_bridge.stft import Stft
from tests.conftest import level_db, make_noise

if TYPE_CHECKING:
    from pathlib import Path

STFT = Stft(4096, 1024)
BOTH = ["time-derivative", "frequency-derivative"]


def wrapped(radians: np.ndarray) -> np.ndarray:
    return (radians + np.pi) % (2 * np.pi) - np.pi


def test_the_papers_formulas() -> None:
    """Differences of unwrapped angles, corrected and wrapped, are what is derived."""
    spectra = STFT.forward(make_noise(40_000).samples)
    phase = np.angle(spectra.astype(np.complex128))
    bins = np.arange(STFT.bins)
    along_time = np.diff(phase, axis=1) - 2 * np.pi * bins * STFT.hop_samples / STFT.window_samples
    time = derive("time-derivative", spectra, STFT)
    assert np.abs(wrapped(time[:, 1:] - along_time)).max() < 1e-4
    assert not time[:, 0].any()
    along_frequency = np.diff(phase, axis=2) + np.pi
    frequency = derive("frequency-derivative", spectra, STFT)
    assert np.abs(wrapped(frequency[..., 1:] - along_frequency)).max() < 1e-4
    assert not frequency[..., 0].any()
    assert max(np.abs(time).max(), np.abs(frequency).max()) <= np.float32(np.pi)


def test_along_time_a_tone_tells_how_far_it_is_from_its_bin() -> None:
    offset_bins = 0.3
    cycles = (100 + offset_bins) / STFT.window_samples * np.arange(20_000)
    tone = np.sin(2 * np.pi * cycles).astype(np.float32)[np.newaxis]
    derivative = derive("time-derivative", STFT.forward(tone), STFT)
    expected = 2 * np.pi * offset_bins * STFT.hop_samples / STFT.window_samples
    assert np.allclose(derivative[0, 1:, 100], expected, atol=1e-4)


def test_along_frequency_a_click_tells_how_far_it_is_from_its_frames_middle() -> None:
    late_samples = 300
    frame = np.zeros((1, STFT.window_samples), np.float32)
    frame[0, STFT.window_samples // 2 + late_samples] = 1
    derivative = derive("frequency-derivative", STFT.forward(frame), STFT)
    expected = -2 * np.pi * late_samples / STFT.window_samples
    assert np.allclose(derivative[0, 0, 1:], expected, atol=1e-4)


def install(home: Path, *, planes: int = 6, features: list[str] = BOTH, more: str = "") -> Path:
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


@pytest.mark.parametrize("channels", [1, 2])
def test_a_network_sees_the_planes_in_their_order(home: Path, channels: int) -> None:
    """Across seams too, where a frame of context is enough."""
    install(home)
    mixture = make_noise(100_000, channels=channels)
    with Separator("phased", provider="cpu") as separator:
        stem = separator.separate(mixture, SeparationOptions(extension="zeros"))["a"]
    padded = np.pad(mixture.samples, ((0, 0), (4096, 4096)))
    spectra = STFT.forward(padded)
    masks = np.square(derive("time-derivative", spectra, STFT)) * np.float32(0.1)
    masks[..., 1500:] = 0
    expected = STFT.inverse(spectra * masks)[:, 4096 : 4096 + mixture.frames]
    kept = slice(0, mixture.frames - 8192)
    assert level_db(stem.samples[:, kept] - expected[:, kept], expected) < -100


def test_a_network_of_other_planes_is_refused(home: Path) -> None:
    install(home, planes=2)
    with pytest.raises(
        ManifestError, match="takes 2 planes, but the manifest of phased gives it 6"
    ):
        Separator("phased", provider="cpu")


@pytest.mark.parametrize(
    ("features", "more", "message"),
    [
        (["phase"], "", "phase"),
        (BOTH, "[[stages]]\nof = 'a'\nparts = ['c', 'd']\nmodel = 'x'\n", "features are for a net"),
    ],
)
def test_features_that_cannot_be_are_refused(
    features: list[str], more: str, message: str, home: Path
) -> None:
    install(home, features=features, more=more)
    with pytest.raises(ManifestError, match=message):
        load_manifest("phased")
