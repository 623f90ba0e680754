"""Addresses are asked for their files, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daw_bridge.files.download import check_url
from daw_bridge.weights.addresses import find_dead, known_addresses
from tests.catalogue import entry, write_catalogue
from tests.web import Site, serve


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "net.onnx").write_bytes(bytes(1000))
    with serve(tmp_path) as site:
        yield site


@pytest.mark.parametrize("answers_head", [True, False])
def test_a_file_that_is_there(site: Site, answers_head: bool) -> None:
    site.answers_head = answers_head
    check_url(f"{site.address}/net.onnx")


def test_a_file_behind_redirects(site: Site) -> None:
    site.redirects["/release"] = f"{site.address}/net.onnx"
    check_url(f"{site.address}/release")


@pytest.mark.parametrize("answers_head", [True, False])
def test_a_file_that_is_gone(site: Site, answers_head: bool) -> None:
    site.answers_head = answers_head
    with pytest.raises(OSError, match="404"):
        check_url(f"{site.address}/gone.onnx")
    assert len(site.requests) == 1


def test_dead_ones_are_found_among_many(site: Site) -> None:
    alive = [f"{site.address}/net.onnx?{number}" for number in range(20)]
    gone, nobody = f"{site.address}/gone.onnx", "http://127.0.0.1:1/net.onnx"
    told: list[tuple[int, int]] = []
    dead = find_dead([*alive, gone, nobody], lambda *step: told.append(step))
    assert list(dead) == [gone, nobody]
    assert dead[gone].startswith("the server answers 404")
    assert dead[nobody].startswith("the server cannot be reached")
    assert told[-1] == (22, 22)


@pytest.mark.usefixtures("home")
def test_all_addresses_are_known_once_with_their_models(site: Site) -> None:
    table = f'configuration = {{ url = "{site.address}/table.json" }}'
    write_catalogue(
        entry("duet", f"{site.address}/net.onnx", table),
        entry("other-duet", f"{site.address}/other.onnx", table),
    )
    addresses = known_addresses()
    assert addresses[f"{site.address}/net.onnx"] == ["duet"]
    assert addresses[f"{site.address}/table.json"] == ["duet", "other-duet"]
    told = [name for url, names in addresses.items() if "fbaipublicfiles" in url for name in names]
    assert "htdemucs" in told
