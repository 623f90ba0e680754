"""docs/security.md and the tests of its promises are held together."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")


def promised_in(path: Path) -> set[str]:
    """Return the tests in a file, as the page names them."""
    name = path.relative_to(ROOT / "tests")
    tree = ast.parse(path.read_text("utf-8"))
    functions = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return {f"{name.as_posix()}::{name_}" for name_ in functions if name_.startswith("test_")}


def test_each_promise_has_its_tests_and_each_attack_its_promise() -> None:
    named = set(re.findall(r"`([\w/]+\.py::test_\w+)`", PAGE))
    files = {ROOT / "tests" / test.partition("::")[0] for test in named}
    assert named - set().union(*map(promised_in, files)) == set()
    attacks = set().union(*map(promised_in, Path(__file__).parent.glob("test_*.py")))
    assert attacks - named == promised_in(Path(__file__))
