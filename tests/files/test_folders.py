"""What is written and removed lies below its home, whatever names and links say."""

from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.errors import OutputError
from daw_bridge.files.folders import check_below, locked, staged


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's outside of the home."""
    path = tmp_path / "precious" / "thesis.txt"
    path.parent.mkdir()
    path.write_text("years of work")
    return path


def test_a_folder_is_replaced_when_the_new_one_is_whole(home: Path) -> None:
    folder = home / "weights" / "mine"
    for content in ("old", "new"):
        with locked(folder, home), staged(folder, home) as staging:
            (staging / "network").write_text(content)
    assert [path.name for path in folder.iterdir()] == ["network"]
    assert (folder / "network").read_text() == "new"
    with pytest.raises(RuntimeError), staged(folder, home) as staging:  # noqa: PT012
        (staging / "network").write_text("half")
        raise RuntimeError
    assert (folder / "network").read_text() == "new"


@pytest.mark.parametrize("name", ["../precious", "a/../../precious", ".", "a/.."])
def test_a_name_cannot_lead_out_of_the_home(name: str, home: Path, precious: Path) -> None:
    for hold in (staged, locked):
        with pytest.raises(OutputError, match="leads out of"), hold(home / name, home):
            pass
    assert precious.read_text() == "years of work"
    assert not list(home.iterdir())


def test_a_link_cannot_lead_out_of_the_home(home: Path, precious: Path) -> None:
    (home / "weights").symlink_to(precious.parent.parent)
    (home / "model").symlink_to(precious.parent)
    for folder in (home / "weights" / "precious", home / "model"):
        for hold in (staged, locked):
            with pytest.raises(OutputError, match="remove the link"), hold(folder, home):
                pass
    assert [path.name for path in precious.parent.iterdir()] == ["thesis.txt"]
    assert len(list(precious.parent.parent.iterdir())) == 2


def test_a_link_that_comes_meanwhile_is_not_followed(home: Path, precious: Path) -> None:
    folder = home / "model"
    with pytest.raises(OutputError, match="leads out of"), staged(folder, home):
        folder.symlink_to(precious.parent)
    assert precious.read_text() == "years of work"


def test_a_home_may_be_a_link(home: Path, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(home)
    with staged(tmp_path / "here" / "a", tmp_path / "here"):
        pass
    assert (home / "a").is_dir()


def test_links_in_a_ring_lead_nowhere(home: Path) -> None:
    (home / "a").symlink_to(home / "b")
    (home / "b").symlink_to(home / "a")
    with pytest.raises(OutputError):
        check_below(home / "a" / "c", home)
