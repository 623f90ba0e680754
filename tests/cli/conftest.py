"""What tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def home_with_weights(network_path: Path, home: Path) -> Path:
    """A home that is empty but for the weights that the user has already."""
    (home / "weights").mkdir()
    (home / "weights" / network_path.parent.name).symlink_to(network_path.parent)
    return home
