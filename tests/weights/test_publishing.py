"""Models of a catalogue come at their first use, once, whole, and as promised."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Separator
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import ManifestError, WeightsError
from daw_bridge.files import download
from daw_bridge.library.manifest import ComplexModel, PublishedModel
from daw_bridge.library.models import load_manifest
from daw_bridge.weights import publishing
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from daw_bridge.weights.installing import are_fetched, are_intact
from daw_bridge.weights.obtaining import ensure_model, locate_model, mend_model
from tests.catalogue import SETTINGS, entry, write_catalogue, write_published
from tests.conftest import make_noise
from tests.mini_mdx import SHAPE, WINDOW, write_net
from tests.web import Site, serve

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    write_published(folder)
    with serve(folder) as site:
        yield site


@pytest.fixture
def duet(site: Site) -> str:
    """A model whose configuration is a table of many."""
    table = f'configuration = {{ url = "{site.address}/table.json" }}'
    quality = 'quality = [{ stem = "lead", sdr_db = 9.5, data = "five songs", source = "me" }]'
    write_catalogue(entry("duet", f"{site.address}/net.onnx", table, quality))
    return "duet"


def paths(site: Site) -> list[str]:
    return [path for path, _ in site.requests]


def test_the_first_use_brings_it_and_the_second_finds_it(duet: str, site: Site) -> None:
    assert locate_model(load_manifest(duet)) == "not fetched yet"
    noise = make_noise(44_100)
    with Separator(duet, provider="cpu") as separator:
        first = separator.separate(noise)
    assert sorted(paths(site)) == ["/net.onnx", "/table.json"]
    with Separator(duet, provider="cpu") as separator:
        second = separator.separate(noise)
    assert len(site.requests) == 2
    assert list(first.names) == ["lead", "backing"]
    np.testing.assert_array_equal(first.samples, second.samples)


def test_its_manifest_says_what_the_catalogue_does_and_pins_what_came(
    duet: str, site: Site
) -> None:
    manifest = ensure_model(duet)
    assert isinstance(manifest, ComplexModel)
    assert manifest == load_manifest(duet)
    assert (manifest.name, manifest.stems) == (duet, ("lead", "backing"))
    assert (manifest.licence, manifest.attribution) == ("CC0-1.0", "somebody")
    assert [figure.sdr_db for figure in manifest.quality] == [9.5]
    (source,) = manifest.sources
    assert source.url == f"{site.address}/net.onnx"
    assert len(source.sha256 or "") == 64
    assert locate_model(manifest) == "here"
    assert are_intact(manifest)


def test_the_log_is_told_how_much_of_a_large_file_is_here(
    duet: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(publishing, "_LARGE_BYTES", 100)
    caplog.set_level("INFO")
    ensure_model(duet)
    assert "duet: 100 % of 0 MB are here." in caplog.messages


def test_settings_stand_for_a_configuration(site: Site) -> None:
    told = ", ".join(f"{key} = {value!r}" for key, value in SETTINGS.items())
    write_catalogue(entry("duet", f"{site.address}/net.onnx", f"settings = {{ {told} }}"))
    assert ensure_model("duet").stems == ("lead", "backing")
    assert paths(site) == ["/net.onnx"]


def test_other_stems_than_promised_are_refused(duet: str, site: Site, home: Path) -> None:
    catalogue = home / "models" / "catalogue.toml"
    text = catalogue.read_text("utf-8").replace('vocals = "lead", ', "")
    catalogue.write_text(text, "utf-8")
    with pytest.raises(ManifestError, match="makes vocals, backing, not lead, backing as the cat"):
        ensure_model(duet)
    assert not are_fetched(load_manifest(duet))
    assert [path.name for path in (home / "models").iterdir() if path.is_dir()] == []


def test_another_file_than_the_pinned_one_is_refused(duet: str, site: Site, home: Path) -> None:
    catalogue = home / "models" / "catalogue.toml"
    text = catalogue.read_text("utf-8")
    text = text.replace('net.onnx" }', f'net.onnx", sha256 = "{"0" * 64}" }}')
    catalogue.write_text(text, "utf-8")
    with pytest.raises(WeightsError, match="is not the pinned one"):
        ensure_model(duet)


def test_a_configuration_is_small(duet: str, site: Site) -> None:
    (site.folder / "table.json").write_bytes(bytes(2 << 20))
    with pytest.raises(WeightsError, match="larger than 1,048,576 bytes"):
        ensure_model(duet)


def test_what_cannot_be_fetched_is_told_with_a_way_out(duet: str, site: Site) -> None:
    (site.folder / "net.onnx").unlink()
    with pytest.raises(
        WeightsError,
        match=r"404.*get net\.onnx and table\.json .* `stemtool models import net\.onnx"
        r" --config table\.json --name duet`\.",
    ):
        ensure_model(duet)
    assert isinstance(load_manifest(duet), PublishedModel)


def test_files_that_were_brought_by_hand_become_the_same(duet: str, site: Site) -> None:
    wishes = ImportWishes(configuration=site.folder / "table.json")
    options = ImportOptions(name=duet, wishes=wishes)
    brought = import_checkpoint(str(site.folder / "net.onnx"), options)
    assert (brought.stems, brought.licence) == (("lead", "backing"), "CC0-1.0")
    assert site.requests == []
    assert ensure_model(duet) == brought


def test_another_file_of_the_name_is_a_model_of_its_own(duet: str, home: Path) -> None:
    net = write_net(home / "own.onnx", SHAPE, mdx_n_fft_scale_set=str(WINDOW))
    own = import_checkpoint(str(net), ImportOptions(name=duet))
    assert (own.stems, own.licence) == (("vocals", "instrumental"), "unknown")


def test_a_cut_download_goes_on_where_it_stopped(
    duet: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PAUSES_S", (0, 0, 0))
    site.cuts += [10_000, 100]  # the configuration is smaller
    ensure_model(duet)
    assert site.requests[1:] == [("/net.onnx", None), ("/net.onnx", "bytes=100-")]


def test_a_damaged_one_comes_anew_but_only_the_same(duet: str, site: Site, home: Path) -> None:
    first = ensure_model(duet)
    network = home / "models" / duet / "network.onnx"
    network.write_bytes(b"damaged")
    assert not are_intact(load_manifest(duet))
    assert mend_model(duet) == first
    assert are_intact(load_manifest(duet))
    network.write_bytes(b"damaged")
    write_net(site.folder / "net.onnx", [0, 4, 2048, 128])
    with pytest.raises(WeightsError, match="is not the pinned one"):
        mend_model(duet)


def test_a_users_own_model_of_the_name_stays(duet: str, site: Site, home: Path) -> None:
    folder = home / "models" / duet
    ensure_model(duet)
    manifest = folder / "manifest.toml"
    own = manifest.read_text("utf-8").replace(site.address, "http://127.0.0.1:1")
    manifest.write_text(own, "utf-8")
    (folder / "network.onnx").write_bytes(b"mine")
    mend_model(duet)
    assert manifest.read_text("utf-8") == own
    assert len(site.requests) == 2


def test_two_processes_at_once_bring_it_once(duet: str, site: Site) -> None:
    command = "from daw_bridge.weights.obtaining import ensure_model; ensure_model('duet')"
    running = [subprocess.Popen([sys.executable, "-c", command]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    assert sorted(paths(site)) == ["/net.onnx", "/table.json"]


def test_members_of_an_ensemble_come_with_it(duet: str, site: Site, home: Path) -> None:
    path = home / "models" / "both" / "manifest.toml"
    path.parent.mkdir(parents=True)
    path.write_text(
        'name = "both"\nversion = "1"\nsummary = "s"\nkind = "ensemble"\nlicence = "l"\n'
        'attribution = "a"\nstems = ["lead", "backing"]\nsample_rate_hz = 44100\nchannels = 2\n'
        f'[[members]]\nmodel = "{duet}"\n',
        "utf-8",
    )
    assert locate_model(load_manifest("both")) == "not fetched yet"
    with Separator("both", provider="cpu") as separator:
        stems = separator.separate(make_noise(44_100))
    assert sorted(stems.names) == ["backing", "lead"]
    assert locate_model(load_manifest("both")) == "here"


def test_a_stranger_in_place_of_a_checkpoint_is_told(site: Site) -> None:
    (site.folder / "page.onnx").write_text("<html>Sign in</html>")
    write_catalogue(entry("duet", f"{site.address}/page.onnx"))
    with pytest.raises(WeightsError):
        ensure_model("duet")
