"""Models of bands, whose networks are a few nodes."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.audio import join_stems
from daw_bridge.errors import ManifestError, OptionError
from daw_bridge.separation.bands import CentredInverse, Upsampling, resample
from daw_bridge.stft import Stft
from tests.conftest import level_db, make_noise
from tests.separation.signal_models import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BINS, FRAMES, CONTEXT = 96, 64, 16
ONE_BAND = """
[[bands]]
sample_rate_hz = 44100
window_samples = 190
hop_samples = 48
first_bin = 0
end_bin = 96
"""
TWO_BANDS = """
[[bands]]
sample_rate_hz = 14700
window_samples = 128
hop_samples = 16
first_bin = 0
end_bin = 60
slopes = [{ full_bin = 30, silent_bin = 50 }]
mixing = [[0.5, 0.5], [1, -1]]
resampling = "sinc"

[[bands]]
sample_rate_hz = 44100
window_samples = 384
hop_samples = 48
first_bin = 25
end_bin = 61
slopes = [{ full_bin = 50, silent_bin = 30 }]
"""
SEGMENT = f"""
bins = {BINS}
[segment]
frames = {FRAMES}
multiple_frames = {FRAMES}
context_frames = {CONTEXT}
"""


def make_network(given: str, bins: int = BINS, frames: int = FRAMES) -> onnx.ModelProto:
    """A mask of ones, or one that depends on the magnitudes and their neighbours."""
    shape = [1, 2, bins, frames]
    nodes = [
        helper.make_node("Sub", ["input", "input"], ["zero"]),
        helper.make_node("Exp", ["zero"], ["one"]),
        helper.make_node("AveragePool", ["input"], ["mean"], kernel_shape=[3, 9], pads=[1, 4] * 2),
        helper.make_node("Sqrt", ["mean"], ["root"]),
        helper.make_node("Unsqueeze", [given, "axis"], ["mask"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in (("input", shape), ("mask", [1, *shape]))
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [0])
    graph = helper.make_graph(nodes, "mask", ends[:1], ends[1:], [axis])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def install_banded(home: Path, given: str, bands: str = TWO_BANDS) -> str:
    return install(home, make_network(given), "banded", SEGMENT + bands)


@pytest.mark.parametrize("frames", [1, 47, 48, 1536, 1537, 50_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_with_a_mask_of_ones_nothing_changes(home: Path, frames: int, channels: int) -> None:
    name = install_banded(home, "one", ONE_BAND)
    mixture = make_noise(frames, channels=channels)
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(mixture)
    kept = frames // 48 * 48
    assert stems.samples.shape == (2, channels, frames)
    assert not stems["low"].samples[:, kept:].any()
    if kept:
        given, expected = stems["low"].samples[:, :kept], mixture.samples[:, :kept]
        assert level_db(given - expected, expected) < -110
    assert level_db(stems.residual(), mixture.samples) < -120


def test_bands_join_to_what_they_were_cut_from(home: Path) -> None:
    name = install_banded(home, "one")
    low = resample(make_noise(10_000).samples, Fraction(4), "sinc")  # to where bands meet
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(Audio(low, 44_100))
    middle = slice(1000, -1000)
    assert level_db(stems["high"].samples[:, middle], low[:, middle]) < -40


def test_blocks_and_rates_do_not_matter(home: Path) -> None:
    name = install_banded(home, "root")

    class Blocks(Audio):
        def blocks(self, start: int = 0, length: int | None = None) -> Iterator[np.ndarray]:
            for first in range(0, self.frames, 777):
                yield self.samples[:, first : first + 777]

    mixture = make_noise(30_001, sample_rate_hz=48_000)
    with Separator(name, provider="cpu") as separator:
        whole = separator.separate(mixture)
        streamed = join_stems(separator.stream(Blocks(mixture.samples, 48_000)))
        shifted = separator.separate(mixture, SeparationOptions(shifts=2))
    assert whole.samples.shape == shifted.samples.shape == (2, 2, 30_001)
    assert np.array_equal(streamed.samples, whole.samples)
    assert level_db(whole.residual(), mixture.samples) < -120
    assert level_db(shifted["low"].samples - whole["low"].samples, mixture.samples) < -20


def test_the_whole_signal_tells_what_magnitudes_are_divided_by(home: Path) -> None:
    """Twice as loud, stems are so too; a click at the end changes what precedes it by far."""
    name = install_banded(home, "root")
    mixture = make_noise(30_000)
    clicked = mixture.samples.copy()
    clicked[:, -100] = 40
    with Separator(name, provider="cpu") as separator:
        single, double, quieter = (
            separator.separate(Audio(samples, 44_100))["low"].samples
            for samples in (mixture.samples, 2 * mixture.samples, clicked)
        )
    assert level_db(double - 2 * single, double) < -110
    assert level_db(quieter[:, :20_000], single[:, :20_000]) < -3


def test_silence_stays_silent(home: Path) -> None:
    name = install_banded(home, "root")
    with Separator(name, provider="cpu") as separator:
        stems = separator.separate(Audio(np.zeros((2, 9000), np.float32), 44_100))
    assert not stems.samples.any()


def test_the_second_stem_is_what_the_first_leaves(home: Path) -> None:
    name = install_banded(home, "root")
    mixture = make_noise(9_000)
    with Separator(name, provider="cpu") as separator:
        both = separator.separate(mixture, SeparationOptions(extension="zeros"))
        high = separator.separate(mixture, SeparationOptions(stems=("high",), extension="zeros"))
        rest = separator.separate(mixture, SeparationOptions(stems=("high",)))
    assert np.array_equal(high.samples[0], both.samples[1])
    assert np.array_equal(rest.samples[0], mixture.samples - both.samples[0])


def test_frames_come_back_in_pieces_of_any_size() -> None:
    stft = Stft(192, 50)
    samples = make_noise(2_000).samples
    padded = np.pad(samples, ((0, 0), (96, 96)))
    spectra = stft.forward(padded)
    kept = (spectra.shape[1] - 1) * 50
    for size in (1, 7, 99):
        inverse = CentredInverse(stft, 2)
        parts = [
            inverse.push(spectra[:, start : start + size], last=start + size >= spectra.shape[1])
            for start in range(0, spectra.shape[1], size)
        ]
        made = np.concatenate(parts, axis=1)
        assert made.shape == (2, kept)
        assert level_db(made - samples[:, :kept], made) < -110


@pytest.mark.parametrize("ratio", [Fraction(2), Fraction(3), Fraction(16, 3), Fraction(1)])
def test_rates_rise_in_pieces_of_any_size(ratio: Fraction) -> None:
    samples = make_noise(3_000).samples
    expected = resample(samples, ratio, "sinc")
    for size in (1, 100, 3_000):
        upsampling = Upsampling(ratio, 2)
        parts = [
            upsampling.push(samples[:, start : start + size], last=start + size >= 3_000)
            for start in range(0, 3_000, size)
        ]
        made = np.concatenate(parts, axis=1)[:, : expected.shape[1]]
        assert np.array_equal(made, expected)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("hop_samples = 16", "hop_samples = 15", "hops of all bands take equally long"),
        ("window_samples = 128", "window_samples = 127", "is even"),
        ("window_samples = 128", "window_samples = 8", "hop_samples is at most window_samples"),
        ("first_bin = 25", "first_bin = 70", "a band takes bins 70 to 61"),
        ("end_bin = 61", "end_bin = 62", "more bins than the 96"),
        ("full_bin = 30", "full_bin = 50", "are different bins"),
        ("[[0.5, 0.5], [1, -1]]", "[[1, 1], [1, 1]]", "cannot be told from a band's mixing"),
        ("sample_rate_hz = 44100\nw", "sample_rate_hz = 48000\nw", "is that of the model"),
        ("context_frames = 16", "context_frames = 32", "leave nothing of a segment"),
        ("multiple_frames = 64", "multiple_frames = 32", "as many frames as it was made for"),
        ("bins = 96", "bins = 96\noverlap = 0.1", "overlap"),
        ("bins = 96", "bins = 96\nroll_off = { first_bin = -1, end_bin = 9 }", "roll_off"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    home: Path, before: str, after: str, message: str
) -> None:
    tables = SEGMENT + TWO_BANDS
    assert before in tables
    with pytest.raises(ManifestError, match=message):
        install_and_open(home, tables.replace(before, after, 1))


def install_and_open(home: Path, tables: str, stems: tuple[str, ...] = ("low", "high")) -> None:
    Separator(install(home, make_network("one"), "banded", tables, stems=stems), provider="cpu")


def test_other_networks_and_wishes_are_refused(home: Path) -> None:
    with pytest.raises(ManifestError, match="makes two stems of two channels"):
        install_and_open(home, SEGMENT + TWO_BANDS, stems=("a", "b", "c"))
    with Separator(install_banded(home, "one"), provider="cpu") as separator:
        with pytest.raises(OptionError, match="Wiener refinement is for models of masks"):
            separator.separate(make_noise(1000), SeparationOptions(wiener_iterations=1))
        with pytest.raises(OptionError, match="takes an overlap of 0 at most"):
            separator.separate(make_noise(1000), SeparationOptions(overlap=0.25))
