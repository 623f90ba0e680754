"""Projects that a server writes beside stems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daw_bridge.errors import ConfinementError, DawBridgeError, OptionError
from tests.projects.opened import open_dawproject, open_rpp
from tests.server import HOST, Server
from tests.stemtool import stemtool

FORMATS = "dawproject,rpp,ardour"


def test_projects_come_back_as_stems_do(server: Server, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with server.client() as client:
        results = client.separate(
            [clip], folder, job="with-projects", options={"project": FORMATS, "label": "Take 1"}
        )
        fetched = tmp_path / "fetched.dawproject"
        client.download("with-projects", "dawproject", fetched)
    assert list(results) == ["vocals", "accompaniment", "dawproject", "rpp", "ardour"]
    assert results["ardour"] == folder / "Take 1/Take 1.ardour"
    assert fetched.read_bytes() == results["dawproject"].read_bytes()
    for name, read in {"dawproject": open_dawproject, "rpp": open_rpp}.items():
        assert [track.is_muted for track in read(results[name]).tracks] == [True, False, False]
    status = (folder / "status").read_text("utf-8").splitlines()
    assert f"project:rpp={folder / 'Take 1.rpp'}" in status
    assert sum(line.startswith("stem:") for line in status) == 2
    assert list(json.loads((folder / "outcome.json").read_bytes())["stems"]) == [
        "vocals", "accompaniment",
    ]  # fmt: skip


def test_stems_of_a_server_know_their_source(server: Server, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with server.client() as client:
        client.separate([clip], folder, start=1000, length=44_100)
    run = stemtool("project", folder, "--to", "rpp")
    assert run.returncode == 0, run.stderr
    assert f"original, muted: {clip}" in run.stdout
    original, *_ = open_rpp(folder / "out.rpp").tracks
    assert original.audio.shape == (2, 44_100)


def test_a_project_that_exists_or_is_unknown_is_refused(
    server: Server, clip: Path, tmp_path: Path
) -> None:
    folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "clip.rpp").write_text("mine")
    (folder / "clip").symlink_to(elsewhere)
    with server.client() as client:
        with pytest.raises(DawBridgeError, match=r"clip\.rpp exists"):
            client.separate([clip], folder, options={"project": "rpp"})
        with pytest.raises(ConfinementError, match="is a link"):
            client.separate([clip], folder, options={"project": "ardour", "overwrite": "1"})
        with pytest.raises(OptionError, match="There is no project format 'rap'"):
            client.separate([clip], folder, options={"project": "rap"})
    assert not list(elsewhere.iterdir())


def test_send_fetches_projects_too(server: Server, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fetched"
    run = stemtool(
        "send", clip, "-o", folder, "--to", f"{HOST}:{server.port}", "--upload",
        "--set", "project=dawproject",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in folder.iterdir()) == [
        "accompaniment.wav", "clip.dawproject", "vocals.wav",
    ]  # fmt: skip
    assert len(open_dawproject(folder / "clip.dawproject").tracks) == 3
