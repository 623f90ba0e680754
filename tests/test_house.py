"""The maps that folders' docstrings are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import daw_bridge

ROOT = Path(daw_bridge.__file__).parent
FOLDERS = [path.parent for path in sorted(ROOT.rglob("__init__.py")) if path.parent != ROOT]


def test_the_drawn_tree_has_every_folder_on_its_floor() -> None:
    checkout = Path(__file__).parent.parent
    page = (checkout / "docs/architecture.md").read_text("utf-8")
    project = (checkout / "pyproject.toml").read_text("utf-8")
    floors = page.split("```")[1].split("─\n")[1:]
    (contract,) = re.findall(r"^layers = \[$(.*?)^\]$", project, re.MULTILINE | re.DOTALL)
    layers = [set(re.findall(r"daw_bridge\.(\w+)", line)) for line in contract.splitlines()]
    assert [set(re.findall(r"^\w+", floor, re.MULTILINE)) for floor in floors] == [
        names for names in layers if names
    ]
    drawn, parent = set(), ""
    for indent, name in re.findall(r"^( *)(\w+)/ ", "\n".join(floors), re.MULTILINE):
        parent = parent if indent else name
        drawn.add(f"{parent}/{name}" if indent else name)
    assert drawn == {path.relative_to(ROOT).as_posix() for path in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_folder_maps_all_that_is_in_it(folder: Path) -> None:
    words = (
        ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    ).split()
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert (modules | folders) - set(words) == set()
