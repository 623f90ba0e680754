"""What docstrings tell, of modules and of arrays' shapes; and what tests may import."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import daw_bridge

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(daw_bridge.__file__).parent
TESTS = Path(__file__).parent
FOLDERS = [path.parent for path in sorted(ROOT.rglob("__init__.py")) if path.parent != ROOT]
ARRAYS = re.compile(r"\b(NDArray|ndarray|ArrayLike|Tensor|Value)\b")
AXES = (
    "b bins channels elements features filters frames length rows samples sets songs sources stems"
    " time_frames windows"
)
SHAPE = re.compile(
    rf"any shape|\(…\)|\((?=[^()]*(?:…|(?:\b|_)(?:{AXES.replace(' ', '|')})\b))[^()]*,[^()]*\)"
)


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


@pytest.mark.parametrize(
    "module", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_docstrings_tell_the_shapes_of_arrays(module: Path) -> None:
    assert list(untold(ast.parse(module.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("source", "is_told"),
    [
        ("def f(x: NDArray[Any]): 'Mix.'", False),
        ("def f(x: NDArray[Any]): 'Mix (see annex 1, table 4).'", False),
        ("def f(x: NDArray[Any]): 'Mix (channels, frames).'", True),
        ("def f(x: Block) -> Block: 'Mix.'", True),
        ("Block = NDArray[np.float32]", False),
        ("Block: TypeAlias = NDArray[np.float32]\n'A block.'", False),
        ("Block: TypeAlias = NDArray[np.float32]\n'(channels, frames)'", True),
        ("class C:\n 'Mixes (b, …).'\n def f(self, x: Tensor): 'Mix.'", False),
        ("class C:\n 'Mixes (b, …).'\n def _f(self, x: Tensor): 'Mix.'", True),
        ("class C:\n x: np.ndarray", False),
        ("class C:\n x: np.ndarray\n 'Of any shape.'", True),
        ("if TYPE_CHECKING:\n Block = NDArray[np.float32]", False),
        ("def f():\n '(bins,)'\n def g(x: Value): 'Mix.'", True),
    ],
)
def test_what_tells_a_shape(source: str, is_told: bool) -> None:
    assert (not list(untold(ast.parse(source)))) is is_told


def untold(scope: ast.AST, outer: str = "") -> Iterator[str]:
    """Yield each function, attribute and alias of arrays whose shape no docstring tells.

    Aliases that tell it may stand for arrays anywhere. A private method may leave it to its class's
    docstring, and a nested function to the one of the function around it.
    """
    body: list[ast.stmt] = getattr(scope, "body", [])
    for statement, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        match statement:
            case ast.FunctionDef(name=name, args=args, returns=returns):
                told = ast.get_docstring(statement) or ""
                told += outer if name.startswith("_") or isinstance(scope, ast.FunctionDef) else ""
                named = f"{ast.unparse(args)} {ast.unparse(returns) if returns else ''}"
                yield from untold(statement, told)
            case ast.ClassDef():
                yield from untold(statement, ast.get_docstring(statement) or "")
                continue
            case ast.If():
                yield from untold(statement)
                continue
            case ast.AnnAssign() | ast.Assign() if not isinstance(scope, ast.FunctionDef):
                name, named = alias_or_attribute(statement)
                told = outer + (ast.unparse(after) if isinstance(after, ast.Expr) else "")
            case _:
                continue
        if ARRAYS.search(named) and not SHAPE.search(told):
            yield f"{name}, line {statement.lineno}"


def alias_or_attribute(statement: ast.AnnAssign | ast.Assign) -> tuple[str, str]:
    """Return the name that is assigned, and the type that it stands for or is of, if any."""
    if isinstance(statement, ast.Assign):
        name = ast.unparse(statement.targets[0])
        return name, ast.unparse(statement.value) if re.match("[A-Z][a-z]", name) else ""
    named = ast.unparse(statement.annotation)
    if named == "TypeAlias" and statement.value:
        named = ast.unparse(statement.value)
    return ast.unparse(statement.target), named


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
