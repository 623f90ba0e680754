"""The engine against TensorFlow Spleeter's own output; see tests/golden/README.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from tests.conftest import SONGS, level_db
from tests.golden.generate import excerpt_starts, excerpts

GOLDEN = Path(__file__).parent.parent / "golden" / "spleeter-2stems.npz"


@pytest.mark.parametrize("title", ["example", "hydrogen", "rubidium", "sodium"])
def test_compat_output_is_spleeters(title: str, separator: Separator, network_path: Path) -> None:
    path = network_path.with_name("example.mp3") if title == "example" else SONGS / f"{title}.ogg"
    mixture = Audio.read(path)
    stems = separator.separate(mixture, SeparationOptions.spleeter())
    ours = excerpts(stems.samples, excerpt_starts(mixture.frames))
    reference = np.load(GOLDEN)[title]
    assert ours.shape == reference.shape
    for stem in range(2):
        assert level_db(ours[stem] - reference[stem], reference[stem]) <= -80


def test_default_options_change_the_output(separator: Separator, song: Audio) -> None:
    """The parity above is the option's doing."""
    ours = separator.separate(song)["vocals"].samples
    spleeters = separator.separate(song, SeparationOptions.spleeter())["vocals"].samples
    assert level_db(ours - spleeters, spleeters) > -60
