"""Networks that give signals: waveforms, and complex spectra as MDX-Net's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.audio import join_stems
from daw_bridge.errors import DawBridgeError, ManifestError, OptionError
from daw_bridge.separation.loading import Loader
from daw_bridge.stft import Stft
from tests.conftest import level_db, make_noise
from tests.separation.signal_models import install

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PASSAGE = "[passage]\nsamples = {}\ncontext_samples = {}\n"
WAVEFORM_SAMPLES = 20_000
KERNEL = np.hanning(301).astype(np.float32) / 150
FRAMES = 64


def make_graph(
    nodes: Sequence[onnx.NodeProto],
    shapes: tuple[list[int], list[int]],
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("input", "output"), shapes, strict=True)
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def low_and_high() -> onnx.ModelProto:
    """(1, 2, samples) → (2, 1, 2, samples): smoothed by a kernel, and what that takes away."""
    pad = len(KERNEL) // 2
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["low"], group=2, pads=[pad, pad]),
        helper.make_node("Sub", ["input", "low"], ["high"]),
        helper.make_node("Unsqueeze", ["low", "axis"], ["lows"]),
        helper.make_node("Unsqueeze", ["high", "axis"], ["highs"]),
        helper.make_node("Concat", ["lows", "highs"], ["output"], axis=0),
    ]
    shapes = [1, 2, WAVEFORM_SAMPLES], [2, 1, 2, WAVEFORM_SAMPLES]
    kernel = np.broadcast_to(KERNEL, (2, 1, len(KERNEL))).copy()
    return make_graph(nodes, shapes, {"kernel": kernel, "axis": np.zeros(1, np.int64)})


def smoothed(samples: np.ndarray) -> np.ndarray:
    late = len(KERNEL) // 2
    return np.stack([np.convolve(row, KERNEL)[late:-late] for row in samples])


@pytest.mark.parametrize("frames", [1, 300, 19_000, 20_000, 20_001, 100_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_with_context_enough_no_seam_is_left(home: Path, frames: int, channels: int) -> None:
    name = install(home, low_and_high(), "waveform", PASSAGE.format(WAVEFORM_SAMPLES, 150))
    mixture = make_noise(frames, channels=channels)
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(mixture, SeparationOptions(extension="zeros"))
    expected = smoothed(mixture.samples)
    assert stems.samples.shape == (2, channels, frames)
    assert level_db(stems["low"].samples - expected, expected) < -110
    assert level_db(stems.residual(), mixture.samples) < -110


def test_without_context_seams_are_cross_faded(home: Path) -> None:
    mixture = make_noise(100_000)
    expected = smoothed(mixture.samples)
    errors_db = {}
    for overlap in (0.0, 0.25):
        name = install(home, low_and_high(), "waveform", PASSAGE.format(WAVEFORM_SAMPLES, 0))
        with Separator(name, provider="cpu") as separator:
            stems = separator.separate(mixture, SeparationOptions(overlap=overlap))
        errors_db[overlap] = level_db(stems["low"].samples - expected, expected)
    assert errors_db[0.25] < errors_db[0.0] - 3 < -15


def test_blocks_and_rates_do_not_matter(home: Path) -> None:
    name = install(home, low_and_high(), "waveform", PASSAGE.format(WAVEFORM_SAMPLES, 150))

    class Blocks(Audio):
        def blocks(self, start: int = 0, length: int | None = None):  # type: ignore[no-untyped-def]
            for first in range(0, self.frames, 777):
                yield self.samples[:, first : first + 777]

    mixture = make_noise(70_001, sample_rate_hz=48_000)
    with Separator(name, provider="cpu") as separator:
        whole = separator.separate(mixture)
        streamed = join_stems(separator.stream(Blocks(mixture.samples, 48_000)))
    assert whole.samples.shape == (2, 2, 70_001)
    assert np.array_equal(streamed.samples, whole.samples)
    assert level_db(whole.residual(), mixture.samples) < -120


def identity(bins: int, frames: int = FRAMES, planes: int = 4) -> onnx.ModelProto:
    """MDX-Net's signature, and nothing done: (1, 4, bins, frames) → the same."""
    shape = [1, planes, bins, frames]
    return make_graph([helper.make_node("Identity", ["input"], ["output"])], (shape, shape), {})


def spectral(window: int, hop: int = 1024, compensation: float = 1.0) -> str:
    passage = PASSAGE.format(hop * (FRAMES - 1), window // 2)
    transform = f"[transform]\nwindow_samples = {window}\nhop_samples = {hop}\n"
    return f"compensation = {compensation}\n{passage}{transform}"


@pytest.mark.parametrize("window", [4096, 6144, 7680])
def test_the_spectra_of_mdx_nets_come_back_whole(home: Path, window: int) -> None:
    graph = identity(window // 2 + 1)
    name = install(home, graph, "complex", spectral(window), last_is_rest=True)
    mixture = make_noise(200_000)
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(mixture)
    assert level_db(stems["low"].samples - mixture.samples, mixture.samples) < -110
    assert level_db(stems["high"].samples, mixture.samples) < -110


def test_bins_above_the_networks_are_the_rest(home: Path) -> None:
    bins = 1024
    graph = identity(bins)
    name = install(home, graph, "complex", spectral(4096, compensation=0.5), last_is_rest=True)
    mixture = make_noise(200_000)
    with Separator(name, provider="cpu") as separator:
        low = separator.separate(mixture)["low"].samples
    stft = Stft(4096, 1024)
    spectra, expected = stft.forward(low), stft.forward(mixture.samples * np.float32(0.5))
    above, below = spectra[:, 4:-4, bins + 8 :], (spectra - expected)[:, 4:-4, : bins - 8]
    assert level_db(np.abs(above), np.abs(expected)) < -50
    assert level_db(np.abs(below), np.abs(expected)) < -50


def test_a_network_of_another_signature_is_refused(home: Path) -> None:
    name = install(home, identity(2049, planes=2), "complex", spectral(4096), last_is_rest=True)
    with pytest.raises(DawBridgeError, match="asks for 4 planes of 64 time frames"):
        Separator(name, provider="cpu")
    name = install(home, identity(2049, FRAMES * 2), "complex", spectral(4096), last_is_rest=True)
    with pytest.raises(DawBridgeError, match="of 64 time frames"):
        Separator(name, provider="cpu")
    name = install(home, low_and_high(), "complex", spectral(4096), last_is_rest=True)
    with pytest.raises(DawBridgeError, match="has 3 dimensions, not 4"):
        Separator(name, provider="cpu")
    two = identity(2049)
    two.graph.output.append(two.graph.output[0])
    two.graph.output[1].name = "again"
    two.graph.node.append(helper.make_node("Identity", ["input"], ["again"]))
    name = install(home, two, "complex", spectral(4096), last_is_rest=True)
    with pytest.raises(DawBridgeError, match="has 1 inputs and 2 outputs, not one of each"):
        Separator(name, provider="cpu")
    name = install(home, identity(2049), "complex", spectral(4096))
    with pytest.raises(ManifestError, match="gives 1 stems, but the manifest of signals names low"):
        Separator(name, provider="cpu")


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("waveform", "", "passage: is missing"),
        ("magnitude", PASSAGE.format(9, 0), "passage: is no key"),
        ("waveform", PASSAGE.format(300, 150), "longer than the context"),
        (
            "waveform",
            PASSAGE.format(9, 0) + "[bandwidths]\nall = 2\n",
            "bandwidths: is no key",
        ),
    ],
)
def test_tables_of_another_kind_are_refused(home: Path, kind: str, more: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        Separator(install(home, low_and_high(), kind, more), provider="cpu")


def test_what_needs_masks_is_refused(home: Path) -> None:
    name = install(home, low_and_high(), "waveform", PASSAGE.format(WAVEFORM_SAMPLES, 0))
    with Separator(name, provider="cpu") as separator:
        with pytest.raises(OptionError, match="Wiener refinement is for models of masks"):
            separator.separate(make_noise(1000), SeparationOptions(wiener_iterations=1))
        with pytest.raises(OptionError, match="no bandwidth '16k'; it has one only"):
            separator.separate(make_noise(1000), SeparationOptions(bandwidth="16k"))
        with pytest.raises(ManifestError, match="is of kind 'waveform': it gives no masks"):
            Loader("cpu").load(separator.manifest)


def test_a_centred_last_passage_is_seen_after_what_precedes_it(home: Path) -> None:
    """Cut behind a loud beginning, its kernel still reaches back over the seam."""
    samples = WAVEFORM_SAMPLES
    passage = PASSAGE.format(samples, 0) + "centred = true\n"
    name = install(home, low_and_high(), "waveform", passage)
    mixture = make_noise(samples + 3000)
    with Separator(name, provider="cpu") as separator:
        options = SeparationOptions(extension="zeros", overlap=0)
        low = separator.separate(mixture, options)["low"].samples
    expected = smoothed(mixture.samples)
    assert level_db((low - expected)[:, samples:], expected[:, samples:]) < -110
    assert level_db((low - expected)[:, :samples], expected[:, :samples]) > -60
