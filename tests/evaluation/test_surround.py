from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.evaluation.plots import plot_surround
from daw_bridge.evaluation.surround import ChannelPicture
from daw_bridge.files.speakers import speakers_of
from tests.conftest import make_noise


def measure(samples: np.ndarray, mask: int = 0x60F, block_frames: int = 10_000) -> ChannelPicture:
    meter = ChannelPicture(speakers_of(mask), 44_100)
    for start in range(0, samples.shape[1], block_frames):
        meter.add(samples[:, start : start + block_frames].astype(np.float32))
    return meter


def test_levels_peaks_and_correlations_are_those_of_the_signal() -> None:
    samples = make_noise(100_000, channels=6).samples
    samples[1] = -samples[0]
    samples[5] = 0.5 * samples[4]
    samples[2] = 0
    meter = measure(samples)
    assert meter.levels_db["L"] == pytest.approx(-20, abs=0.1)
    assert meter.levels_db["Rs"] == pytest.approx(meter.levels_db["Ls"] - 6.02, abs=0.01)
    assert meter.levels_db["C"] == meter.peaks_db["C"] == -np.inf
    assert meter.peaks_db["L"] == pytest.approx(20 * np.log10(np.abs(samples[0]).max()), abs=1e-4)
    assert meter.correlations == pytest.approx({"L/R": -1, "Ls/Rs": 1}, abs=1e-4)
    assert measure(np.zeros((6, 100))).correlations == {"L/R": 0, "Ls/Rs": 0}


def test_a_tone_in_the_lfe_is_where_it_is() -> None:
    time = np.arange(200_000) / 44_100
    for hz, excess_db in ((60, (-200, -40)), (500, (-0.1, 0))):
        samples = np.zeros((6, len(time)))
        samples[3] = np.sin(2 * np.pi * hz * time)
        meter = measure(samples)
        assert meter.spectrum_hz[meter.lfe_spectrum_db.argmax()] == pytest.approx(hz, abs=6)
        assert meter.lfe_excess_db is not None
        assert excess_db[0] <= meter.lfe_excess_db <= excess_db[1]
    assert measure(np.zeros((6, 100_000))).lfe_excess_db is None
    assert measure(np.zeros((4, 100_000)), 0x603).lfe_excess_db is None


def test_a_goniometer_shows_mono_as_an_upright_line() -> None:
    mono = np.repeat(make_noise(10_000, channels=1).samples, 8, axis=0)
    goniometers = measure(mono, 0x63F).goniometers
    assert set(goniometers) == {"L/R", "Ls/Rs", "Lb/Rb"}
    cloud = goniometers["L/R"]
    assert cloud.sum() == cloud[:, len(cloud) // 2].sum() == 10_000


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    meter = measure(make_noise(50_000, channels=6).samples)
    plot_surround(meter, tmp_path / "a.png", title="noise")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputError, match="cannot be written"):
        plot_surround(meter, tmp_path / "none" / "a.png", title="noise")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_plot_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(OptionError, match=r"pip install 'daw-bridge\[eval\]'"):
        plot_surround(measure(np.zeros((6, 100))), tmp_path / "a.png", title="")
