"""Models as they are published: several files, whose names tell how their hashes begin."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from daw_bridge import Separator
from daw_bridge.errors import ManifestError, ModelError, WeightsError
from daw_bridge.files import download
from daw_bridge.library.manifest import MagnitudeModel
from daw_bridge.library.models import load_manifest, load_manifests
from daw_bridge.library.places import find_model
from daw_bridge.weights import installing as weights
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests import mini_model
from tests.conftest import make_noise
from tests.golden.openunmix_case import STEMS, make_target
from tests.mini_mdx import WINDOW, write_net
from tests.web import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAME = "openunmix-umxhq"

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES_S", ())


@pytest.fixture
def targets(tmp_path: Path) -> list[Path]:
    """The files of a narrow Open-Unmix, named as torch.hub wants them."""
    folder = tmp_path / "site" / "umxhq"
    folder.mkdir(parents=True)
    files = []
    for seed, stem in enumerate(STEMS):
        arrays = make_target(seed, hidden=4, layers=1)
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        state |= {"sample_rate": torch.tensor(44100.0), "transform.0.window": torch.ones(4096)}
        state["bn1.num_batches_tracked"] = torch.tensor(1)
        file = folder / f"{stem}.pth"
        torch.save(state, file, _use_new_zipfile_serialization=bool(seed % 2))
        files.append(file.rename(folder / f"{stem}-{sha256(file)[:8]}.pth"))
    return files


@pytest.fixture
def site(targets: Sequence[Path]) -> Iterator[Site]:
    with serve(targets[0].parent.parent) as site:
        yield site


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def install(
    home: Path, files: Sequence[Path], address: str = "http://127.0.0.1:9", digits: int = 8
) -> None:
    """Have the shipped model take these files, of whose hashes so many digits are known."""
    parts = [f"{{ file = '{file.name}', sha256 = '{sha256(file)[:digits]}' }}" for file in files]
    source = f"[[sources]]\nurl = '{address}/umxhq'\nfiles = [{', '.join(parts)}]\n"
    mini_model.install_manifest(home, source, name=NAME)


def ensure() -> Path:
    return weights.ensure_network(load_manifest(NAME))


def downloads(home: Path) -> list[str]:
    """What has come and waits."""
    return sorted(file.name for file in home.glob("downloads/*/*"))


def test_shipped_hashes_begin_as_published_names_tell() -> None:
    parts = [
        part
        for manifest in load_manifests()
        for source in manifest.sources
        for part in source.files
    ]
    assert len(parts) >= 8
    for part in parts:
        assert str(part.sha256).startswith(part.file.partition("-")[2].partition(".")[0])


def test_the_shipped_manifest_says_what_its_converter_does(
    home: Path, targets: Sequence[Path], site: Site
) -> None:
    install(home, targets, site.address)
    steps: list[tuple[int, int]] = []
    (network,) = weights.ensure_networks(load_manifest(NAME), lambda *step: steps.append(step))
    sizes = [file.stat().st_size for file in targets]
    assert [done for done, total in steps if done == total] == sizes
    assert downloads(home) == []
    imported = import_checkpoint(str(targets[0].parent), ImportOptions(name="own"))
    assert network.read_bytes() == (home / "models" / "own" / "network.onnx").read_bytes()
    fetched = load_manifest(NAME)
    for key in ("kind", "stems", "sample_rate_hz", "channels", "bandwidths", "transform"):
        assert getattr(fetched, key) == getattr(imported, key)
    assert isinstance(fetched, MagnitudeModel)
    assert isinstance(imported, MagnitudeModel)
    assert fetched.segment == imported.segment
    assert fetched.wiener_epsilon == imported.wiener_epsilon
    noise = make_noise(44_100)
    with Separator(NAME, provider="cpu") as one, Separator("own", provider="cpu") as other:
        stems = one.separate(noise)
        assert np.array_equal(stems.samples, other.separate(noise).samples)
    assert all(np.ptp(stem) > 0.01 for stem in stems.samples)


def test_what_came_whole_is_not_fetched_again_after_a_cut(
    home: Path, targets: Sequence[Path], site: Site
) -> None:
    install(home, targets, site.address)
    site.cuts = [*(file.stat().st_size for file in targets[:2]), 1000]
    with pytest.raises(WeightsError, match="broke off after 1000 of") as caught:
        ensure()
    names = [file.name for file in targets]
    assert ", ".join(names) in str(caught.value)
    assert "stemtool models import FOLDER" in str(caught.value)
    assert downloads(home) == sorted([".version"] * 3 + [*names[:2], f"{names[2]}.part"])
    site.requests.clear()
    assert ensure().exists()
    assert site.requests == [
        (f"/umxhq/{names[2]}", "bytes=1000-"),
        (f"/umxhq/{names[3]}", None),
    ]
    assert downloads(home) == []


@pytest.mark.parametrize("fault", ["hash", "404", "content"])
def test_one_bad_file_leaves_the_cache_as_it_was(
    fault: str, home: Path, targets: list[Path], site: Site
) -> None:
    if fault == "content":
        content = b"what is this?"
        targets[2].unlink()
        digits = hashlib.sha256(content).hexdigest()[:8]
        targets[2] = targets[2].with_name(f"bass-{digits}.pth")
        targets[2].write_bytes(content)
    install(home, targets, site.address)
    if fault == "hash":
        targets[2].write_bytes(targets[2].read_bytes()[:-1] + b"x")
    elif fault == "404":
        targets[2].unlink()
    with pytest.raises(ModelError, match=r"is not the pinned one|404|not vocals, drums, other;"):
        ensure()
    assert downloads(home) == []
    assert not list(home.glob("weights/*/*"))


def test_what_was_fetched_first_pins_all_digits(
    home: Path, targets: Sequence[Path], site: Site
) -> None:
    install(home, targets, site.address)
    network = ensure()
    lines = [f"{sha256(file)}  {file.name}\n" for file in targets]
    assert network.with_name("source.sha256").read_text() == "".join(lines)
    forged = "0" * 64
    network.with_name("source.sha256").write_text(lines[0].replace(sha256(targets[0])[8:], forged))
    network.write_bytes(b"rot")
    with pytest.raises(WeightsError, match="is not the pinned one"):
        ensure()
    with pytest.raises(WeightsError, match=r"begins with .*; remove .* is to be trusted instead"):
        weights.import_source(targets[0].parent)


def test_a_folder_of_all_files_is_that_models(home: Path, targets: Sequence[Path]) -> None:
    install(home, targets)
    folder = targets[0].parent
    (folder / "more.pth").write_bytes(targets[0].read_bytes())
    assert import_checkpoint(str(folder)).name == NAME
    assert weights.are_intact(load_manifest(NAME))
    assert all(file.is_file() and not file.is_symlink() for file in targets)


@pytest.mark.parametrize("digits", [8, 64])
@pytest.mark.parametrize("fault", ["damaged", "missing", "alone", "renamed alone"])
def test_a_folder_is_refused_that_has_not_all_of_a_models_files(
    fault: str, digits: int, home: Path, targets: Sequence[Path]
) -> None:
    install(home, targets, digits=digits)
    path = targets[0].parent
    message = r"openunmix-umxhq needs together: put vocals-.*, other-.* into a folder"
    if fault == "damaged":
        targets[1].write_bytes(targets[1].read_bytes()[:-1] + b"x")
        message = r"drums-\w+\.pth has sha256 .* is made from one whose begins with .*; get it anew"
    elif fault == "missing":
        targets[3].unlink()
        assert weights.import_source(path) is None
        return
    elif fault == "alone":
        path = targets[2]
    else:
        path = targets[2].rename(targets[2].with_name("download (1)"))
    with pytest.raises(WeightsError, match=message) as caught:
        import_checkpoint(str(path))
    assert "\n" not in str(caught.value)
    assert not list(home.glob("weights/*/*"))


def test_a_file_beside_the_manifest_lies_with_the_others(
    home: Path, targets: Sequence[Path]
) -> None:
    """Here ``separator.json``, which tells the converter the sample rate; for Demucs, a bag."""
    install(home, targets)
    manifest = find_model(NAME)
    manifest.write_text(manifest.read_text("utf-8") + "bag = 'separator.json'\n", "utf-8")
    with pytest.raises(ManifestError, match=r"separator\.json does not lie beside it"):
        load_manifest(NAME)
    assert weights.import_source(targets[0].parent) is None
    manifest.with_name("separator.json").write_text("not even JSON")
    with pytest.raises(WeightsError, match=r"separator\.json cannot be read"):
        weights.import_source(targets[0].parent)
    manifest.with_name("separator.json").write_text('{"sample_rate": 44100.0}')
    assert weights.import_source(targets[0].parent) == load_manifest(NAME)


def test_where_links_cannot_be_made_files_are_copied(
    home: Path, targets: Sequence[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    install(home, targets)
    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    assert weights.import_source(targets[0].parent) == load_manifest(NAME)


def test_a_network_that_makes_other_stems_than_its_manifest_says_is_refused(
    home: Path, targets: Sequence[Path]
) -> None:
    install(home, targets)
    manifest = find_model(NAME)
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('"vocals", "drums"', '"drums", "vocals"'), "utf-8")
    with pytest.raises(
        ManifestError, match=r"manifest has stems drums, vocals.*, not vocals, drums"
    ):
        weights.import_source(targets[0].parent)
    assert not list(home.glob("weights/*/*"))


def test_a_network_of_signals_is_fetched(home: Path, site: Site) -> None:
    net = write_net(site.folder / "net.onnx", [0, 4, 2048, 64], mdx_n_fft_scale_set=str(WINDOW))
    own = import_checkpoint(str(net), ImportOptions(name="own"))
    shutil.copytree(find_model("own").parent, home / "models" / "net")
    manifest = find_model("net")
    text = manifest.read_text("utf-8").replace('name = "own"', 'name = "net"')
    source = "[network]\nfamily = 'mdx'\n"
    source += f"[[sources]]\nfile = 'net.onnx'\nurl = '{site.address}/net.onnx'\n"
    manifest.write_text(text[: text.index("[[sources]]")] + source, "utf-8")
    assert not weights.are_fetched(load_manifest("net"))
    noise = make_noise(44_100)
    with Separator("net", provider="cpu") as one, Separator(own.name, provider="cpu") as other:
        assert np.array_equal(one.separate(noise).samples, other.separate(noise).samples)
    assert weights.are_intact(load_manifest("net"))
