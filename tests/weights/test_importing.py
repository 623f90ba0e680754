"""Checkpoints that no manifest knows become models of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from daw_bridge import Separator
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.licences import is_free_for_commercial_use
from daw_bridge.library.models import load_manifest
from daw_bridge.weights import installing as weights
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests import mini_model
from tests.conftest import make_noise
from tests.golden.openunmix_case import make_target
from tests.golden.songs import GOLDEN
from tests.web import Site, serve

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return mini_model.write_archive(tmp_path / "site")


@pytest.fixture
def site(archive: Path) -> Iterator[Site]:
    with serve(archive.parent) as site:
        yield site


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def files(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


def test_an_archive_makes_what_a_known_one_makes(home: Path, archive: Path) -> None:
    imported = import_checkpoint(str(archive))
    assert imported == load_manifest("2stems")
    assert imported.stems == mini_model.STEMS
    assert (imported.licence, imported.attribution) == ("unknown", "unknown")
    assert [source.sha256 for source in imported.sources] == [sha256(archive)]
    assert files(home / "models") == ["manifest.toml", "network.onnx"]
    noise = make_noise(44_100)
    with Separator("2stems", provider="cpu") as separator:
        mine = separator.separate(noise)
    mini_model.install_manifest(home, mini_model.source(archive, url="http://127.0.0.1:9/"))
    weights.import_source(archive)
    with Separator("spleeter-2stems", provider="cpu") as separator:
        assert np.array_equal(separator.separate(noise).samples, mine.samples)


def test_a_url_is_fetched_and_pinned(home: Path, archive: Path, site: Site) -> None:
    url = f"{site.address}/2stems.tar.gz"
    steps: list[tuple[int, int]] = []
    imported = import_checkpoint(url, ImportOptions(name="mine"), lambda *step: steps.append(step))
    (source,) = imported.sources
    assert (source.url, source.sha256) == (url, sha256(archive))
    assert weights.are_intact(imported)
    assert steps
    assert files(home / "models") == ["manifest.toml", "network.onnx"]


@pytest.mark.parametrize(
    ("name", "message"), [("2stems.tar.gz", "is not the pinned one"), ("no.tar.gz", "404")]
)
def test_a_url_that_gives_another_file_or_none_leaves_nothing(
    name: str, message: str, home: Path, site: Site
) -> None:
    with pytest.raises(WeightsError, match=message):
        import_checkpoint(f"{site.address}/{name}", ImportOptions(sha256="0" * 64))
    assert files(home) == []


def test_a_file_that_a_manifest_pins_is_that_models(home: Path, archive: Path) -> None:
    mini_model.install_manifest(home, mini_model.source(archive, url="http://127.0.0.1:9/"))
    assert import_checkpoint(str(archive)).name == "spleeter-2stems"
    assert import_checkpoint(str(archive), ImportOptions(name="mine")).name == "mine"
    renamed = ImportOptions(wishes=ImportWishes(stems=("voice", "band")))
    assert import_checkpoint(str(archive), renamed).name == "2stems"


def test_a_folder_that_spleeter_trained_makes_its_stems(home: Path) -> None:
    trained = GOLDEN / "trained-checkpoint"
    wishes = ImportWishes(configuration=trained / "configuration.json")
    imported = import_checkpoint(str(trained), ImportOptions(wishes=wishes))
    assert imported.stems == ("vocals", "drums", "rest")
    noise = make_noise(44_100)
    with Separator("trained-checkpoint", provider="cpu") as separator:
        stems = separator.separate(noise).samples
    assert len(stems) == len(imported.stems)
    assert np.allclose(stems.sum(axis=0), noise.samples, atol=1e-5)
    assert all(np.ptp(stem) > 0.1 * np.ptp(noise.samples) for stem in stems)


def test_a_name_is_taken_once(archive: Path) -> None:
    first = import_checkpoint(str(archive), ImportOptions(name="mine"))
    with pytest.raises(OptionError, match=r"'mine' already.*--overwrite"):
        import_checkpoint(str(archive), ImportOptions(name="mine"))
    wishes = ImportWishes(stems=("voice", "band"))
    options = ImportOptions(name="mine", overwrite=True, wishes=wishes)
    assert import_checkpoint(str(archive), options).stems == ("voice", "band")
    assert first.stems == mini_model.STEMS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ImportOptions(name="../up"), "cannot be a model's name"),
        (ImportOptions(family="spleter"), "did you mean 'spleeter'"),
        (ImportOptions(wishes=ImportWishes(stems=("a", "b", "c"))), "makes 2 stems, not a, b, c"),
        (ImportOptions(sha256="0" * 64), "has sha256"),
    ],
)
def test_options_that_do_not_fit_change_nothing(
    options: ImportOptions, message: str, home: Path, archive: Path
) -> None:
    with pytest.raises((OptionError, WeightsError), match=message):
        import_checkpoint(str(archive), options)
    assert files(home) == []


@pytest.mark.parametrize("family", [None, "spleeter"])
def test_files_that_are_no_checkpoints_are_one_sentence(
    family: str | None, home: Path, archive: Path
) -> None:
    content = archive.read_bytes()
    for damaged in (b"", b"what?", content[: len(content) // 2]):
        archive.write_bytes(damaged)
        with pytest.raises(
            WeightsError, match=r"is no checkpoint|is damaged|cannot be read"
        ) as caught:
            import_checkpoint(str(archive), ImportOptions(family=family))
        assert "\n" not in str(caught.value)
    for nothing in (archive.with_name("missing"), archive.parent):
        with pytest.raises(WeightsError, match=r"is no checkpoint|holds no file|cannot be read"):
            import_checkpoint(str(nothing), ImportOptions(family=family))
    assert files(home) == []


class Shout:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("heard",)


def test_code_in_a_checkpoint_is_run_only_where_it_is_trusted(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shouting"
    folder.mkdir()
    for seed, stem in enumerate(("vocals", "other")):
        arrays = make_target(seed, bins=65, seen_bins=33, hidden=8, layers=1)
        held = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.save({**held, "greeting": Shout()}, folder / f"{stem}.pth")
    with pytest.raises(WeightsError, match=r"holds __builtin__\.print, .*: add --trust if you"):
        import_checkpoint(str(folder))
    assert "heard" not in "".join(capfd.readouterr())
    assert files(home) == []
    trusting = ImportOptions(wishes=ImportWishes(trust=True))
    assert import_checkpoint(str(folder), trusting).stems == ("vocals", "other")
    assert capfd.readouterr().err == "heard\nheard\n"


@pytest.mark.parametrize(
    ("licence", "is_free"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later WITH Classpath-exception-2.0", True),
        ("(MIT AND CC-BY-4.0)", True),
        ("CC-BY-SA-4.0", True),
        ("CC-BY-NC-4.0", False),
        ("CC-BY-NC-SA-4.0", False),
        ("MIT AND CC-BY-NC-4.0", False),
        ("LicenseRef-scq", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_licences_that_allow_commercial_use(licence: str, is_free: bool) -> None:
    assert is_free_for_commercial_use(licence) == is_free
