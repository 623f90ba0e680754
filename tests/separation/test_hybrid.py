"""Networks of two branches, whose graphs are a few nodes here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.errors import WeightsError
from tests.conftest import level_db, make_noise
from tests.separation.signal_models import install

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

SAMPLES, STRIDE = 20_000, 15_000
WINDOW, HOP, BINS, FRAMES = 1024, 256, 512, 79
MORE = f"""
overlap = 0.25
[passage]
samples = {SAMPLES}
[transform]
window_samples = {WINDOW}
hop_samples = {HOP}
"""


def make_graph(
    gains: list[tuple[float, float]], *, frames: int = FRAMES, channels: int = 2
) -> onnx.ModelProto:
    """Return a network whose stems are gains times its samples and its spectra."""
    graph = GraphBuilder({})
    shapes = {
        "samples": (1, channels, SAMPLES),
        "spectrum": (1, 2 * channels, BINS, frames),
    }
    outputs = {}
    for (name, shape), output, each in zip(
        shapes.items(), ("signals", "spectra"), zip(*gains, strict=True), strict=True
    ):
        levels = np.array(each, np.float32).reshape(-1, *[1] * len(shape))
        graph.add("Mul", [name, graph.unnamed(levels)], output=output)
        outputs[output] = (len(gains), *shape)
    return graph.model(shapes, outputs)


def make_mixture(frames: int, channels: int) -> Audio:
    """Return noise with nothing at half the sample rate, which networks do not see."""
    noise = make_noise(frames, channels=channels)
    rows = [np.convolve(row, np.hanning(9) / 4)[4:-4] for row in noise.samples]
    fade = np.minimum(1, np.arange(frames)[::-1] / 250)  # a sudden end reaches all frequencies
    return Audio((np.stack(rows) * fade).astype(np.float32), noise.sample_rate_hz)


def separate(home: Path, gains: list[tuple[float, float]], mixture: Audio) -> np.ndarray:
    name = install(home, make_graph(gains), "hybrid", MORE)
    with Separator(name, provider="cpu") as separator:
        return separator.separate(mixture, SeparationOptions(extension="zeros")).samples


@pytest.mark.parametrize("frames", [300, 15_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_are_the_sums_of_both_branches(home: Path, frames: int, channels: int) -> None:
    mixture = make_mixture(frames, channels)
    stems = separate(home, [(0.5, 0.25), (0, 1)], mixture)
    window = np.zeros(FRAMES * HOP + WINDOW)
    for start in range(0, FRAMES * HOP, HOP):  # of frames before the passage there are none
        window[start : start + WINDOW] += np.hanning(WINDOW + 1)[:-1] ** 2 / 1.5
    fade = window[3 * HOP // 2 :][:frames]
    for stem, gains in zip(stems, (0.5 + 0.25 * fade, fade), strict=True):
        expected = gains * mixture.samples
        assert level_db(stem - expected, expected) < -70


def test_passages_are_cross_faded(home: Path) -> None:
    mixture = make_mixture(70_001, 2)
    first, second = separate(home, [(1, 0), (0, 1)], mixture)
    assert level_db(first - mixture.samples, mixture.samples) < -110
    alone = np.arange(mixture.frames) % STRIDE >= SAMPLES - STRIDE
    alone[70_001 - WINDOW :] = False
    errors = (second - mixture.samples)[:, alone]
    assert level_db(errors, mixture.samples) < -90


def test_a_network_of_another_signature_is_refused(home: Path) -> None:
    gains = [(1.0, 0.0), (0.0, 1.0)]
    for graph in (make_graph(gains, frames=FRAMES + 1), make_graph(gains, channels=1)):
        with pytest.raises(WeightsError, match="20000 samples and 79 time frames of 2 channels"):
            Separator(install(home, graph, "hybrid", MORE), provider="cpu")
    graph = make_graph(gains)
    graph.graph.output[1].type.tensor_type.shape.dim[0].dim_value = 3
    with pytest.raises(WeightsError):
        Separator(install(home, graph, "hybrid", MORE), provider="cpu")
    del graph.graph.output[1]
    with pytest.raises(WeightsError, match="has 2 inputs and 1 outputs, not two of each"):
        Separator(install(home, graph, "hybrid", MORE), provider="cpu")
