"""What the server's file says, and that it keeps up with the models."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest

from daw_bridge.library.colours import colour_of
from daw_bridge.library.models import load_manifest, load_manifests
from daw_bridge.osc import announcement
from daw_bridge.osc.announcement import announce, describe_server
from daw_bridge.osc.settings import ServerSettings
from daw_bridge.serving.folders import Folders
from daw_bridge.weights.installing import weights_folder
from tests.server import wait_until


def lines(text: str) -> list[tuple[str, str]]:
    return [tuple(line.split("=", 1)) for line in text.splitlines()]  # type: ignore[misc]


def describe(home: Path, *roots: Path) -> str:
    settings = ServerSettings(roots=roots or (home,), state=home / "state", models=("htdemucs",))
    return describe_server(settings, Folders(settings.state, settings.shared), 1234)


def test_it_tells_where_what_is_and_how_it_looks(home: Path) -> None:
    inner, broken = home / "a=b", home / "two\nlines"
    for folder in (inner, broken):
        folder.mkdir()
    told = lines(describe(home, inner, broken, home))
    facts = dict(told)
    assert len(facts) == len(told)
    assert facts["port"] == "1234"
    assert facts["inbox"] == str(home / "state" / "inbox")
    assert {key: root for key, root in told if key.startswith("root:")} == {
        "root:1": str(inner), "root:3": str(home),
    }  # fmt: skip
    assert facts["fetch:htdemucs"] == "84"
    assert facts["fetch:d3net"] == ""
    models = [key.removeprefix("model:") for key, _ in told if key.startswith("model:")]
    missing = [key.removeprefix("fetch:") for key, _ in told if key.startswith("fetch:")]
    assert sorted(models) == sorted(each.name for each in load_manifests())
    assert models[0] == "htdemucs"
    assert models[1:] == [each for each in models if each not in missing] + missing[1:]
    stems = {stem for each in load_manifests() for stem in each.stems}
    assert {f"colour:{stem}": str(colour_of(stem)) for stem in stems}.items() <= facts.items()
    assert re.fullmatch("#[0-9A-F]{6}", facts["colour:vocals"])


def test_it_keeps_up_with_the_models(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcement, "_SECONDS_BETWEEN_LOOKS", 0.01)
    file = home / "state" / "server"
    folder = weights_folder(load_manifest("htdemucs"))

    async def fetch_and_remove() -> None:
        announcing = asyncio.create_task(announce(file.parent, partial(describe, home)))
        await asyncio.sleep(0.1)
        assert not file.exists()  # nothing has changed
        folder.mkdir(parents=True)
        await asyncio.to_thread(wait_until, file.exists)
        assert "fetch:htdemucs=" not in file.read_text("utf-8")
        folder.rmdir()
        await asyncio.to_thread(
            wait_until, lambda: "fetch:htdemucs=84\n" in file.read_text("utf-8")
        )
        announcing.cancel()

    (home / "state").mkdir()
    asyncio.run(asyncio.wait_for(fetch_and_remove(), 60))
