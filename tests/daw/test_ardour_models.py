"""Models that people bring, in a real Ardour: one of each family, and a chain of three kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, Separator
from daw_bridge.library.places import HOME_VARIABLE
from tests.daw.ardour import (
    EVERYTHING,
    OF,
    RATE_HZ,
    SEPARATE_AGAIN,
    Ardour,
    add_region,
    choose,
    make_ardour,
    read_mixture,
    read_regions,
    read_tracks,
)
from tests.published import FAMILIES
from tests.server import Server, wait_until
from tests.smoothing_models import install_chain, install_waveform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSITION = 10_007
CHAIN = ("vocals.dry", "vocals.echo", "drums", "other")
STAGES = """
[[stages]]
model = "roformer"
parts = ["vocals", "rest"]

[[stages]]
of = "vocals"
model = "vr"
parts = ["vocals.dry", "vocals.echo"]

[[stages]]
of = "rest"
model = "kit"
parts = ["drums", "other"]
"""


@pytest.fixture(scope="module")
def ardour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ardour]:
    """An Ardour whose user has brought a model of each family, and made a chain of some."""
    ardour = make_ardour(tmp_path_factory.mktemp("ardour"))
    home = ardour.folder / "bridge"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        ardour.install()
        for name, publish in FAMILIES.items():
            checkpoint, configuration = publish().write(ardour.folder)
            run = ardour.stemtool(
                "models", "import", checkpoint, "--config", configuration, "--name", name
            )
            assert run.returncode == 0, run.stderr
        install_waveform(home, "kit", {"drums": 0.3, "other": 0.5})
        install_chain(home, CHAIN, STAGES)
        yield ardour


@pytest.fixture(scope="module")
def session(ardour: Ardour, song: Audio) -> Path:
    session = ardour.new_session("models", RATE_HZ, {"Song": 2})
    add_region(session, "Song", Audio(song.samples[:, : 2 * RATE_HZ], RATE_HZ), POSITION)
    return session


def test_each_model_puts_its_stems_on_tracks(ardour: Ardour, session: Path) -> None:
    """And an undo takes them off, so that what models make alike comes to the same tracks."""
    tracks = {"Song"}
    mixture: Audio | None = None
    with Server(ardour.folder, ardour.state), ardour.open(session) as window:
        for model in (*FAMILIES, "chained"):
            choose(ardour, model=model)
            ardour.forget_log()
            window.select(*EVERYTHING)
            window.press(SEPARATE_AGAIN)
            wait_until(lambda: "are at sample" in ardour.log)
            window.save()
            mixture = mixture or read_mixture(session, "Song")  # the same each time
            with Separator(model, provider="cpu") as separator:
                expected = separator.separate(mixture)
            made = [region for region in read_regions(session) if OF in region.track]
            assert len(made) == len(expected.names)
            for name, samples in zip(expected.names, expected.samples, strict=True):
                (region,) = (each for each in made if each.track == f"Song{OF}{name}")
                assert (region.position, region.length) == (POSITION, samples.shape[1])
                np.testing.assert_allclose(region.read().samples, samples, atol=1e-6)
            tracks |= {region.track for region in made}
            assert set(read_tracks(session)) == tracks
            window.press("Editor/undo")
