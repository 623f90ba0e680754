"""A library with one small model, and servers that have no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.networks import write_network
from tests.attacks.serving import MODEL, TOKEN, serving, write_song
from tests.attacks.victims import stemtool
from tests.server import Server

HOME_VARIABLE = "DAW_BRIDGE_HOME"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder, with the model alone."""
    folder = tmp_path_factory.mktemp("library")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOME_VARIABLE, str(folder / "home"))
        network = write_network(folder / f"{MODEL}.onnx")
        run = stemtool("models", "import", network)
    assert run.status == 0, run
    return folder / "home"


@pytest.fixture
def home(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of the test's own."""
    home = tmp_path / "home"
    shutil.copytree(library, home, ignore=shutil.ignore_patterns("stems"))  # of servers
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    return home


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two seconds of quiet noise."""
    return write_song(tmp_path / "song.wav")


@pytest.fixture(scope="module")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the tests of a module, without a token."""
    with serving(library, tmp_path_factory.mktemp("server"), "--verbose") as server:
        yield server


@pytest.fixture(scope="module")
def guarded(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the tests of a module, which asks for a token."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text(TOKEN)
    with serving(library, folder, "--token-file", str(folder / "token")) as server:
        yield server


@pytest.fixture
def place(server: Server, request: pytest.FixtureRequest) -> Path:
    """A folder of the test's own below the server's root."""
    number = len(list(server.root.iterdir()))
    folder = server.root / f"{number}-{request.node.originalname}"
    folder.mkdir()
    return folder
