"""The maps that folders' docstrings are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import daw_bridge

ROOT = Path(daw_bridge.__file__).parent
FOLDERS = [path.parent for path in sorted(ROOT.rglob("__init__.py")) if path.parent != ROOT]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_folder_maps_all_that_is_in_it(folder: Path) -> None:
    words = (
        ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    ).split()
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert (modules | folders) - set(words) == set()
