"""Manifests from strangers: they name files of their own, and spoil nothing but themselves."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.attacks.networks import write_network
from tests.attacks.serving import MODEL, assert_prompt, serving
from tests.attacks.victims import assert_refused, some, stemtool, untouched
from tests.web import serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_FETCHED = """
kind = "complex"
name = {name}
version = {version}
summary = "A stranger's."
stems = ["vocals", "instrumental"]
sample_rate_hz = 44100
channels = 2
licence = "MIT"
attribution = "A stranger."
last_is_rest = true
transform = {{ window_samples = 6144, hop_samples = 1024 }}
passage = {{ samples = 64512, context_samples = 3072 }}
network = {{ family = "mdx" }}

[[sources]]
file = {file}
sha256 = "{sha256}"
{place}
"""
_AWAY = [
    "../../../canary", "/tmp/daw-bridge-canary", "..", ".", "", "a\0b", "a/../../canary", "con\n",
]  # fmt: skip


def install(home: Path, text: str, name: str = "evil") -> Path:
    folder = home / "models" / name
    folder.mkdir()
    (folder / "manifest.toml").write_text(text, "utf-8")
    return folder


def fetched(network: Path, place: str, **said: str) -> str:
    """Return the manifest of a network that is fetched from a place."""
    values = {"name": "evil", "version": "1", "file": network.name, **said}
    quoted = {key: json.dumps(value) for key, value in values.items()}
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    return _FETCHED.format(**quoted, sha256=digest, place=place)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A user's folder that nothing is to happen to."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "song").write_text("mine")
    return canary


@pytest.fixture
def network(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return write_network(tmp_path / "site" / "net.onnx")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("version", value) for value in ("1/../../../canary", *_AWAY)),
        *((key, value) for key in ("name", "file") for value in some(_AWAY)),
    ],
)
def test_what_is_fetched_stays_in_its_folder(
    key: str, value: str, home: Path, network: Path, canary: Path, tmp_path: Path
) -> None:
    with serve(network.parent) as site:
        place = f'url = "{site.address}/net.onnx"'
        install(home, fetched(network, place, **{key: value}))
        with untouched(tmp_path, but=(home,)):
            run = stemtool("models", "pull", "evil")
    assert run.status == 0 or run.is_refusal, run
    assert {path.name for path in home.iterdir()} <= {"models", "weights", "downloads", "inspected"}


@pytest.mark.parametrize(
    "stem",
    ["../x", "../../canary/song", "{tmp}/x", "a/b", "..", ".", "", "a\0b", "x" * 300, "a\nb"],
)
def test_a_stem_stays_in_its_folder(
    stem: str, home: Path, song: Path, canary: Path, tmp_path: Path
) -> None:
    folder = home / "models" / "evil"
    shutil.copytree(home / "models" / MODEL, folder)
    text = (folder / "manifest.toml").read_text("utf-8").replace(f'"{MODEL}"', '"evil"')
    said = json.dumps(stem.format(tmp=tmp_path))
    (folder / "manifest.toml").write_text(text.replace('"vocals"', said), "utf-8")
    with untouched(tmp_path, but=(home, tmp_path / "out")):
        run = stemtool("separate", "-m", "evil", song, "-o", tmp_path / "out")
    assert run.status == 0 or run.is_refusal, run


def _package(folder: Path, canary: Path) -> Path:
    """Write a package whose own build system makes a file when pip looks at it."""
    project = folder / "pkg-1.0"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (project / "backend.py").write_text(f"open({str(canary / 'run')!r}, 'w').close()\n")
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n")
    with tarfile.open(folder / "pkg-1.0.tar.gz", "w:gz") as archive:
        archive.add(project, project.name)
    return folder / "pkg-1.0.tar.gz"


@pytest.mark.parametrize(
    "requirement",
    [
        "pkg @ file://{file}",
        "pkg@file://{file}",
        "{file}",
        "file://{file}",
        "{file.parent}/pkg-1.0",
        "-r {file.parent}/list",
        "--requirement={file.parent}/list",
        "--index-url=http://127.0.0.1:9/",
        "pkg --index-url http://127.0.0.1:9/",
        "pkg @ http://127.0.0.1:9/pkg-1.0.tar.gz",
        "pkg\n{file}",
        "",
    ],
)
def test_a_requirement_is_a_name_and_a_version(
    requirement: str, home: Path, network: Path, canary: Path, tmp_path: Path
) -> None:
    package = _package(tmp_path, canary)
    (tmp_path / "list").write_text(f"{package}\n")
    place = f"requirement = {json.dumps(requirement.format(file=package))}"
    install(home, fetched(network, place))
    with untouched(tmp_path, but=(home,)):
        assert_refused(stemtool("models", "pull", "evil"))


def _deep(path: Path) -> None:
    path.write_text("a = " + "[" * 50_000 + "]" * 50_000)


def _large(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"# " + b"x" * 61 + b"\n" + (b"#" * 63 + b"\n") * ((1 << 14) - 1))


_NOWHERE = "a link in circles"
_FLAWS: dict[str, Callable[[Path], object]] = {
    "no TOML": lambda path: path.write_text("name = \n= evil"),
    "no text": lambda path: path.write_bytes(bytes(range(256))),
    "no file": os.mkfifo,
    "a folder": os.mkdir,
    _NOWHERE: lambda path: path.symlink_to(path),
    "large": _large,
    "deep": _deep,
    "empty": lambda path: path.touch(),
    "a long number": lambda path: path.write_text("name = " + "9" * 100_000),
}


@pytest.fixture(params=[flaw for flaw in _FLAWS if flaw != _NOWHERE])
def flawed(home: Path, request: pytest.FixtureRequest) -> str:
    """A library with one manifest more, which cannot be read; return the model's name."""
    name = request.param.replace(" ", "-")
    (home / "models" / name).mkdir()
    _FLAWS[request.param](home / "models" / name / "manifest.toml")
    return name


def test_an_unreadable_manifest_hides_no_other_model(flawed: str) -> None:
    run = stemtool("models", "list")
    assert run.status == 0, run
    assert MODEL in run.said
    assert flawed in run.said  # a warning


def test_unreadable_manifests_stop_nothing(home: Path, song: Path, tmp_path: Path) -> None:
    for flaw, write in _FLAWS.items():
        (home / "models" / flaw).mkdir()
        write(home / "models" / flaw / "manifest.toml")
    run = stemtool("separate", "-m", MODEL, song, "-o", tmp_path / "out")
    assert run.status == 0, run
    doctor = stemtool("doctor")
    assert "Traceback" not in doctor.said
    assert MODEL in doctor.said
    with serving(home, tmp_path) as server:
        assert_prompt(server)


def test_a_model_is_not_made_of_itself_without_end(home: Path, song: Path) -> None:
    for number in range(40):
        members = [{"model": f"m{number + 1}"}] * 2
        text = f"""
            kind = "ensemble"
            name = "m{number}"
            version = "1"
            summary = "Twice the next."
            stems = ["vocals", "instrumental"]
            sample_rate_hz = 44100
            channels = 2
            licence = "MIT"
            attribution = "A stranger."
            members = [{", ".join(f'{{ model = "{each["model"]}" }}' for each in members)}]
        """
        install(home, text, f"m{number}")
    with suppress(FileNotFoundError):
        (home / "models/m40").rmdir()
    assert_refused(stemtool("models", "show", "m0"))
