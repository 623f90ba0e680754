"""The models that come with the package: no download, and each stem where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, Separator
from tests.conftest import level_db

if TYPE_CHECKING:
    from pathlib import Path

RATE_HZ = 44100
TIME = np.arange(8 * RATE_HZ) / RATE_HZ


def hits() -> np.ndarray:
    """A snare of noise, twice a second."""
    noise = np.random.default_rng(0).standard_normal((2, len(TIME)))
    return 0.3 * np.exp(-25 * (TIME % 0.5)) * noise


def low_notes() -> np.ndarray:
    """A plucked bass, with overtones, that changes its note each second."""
    pitch_hz = np.array([41.2, 55.0, 49.0, 61.7])[(TIME % 4).astype(int)]
    harmonics = [np.sin(2 * np.pi * n * pitch_hz * TIME) / n**1.5 for n in range(1, 6)]
    return 0.3 * np.exp(-2 * (TIME % 1)) * np.sum(harmonics, axis=0) * np.ones((2, 1))


def chords() -> np.ndarray:
    """A held chord of three notes with many overtones."""
    notes = [
        np.sin(2 * np.pi * n * f0 * TIME) / n for f0 in (220.0, 277.2, 329.6) for n in range(1, 9)
    ]
    return 0.05 * np.sum(notes, axis=0) * np.ones((2, 1))


@pytest.fixture(scope="module", params=["bridge-4stems", "bridge-5stems"])
def shipped(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Separator, Path]:
    """A shipped model, loaded where nothing was ever fetched or can be."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAW_BRIDGE_HOME", str(home))
        patch.setenv("PIP_NO_INDEX", "1")
        return Separator(request.param, provider="cpu"), home


def test_needs_no_download(shipped: tuple[Separator, Path]) -> None:
    _, home = shipped
    assert [each.name for each in home.iterdir()] == ["prepared"]  # and no weights, for one


def test_tells_instruments_apart(shipped: tuple[Separator, Path]) -> None:
    separator, _ = shipped
    played = {"drums": hits(), "bass": low_notes(), "other": chords()}
    mixture = Audio(np.sum(list(played.values()), axis=0).astype(np.float32), RATE_HZ)
    stems = separator.separate(mixture)
    assert level_db(stems.residual(), mixture.samples) < -120
    for name, reference in played.items():
        estimate = stems[name].samples
        if name == "other" and "piano" in stems.names:  # chords may be either
            estimate = estimate + stems["piano"].samples
        gained_db = level_db(mixture.samples - reference, reference) - level_db(
            estimate - reference, reference
        )
        assert gained_db > 6, name
    assert level_db(stems["vocals"].samples, mixture.samples) < -10
