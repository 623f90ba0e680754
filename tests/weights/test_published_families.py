"""A small network of each family that people publish comes through a catalogue and separates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from daw_bridge import Separator
from daw_bridge.files.tables import to_toml
from daw_bridge.library.models import load_manifest
from tests.catalogue import entry, write_catalogue
from tests.conftest import level_db, make_noise
from tests.golden import roformer_case, spectral_case, vr_case
from tests.web import Site, serve


class Published(NamedTuple):
    """A network.

    Attributes:
        arrays: those of its checkpoint.
        told: what its configuration says.
        stems: what these are called there.
        is_inline: the catalogue has the configuration itself.
    """

    arrays: Mapping[str, Any]
    told: Mapping[str, Any]
    stems: tuple[str, ...]
    is_inline: bool = False


def spectral(case: str) -> Published:
    arrays = spectral_case.draw(spectral_case.read_shapes(case))
    told = spectral_case.CASES[case].configuration
    return Published(arrays, told, tuple(map(str.lower, told["training"]["instruments"])))


def roformer(case: str) -> Published:
    arrays = roformer_case.make_arrays(json.loads(roformer_case.SHAPES.read_text("utf-8"))[case])
    told = roformer_case.configuration(case)
    return Published(arrays, told, tuple(map(str.lower, told["training"]["instruments"])))


def vr(case: str) -> Published:
    arrays = vr_case.make_arrays(vr_case.shapes_of(case))
    told = {**vr_case.FLAVOURS[case].parameters(), "primary_stem": "No Echo"}
    return Published(arrays, told, ("no echo", "echo"), is_inline=True)


def inline(table: Mapping[str, Any]) -> str:
    """Return a table as TOML has it on one line."""
    return to_toml({"models": [{"settings": table}]}).partition("settings = ")[2].strip()


FAMILIES: Mapping[str, Callable[[], Published]] = {
    "roformer": lambda: roformer("bs"),
    "mdx23c": lambda: spectral("batch norm"),
    "scnet": lambda: spectral("masks"),
    "vr": lambda: vr("one-band"),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with serve(tmp_path / "site") as site:
        yield site


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_comes_and_separates(family: str, site: Site) -> None:
    network = FAMILIES[family]()
    arrays = {name: torch.from_numpy(array) for name, array in network.arrays.items()}
    torch.save(arrays, site.folder / "net.pth")
    (site.folder / "net.yaml").write_text(json.dumps(network.told), "utf-8")  # JSON is YAML, too
    configuration = f'configuration = {{ url = "{site.address}/net.yaml" }}'
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
