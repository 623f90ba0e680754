"""A small network of each family that people publish comes through a catalogue and separates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from daw_bridge import Separator
from daw_bridge.library.models import load_manifest
from tests.catalogue import entry, write_catalogue
from tests.conftest import level_db, make_noise
from tests.golden import roformer_case, spectral_case
from tests.web import Site, serve


class Published(NamedTuple):
    """A network: its arrays, what its configuration says, and what its stems are called there."""

    arrays: Mapping[str, Any]
    told: Mapping[str, Any]
    stems: tuple[str, ...]


def spectral(case: str) -> Published:
    arrays = spectral_case.draw(spectral_case.read_shapes(case))
    told = spectral_case.CASES[case].configuration
    return Published(arrays, told, tuple(map(str.lower, told["training"]["instruments"])))


def roformer(case: str) -> Published:
    arrays = roformer_case.make_arrays(json.loads(roformer_case.SHAPES.read_text("utf-8"))[case])
    told = roformer_case.configuration(case)
    return Published(arrays, told, tuple(map(str.lower, told["training"]["instruments"])))


FAMILIES: Mapping[str, Callable[[], Published]] = {
    "roformer": lambda: roformer("bs"),
    "mdx23c": lambda: spectral("batch norm"),
    "scnet": lambda: spectral("masks"),
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
    torch.save(arrays, site.folder / "net.ckpt")
    (site.folder / "net.yaml").write_text(json.dumps(network.told), "utf-8")  # JSON is YAML, too
    first, *others = network.stems
    promised = ("chosen", *others)
    configuration = f'configuration = {{ url = "{site.address}/net.yaml" }}'
    write_catalogue(
        entry(
            "net",
            f"{site.address}/net.ckpt",
            configuration,
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
