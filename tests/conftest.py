"""What tests share: the real model, real songs, and audio of any shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, Separator
from daw_bridge.conversion.child import NETWORK
from daw_bridge.conversion.registry import convert
from daw_bridge.library.manifest import ModelManifest
from daw_bridge.library.models import load_manifest
from daw_bridge.library.places import HOME_VARIABLE
from daw_bridge.weights import importing
from daw_bridge.weights.installing import ensure_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.library.manifest import NetworkModel

TESTS = Path(__file__).parent
SONGS = TESTS / "audio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and all that start DAWs, which see each other."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            file = item.path.relative_to(TESTS)
            group = file.parts[0] if file.parts[0] == "daw" else str(file)
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def manifest() -> ModelManifest:
    return load_manifest("spleeter-2stems")


@pytest.fixture(scope="session")
def network_path(manifest: ModelManifest) -> Path:
    return ensure_network(manifest)


@pytest.fixture(scope="session")
def separator(network_path: Path) -> Iterator[Separator]:
    with Separator("spleeter-2stems", provider="cpu") as separator:
        yield separator


@pytest.fixture(scope="session")
def song() -> Audio:
    """Twenty seconds of a real song: two segments."""
    return Audio.read(SONGS / "rubidium.ogg")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for models, weights and caches, in place of the user's."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    return home


@pytest.fixture
def _converts_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in this process, where a test changes the converter."""

    def convert_here(
        path: Path, family: str | None, wishes: ImportWishes, *, folder: Path
    ) -> NetworkModel:
        conversion = convert(path, family, wishes)
        (folder / NETWORK).write_bytes(conversion.network)
        return conversion.model

    monkeypatch.setattr(importing, "convert_apart", convert_here)


def make_noise(
    frames: int, *, channels: int = 2, sample_rate_hz: int = 44100, seed: int = 0
) -> Audio:
    """Return quiet noise that is the same each time."""
    samples = np.random.default_rng(seed).standard_normal((channels, frames)) * 0.1
    return Audio(samples.astype(np.float32), sample_rate_hz)


def level_db(signal: np.ndarray, reference: np.ndarray) -> float:
    """Return the energy of one signal relative to another's, in dB; floats count in double."""
    with np.errstate(divide="ignore"):
        return float(
            10
            * np.log10(
                np.sum(np.square(signal, dtype=np.float64))
                / np.sum(np.square(reference, dtype=np.float64))
            )
        )
