"""Models of one filter each, which take no time, with figures and costs to choose by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daw_bridge.library.costs import Conditions, Cost, keep_cost
from daw_bridge.library.models import load_manifest
from tests.mini_model import install_staged

if TYPE_CHECKING:
    from pathlib import Path

STEMS = ("low", "high")
_STAGE = "[[stages]]\nparts = ['low', 'high']\nfilter = {{ kind = 'low-pass', cutoff_hz = {} }}\n"
_FIGURE = "[[quality]]\nstem = '{}'\nsdr_db = {}\ndata = 'some songs'\nsource = 'a page'\n"


def install(
    home: Path, name: str, *, sdr_db: float | None = None, cost: float | None = None
) -> None:
    """Put a model into a user's folder, as good and as slow as it is said to be."""
    figures = [] if sdr_db is None else [_FIGURE.format(stem, sdr_db) for stem in STEMS]
    install_staged(home, name, STEMS, _STAGE.format(200) + "".join(figures))
    if cost:
        keep_cost(Cost.of(load_manifest(name), Conditions("cpu"), cost))
