"""Which folders clients may name files in where nobody says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.errors import OptionError, OutputError
from daw_bridge.library.places import HOME_VARIABLE, state_folder
from daw_bridge.library.roots import add_root, listed_roots, usual_roots


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def test_folders_are_added_once_and_in_their_order(tmp_path: Path) -> None:
    assert usual_roots() == (Path.home(),)
    folders = [tmp_path / "b = ü", tmp_path / "a"]
    for folder in folders:
        folder.mkdir()
        add_root(folder)
    add_root(folders[0])
    assert listed_roots(state_folder()) == tuple(folders)
    folders[0].rmdir()  # a disk is unplugged
    assert usual_roots() == (Path.home(), folders[1])
    assert listed_roots(state_folder()) == tuple(folders)


def test_only_a_folder_can_be_added(tmp_path: Path) -> None:
    strange = tmp_path / "two\nlines"
    strange.mkdir()
    for path in (tmp_path / "missing", strange):
        with pytest.raises(OptionError, match="is no folder that a server could use"):
            add_root(path)
    assert listed_roots(state_folder()) == ()


def test_a_list_that_cannot_be_written(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    (home / "state").mkdir()
    (home / "state" / "roots").mkdir()
    with pytest.raises(OptionError, match="cannot be read"):
        listed_roots(state_folder())
    (home / "state" / "roots").rmdir()
    (home / "state").rmdir()
    (home / "state").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        add_root(tmp_path)
