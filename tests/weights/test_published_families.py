"""A small network of each family that people publish comes through a catalogue and separates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from daw_bridge import Separator
from daw_bridge.files.tables import to_toml
from daw_bridge.library.models import load_manifest
from tests.catalogue import entry, write_catalogue
from tests.conftest import level_db, make_noise
from tests.published import FAMILIES
from tests.web import Site, serve


def inline(table: Mapping[str, Any]) -> str:
    """Return a table as TOML has it on one line."""
    return to_toml({"models": [{"settings": table}]}).partition("settings = ")[2].strip()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with serve(tmp_path / "site") as site:
        yield site


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_comes_and_separates(family: str, site: Site) -> None:
    network = FAMILIES[family]()
    network.write(site.folder)
    configuration = f'configuration = {{ url = "{site.address}/net.json" }}'
    settings = f"settings = {inline(network.told)}"
    first, *others = network.stems
    promised = ("chosen", *others)
    write_catalogue(
        entry(
            "net",
            f"{site.address}/net.pth",
            settings if network.is_inline else configuration,
            family=family,
            stems=promised,
            renames={first: "chosen"},
        )
    )
    noise = make_noise(44_100)
    with Separator("net", provider="cpu") as separator:
        stems = separator.separate(noise)
    assert sorted(stems.names) == sorted(promised)
    assert level_db(stems.residual(), noise.samples) < -100
    assert level_db(stems["chosen"].samples, noise.samples) > -60
    assert load_manifest("net").licence == "CC0-1.0"
