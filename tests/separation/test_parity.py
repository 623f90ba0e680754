"""The engine against TensorFlow Spleeter's own output; see tests/golden/README.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.weights.importing import import_checkpoint
from tests import mini_model
from tests.conftest import SONGS, level_db
from tests.golden.songs import GOLDEN
from tests.golden.spleeter_case import STEM_COUNTS, THIN, excerpt_starts, excerpts, narrow_unets

PARITY_DB = -80


@pytest.mark.parametrize("title", ["example", "hydrogen", "rubidium", "sodium"])
def test_compat_output_is_spleeters(title: str, separator: Separator, network_path: Path) -> None:
    path = network_path.with_name("example.mp3") if title == "example" else SONGS / f"{title}.ogg"
    mixture = Audio.read(path)
    stems = separator.separate(mixture, SeparationOptions.spleeter())
    ours = excerpts(stems.samples, excerpt_starts(mixture.frames))
    assert_parity(ours, np.load(GOLDEN / "spleeter-2stems.npz")[title])


def assert_parity(ours: np.ndarray, reference: np.ndarray) -> None:
    assert ours.shape == reference.shape
    for stem, expected in zip(ours, reference, strict=True):
        assert level_db(stem - expected, expected) <= PARITY_DB


@pytest.mark.parametrize("stems", STEM_COUNTS)
def test_every_flavour_is_spleeters(stems: int, song: Audio, tmp_path: Path, home: Path) -> None:
    """Random weights, in an archive like Deezer's, for the model that takes such archives."""
    archive = mini_model.write_archive(tmp_path, narrow_unets(stems))
    source = mini_model.source(archive, url=f"https://localhost/{archive.name}")
    mini_model.install_manifest(home, source, name=f"spleeter-{stems}stems")
    with Separator(import_checkpoint(str(archive)).name, provider="cpu") as separator:
        for bandwidth, reference in np.load(GOLDEN / f"narrow-{stems}stems.npz").items():
            options = replace(SeparationOptions.spleeter(), bandwidth=bandwidth)
            ours = separator.separate(song, options).samples
            assert_parity(excerpts(ours, excerpt_starts(song.frames))[THIN], reference)


def test_default_options_change_the_output(separator: Separator, song: Audio) -> None:
    """The parity above is the option's doing."""
    ours = separator.separate(song)["vocals"].samples
    spleeters = separator.separate(song, SeparationOptions.spleeter())["vocals"].samples
    assert level_db(ours - spleeters, spleeters) > -60
