"""What manifests tell of how well stems are made."""

from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.errors import ManifestError
from daw_bridge.library.figures import Figure
from daw_bridge.library.models import manifest_text, read_manifest
from tests.mini_model import install_manifest

FIGURE = """
[[quality]]
stem = "vocals"
sdr_db = 6.55
data = "MUSDB18, median of frames then songs"
source = "https://example.org/table"
"""


@pytest.fixture
def manifest(home: Path) -> Path:
    install_manifest(home, '[[sources]]\nurl = "https://example.org/a"\nfile = "a"')
    return home / "models/spleeter-2stems/manifest.toml"


def test_figures_are_read_and_written(manifest: Path) -> None:
    manifest.write_text(manifest.read_text("utf-8") + FIGURE, "utf-8")
    model = read_manifest(manifest)
    assert model.quality == (
        Figure(
            stem="vocals",
            sdr_db=6.55,
            data="MUSDB18, median of frames then songs",
            source="https://example.org/table",
        ),
    )
    manifest.write_text(manifest_text(model), "utf-8")
    assert read_manifest(manifest) == model


@pytest.mark.parametrize(
    ("was", "is_now", "told"),
    [
        ('"vocals"', '"guitar"', "a figure is of 'guitar', which is no stem of the model"),
        ('source = "https://example.org/table"', "", "source"),
        ('"https://example.org/table"', '""', "source"),
        ("6.55", "1000", "sdr_db"),
    ],
)
def test_figures_that_say_nothing_are_refused(
    manifest: Path, was: str, is_now: str, told: str
) -> None:
    manifest.write_text(manifest.read_text("utf-8") + FIGURE.replace(was, is_now), "utf-8")
    with pytest.raises(ManifestError, match=told):
        read_manifest(manifest)
