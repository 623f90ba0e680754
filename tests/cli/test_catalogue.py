"""Commands that use models which are not here yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogue import entry, write_catalogue, write_published
from tests.conftest import SONGS
from tests.stemtool import stemtool
from tests.web import Site, serve

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    write_published(folder)
    with serve(folder) as site:
        table = f'configuration = {{ url = "{site.address}/table.json" }}'
        write_catalogue(entry("duet", f"{site.address}/net.onnx", table))
        yield site


def listed(*options: str) -> dict[str, dict[str, object]]:
    run = stemtool("models", "list", "--json", *options)
    assert run.returncode == 0, run.stderr
    return {row["name"]: row for row in json.loads(run.stdout)}


def test_lists_say_what_can_be_fetched(site: Site) -> None:
    assert "duet" not in listed()
    row = listed("--available")["duet"]
    assert (row["family"], row["weights"]) == ("mdx", "not fetched yet")
    assert row["origin"] == f"{site.address}/net.onnx"
    shown = json.loads(stemtool("models", "show", "duet").stdout)
    assert shown["checkpoint"]["url"] == f"{site.address}/net.onnx"
    assert site.requests == []


def test_pull_brings_it_ahead(site: Site, home: Path) -> None:
    run = stemtool("models", "pull", "duet")
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(home / "models" / "duet" / "network.onnx")
    assert listed()["duet"]["weights"] == "here"
    assert "duet: intact" in stemtool("models", "verify").stdout


@pytest.mark.parametrize("command", ["separate", "remix"])
def test_a_job_brings_it(command: str, site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    options = ("-o", out) if command == "separate" else ("-o", out, "--gain", "lead=-6")
    song = SONGS / "hydrogen.ogg"
    run = stemtool(command, song, *options, "-m", "duet", "--length", "2")
    assert run.returncode == 0, run.stderr
    assert f"Fetching the model duet from {site.address}/net.onnx" in run.stderr
    if command == "separate":
        assert {path.name for path in out.rglob("*.wav")} == {"lead.wav", "backing.wav"}


def test_verify_asks_addresses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (site.folder / "net.onnx").unlink()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    run = stemtool("models", "verify", "--urls")
    assert run.returncode == 1
    assert f"{site.address}/net.onnx: the server answers 404 Not Found (duet)" in run.stdout
    assert f"{site.address}/table.json" not in run.stdout
    assert "Traceback" not in run.stderr
