from __future__ import annotations

import re
from pathlib import Path

import pytest

from daw_bridge.errors import ManifestError, ModelError
from daw_bridge.library import find_model, find_models
from daw_bridge.separation.manifest import load_manifest, load_manifests, read_manifest


def edited(tmp_path: Path, before: str, after: str) -> Path:
    text = find_model("spleeter-2stems").read_text("utf-8")
    assert before in text
    path = tmp_path / "spleeter-2stems" / "manifest.toml"
    path.parent.mkdir()
    path.write_text(text.replace(before, after, 1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("hop_samples", "hop_sample", "unknown field `hop_sample`.*did you mean 'hop_samples'"),
        ("hop_samples = 1024", "hop_samples = 1000", "hop_samples"),
        ("frames = 512", "frames = 0", "segment.frames"),
        ("frames = 512", 'frames = "512"', "segment.frames"),
        ('kind = "magnitude"', 'kind = "magic"', "magic"),
        ('licence = "MIT"', "", "licence"),
        ('sha256 = "9', 'sha256 = "x', "sha256"),
        ('name = "spleeter-2stems"', 'name = "other"', "name of its folder"),
        ("requirement =", "url = 'https://a.example'\nrequirement =", "either a requirement or"),
        ("[segment]", "[segment", "cannot be read"),
    ],
)
def test_a_broken_manifest_is_refused(
    before: str, after: str, message: str, tmp_path: Path
) -> None:
    path = edited(tmp_path, before, after)
    with pytest.raises(ManifestError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_an_unknown_model_gets_a_suggestion() -> None:
    with pytest.raises(ModelError, match=re.escape("did you mean 'spleeter-2stems'?")):
        load_manifest("spleeter-2stem")


def test_every_shipped_manifest_is_valid_and_has_a_model_card() -> None:
    manifests = load_manifests()
    assert "spleeter-2stems" in [manifest.name for manifest in manifests]
    for path in find_models().values():
        assert path.with_name("README.md").stat().st_size > 500


def test_the_users_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    path = edited(tmp_path / "models", 'summary = "', 'summary = "Mine: ')
    monkeypatch.setenv("DAW_BRIDGE_HOME", str(tmp_path))
    assert find_model("spleeter-2stems") == path
    assert load_manifest("spleeter-2stems").summary.startswith("Mine: ")
