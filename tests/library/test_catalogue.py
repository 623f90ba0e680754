"""The catalogue that comes with the package, and those of users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from daw_bridge.errors import ManifestError, ModelError
from daw_bridge.library.catalogue import load_catalogue, load_published, read_catalogue
from daw_bridge.library.manifest import PublishedModel
from daw_bridge.library.models import load_manifest, load_manifests, read_manifest
from daw_bridge.library.names import is_model_name
from daw_bridge.library.places import find_catalogues, find_models
from daw_bridge.library.sources import FamilyName
from tests.catalogue import entry, write_catalogue
from tests.mini_model import install_manifest

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
SHIPPED = read_catalogue(next(iter(find_catalogues().values()))).models
REGISTRIES = r"(^|\.)(pypi\.org|pythonhosted\.org|npmjs\.\w+|conda\.anaconda\.org|crates\.io)$"
NAMES = [model.name for model in SHIPPED]


def test_there_are_thirty_models_or_more_none_twice_and_none_that_ships() -> None:
    assert len(SHIPPED) >= 30
    assert len({name.casefold() for name in NAMES}) == len(NAMES)
    assert not set(NAMES) & set(find_models())


@pytest.mark.parametrize("model", SHIPPED, ids=NAMES)
def test_an_entry_says_what_can_be_fetched_and_how_well_it_is_known(model: PublishedModel) -> None:
    assert is_model_name(model.name)
    assert model.family in get_args(FamilyName)
    assert len(model.stems) >= 2
    assert model.licence
    assert model.attribution
    assert model.summary.endswith(".")
    for download in model.downloads:
        address = urlsplit(download.url)
        assert address.scheme == "https"
        assert address.hostname
        assert not re.search(REGISTRIES, address.hostname)
        assert download.file
    for figure in model.quality:
        assert figure.source.startswith("https://")
        assert figure.data


def test_no_two_figures_are_of_one_stem_on_the_same_data() -> None:
    for model in SHIPPED:
        told = [(figure.stem, figure.data) for figure in model.quality]
        assert len(set(told)) == len(told), model.name


def test_the_page_has_a_row_for_each_model() -> None:
    rows = [
        f"| {model.name} | {', '.join(model.stems)} | {model.family} | {model.summary} |"
        for model in sorted(SHIPPED, key=lambda model: model.name)
    ]
    table = PAGE.read_text("utf-8").partition("| name | stems | family |")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == rows


@pytest.mark.usefixtures("home")
def test_an_entry_stands_for_its_model_until_that_is_here(home: Path) -> None:
    write_catalogue(entry("duet", "http://127.0.0.1/net.onnx"))
    model = load_manifest("duet")
    assert isinstance(model, PublishedModel)
    assert model.stems == ("lead", "backing")
    assert "duet" in [each.name for each in load_published()]
    assert "duet" not in [each.name for each in load_manifests()]
    install_manifest(home, '[[sources]]\nurl = "https://a.example/b"\nfile = "b"')
    folder = home / "models" / "duet"
    (home / "models" / "spleeter-2stems").rename(folder)
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("spleeter-2stems", "duet", 1), "utf-8")
    assert load_manifest("duet").stems == ("vocals", "accompaniment")
    assert "duet" not in [each.name for each in load_published()]


@pytest.mark.usefixtures("home")
def test_a_users_entry_takes_the_place_of_one_that_ships() -> None:
    write_catalogue(entry(NAMES[0], "http://127.0.0.1/net.onnx"))
    assert load_catalogue()[NAMES[0]].attribution == "somebody"
    assert len(load_catalogue()) == len(NAMES)


@pytest.mark.usefixtures("home")
def test_a_mistyped_name_is_told_apart_from_those_of_the_catalogue() -> None:
    with pytest.raises(ModelError, match=f"did you mean '{NAMES[0]}'"):
        load_manifest(NAMES[0] + "x")


@pytest.mark.usefixtures("home")
def test_an_ensemble_may_have_members_that_are_not_here(home: Path) -> None:
    write_catalogue(entry("duet", "http://127.0.0.1/net.onnx"))
    path = home / "models" / "both" / "manifest.toml"
    path.parent.mkdir(parents=True)
    told = {
        "name": "both", "version": "1", "summary": "s", "kind": "ensemble", "licence": "l",
        "attribution": "a", "stems": ["lead", "backing"], "sample_rate_hz": 44_100, "channels": 2,
    }  # fmt: skip
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in told.items()]
    path.write_text("".join([*lines, '[[members]]\nmodel = "duet"\n']), "utf-8")
    assert read_manifest(path).stems == ("lead", "backing")


@pytest.mark.parametrize(
    ("was", "is_now", "told"),
    [
        ('"duet"', '"../duet"', "name"),
        ('"mdx"', '"onyx"', "onyx"),
        ("http://", "file://", "is an address of http or https"),
        ('["lead", "backing"]', '["lead"]', "stems"),
        ('["lead", "backing"]', '["lead", "choir"]', "renames to 'backing', which is none of"),
        ("licence =", "license =", "licence"),
        ("/net.onnx", "/", "http://127.0.0.1/ does not end in the name of a file"),
        ("[[models]]", "[[model]]", "models"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_flaw_is_told_and_spoils_only_its_catalogue(was: str, is_now: str, told: str) -> None:
    text = entry("duet", "http://127.0.0.1/net.onnx").replace(was, is_now)
    path = write_catalogue(text)
    with pytest.raises(ManifestError, match=told):
        read_catalogue(path)
    flaws: list[ManifestError] = []
    assert list(load_catalogue(flaws.append)) == sorted(NAMES)
    assert [str(path) in str(flaw) for flaw in flaws] == [True]


@pytest.mark.usefixtures("home")
def test_a_name_comes_once_and_settings_without_a_configuration() -> None:
    one = entry("duet", "http://127.0.0.1/net.onnx")
    with pytest.raises(ManifestError, match="two models are called 'duet'"):
        read_catalogue(write_catalogue(one, one))
    both = ('configuration = { url = "https://a.example/b.yaml" }', "settings = { a = 1 }")
    path = write_catalogue(entry("duet", "http://127.0.0.1/net.onnx", *both))
    with pytest.raises(ManifestError, match="either a configuration or settings"):
        read_catalogue(path)


def test_a_folder_has_no_manifest_of_an_entrys_kind(tmp_path: Path) -> None:
    path = tmp_path / "duet" / "manifest.toml"
    path.parent.mkdir()
    text = entry("duet", "http://127.0.0.1/net.onnx").replace("[[models]]", 'kind = "published"')
    path.write_text(text, "utf-8")
    with pytest.raises(ManifestError, match=r"kind 'published' is for catalogue\.toml"):
        read_manifest(path)
