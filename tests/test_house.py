"""The maps that folders' docstrings are, and what tests may import of each other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import daw_bridge

ROOT = Path(daw_bridge.__file__).parent
TESTS = Path(__file__).parent
FOLDERS = [path.parent for path in sorted(ROOT.rglob("__init__.py")) if path.parent != ROOT]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_folder_maps_all_that_is_in_it(folder: Path) -> None:
    words = (
        ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    ).split()
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert (modules | folders) - set(words) == set()


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names of all that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_what_tests_and_generators_share_lies_in_modules_of_its_own() -> None:
    files = [*TESTS.rglob("*.py"), *TESTS.parent.glob("benchmarks/*.py")]
    wrong = [
        f"{path.relative_to(TESTS.parent)} imports {name}"
        for path in files
        for name in imports(path)
        if re.match(r"tests\.(.*\.)?(test_\w+|generate\w*)(\.|$)", name)
    ]
    assert len(files) > 100
    assert wrong == []
