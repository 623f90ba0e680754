"""What the README and the manual show runs, and what they point to is there."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import soundfile

from daw_bridge.library.catalogue import read_catalogue
from daw_bridge.library.models import read_manifest
from daw_bridge.rendering.layout import read_layout
from daw_bridge.rendering.preset import read_preset
from daw_bridge.training.config import read_config
from stemtool_cli.main import stemtool
from tests.conftest import make_noise

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PROGRAMS = r"(?:stemtool [a-z]|python -m benchmarks|pip install|scripts/)"
LINE = re.compile(rf"^(?:    |\$ |    \$ )({PROGRAMS}.*?)(?:  .*)?$", re.MULTILINE)
IN_TEXT = re.compile(rf"`({PROGRAMS}[^`]*)`")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)")
PATH = re.compile(
    r"\b(?<!/)(?:benchmarks|cli|daw_bridge|docs|models|presets|scripts|tests)/[\w./*-]*[\w*]"
)


def pages(pattern: str) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern))]


MANUAL = ["README.md", *pages("docs/*.md")]
PAGES = [*MANUAL, "CONTRIBUTING.md", "CHANGELOG.md", *pages("models/*/README.md")]
DECISIONS = pages("docs/decisions/*.md")


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options_of(command: click.Command) -> Iterator[click.Parameter]:
    """Yield the options of a command and of those in it."""
    yield from command.params
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from options_of(inner)


def names_of(option: click.Parameter) -> set[str]:
    return {*option.opts, *option.secondary_opts}


def understand(words: list[str]) -> None:
    """Parse a command, or raise what click says against it."""
    program, *words = words
    if program == "python":
        assert importlib.util.find_spec(words[1]), words[1]
    elif program == "pip":
        for extra in re.findall(r"\[(\w+)\]", words[1]):
            assert f"\n{extra} = [" in read("pyproject.toml")
    elif program != "stemtool":
        assert (ROOT / program).is_file()
    else:
        command: click.Command = stemtool
        while isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), words[0])
            assert inner is not None, words[0]
            command, (program, *words) = inner, words
            if not words:
                return
        command.make_context(program, [word for word in words if word != "--help"])


@pytest.fixture
def songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that examples read are in the working folder."""
    noise = make_noise(700_000)
    for name in ("song.flac", "set.wav"):
        soundfile.write(tmp_path / name, noise.samples.T, 44_100)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("network_path", "songs")
def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("README.md", "python")
    exec(example, {})
    shapes = re.findall(r"\('vocals', 'accompaniment'\) \(2, 2, (\d+)\)", capsys.readouterr().out)
    assert sum(map(int, shapes)) == 700_000


@pytest.mark.usefixtures("network_path", "songs")
@pytest.mark.parametrize("page", [page for page in MANUAL[1:] if blocks(page, "python")])
def test_python_examples_of_the_manual_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for example in blocks(page, "python"):
        exec(example, {})
        assert "('vocals',) (1, 2, " in capsys.readouterr().out


@pytest.fixture
def any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a command names need not be there, but for those that it reads at once."""
    monkeypatch.chdir(tmp_path)
    Path("token.txt").write_text("a token of any kind")
    monkeypatch.setattr(click.Path, "convert", lambda _, value, *__: Path(value))


def test_the_readme_is_short() -> None:
    readme = read("README.md")
    assert len(readme.splitlines()) <= 160
    assert len(LINE.findall(readme)) >= 8


def test_the_manual_has_an_index_of_its_pages() -> None:
    linked = {Path("docs") / target for target, _ in LINK.findall(read("docs/README.md"))}
    assert {Path(page) for page in MANUAL[1:]} - linked == {Path("docs/README.md")}


@pytest.mark.usefixtures("any_file")
@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_is_understood(page: str) -> None:
    for line in LINE.findall(read(page)):
        understand(shlex.split(line))


@pytest.mark.usefixtures("any_file")
@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_text_is_understood(page: str) -> None:
    for words in IN_TEXT.findall(read(page)):
        with suppress(click.MissingParameter):  # what matters least is left out there
            understand(shlex.split(words))


@pytest.mark.parametrize("page", PAGES)
def test_every_option_in_the_text_is_one(page: str) -> None:
    for option in re.findall(r"`(--\w[\w-]*)", read(page)):
        assert any(option in names_of(known) for known in options_of(stemtool)), option


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS])
def test_every_link_leads_somewhere(page: str) -> None:
    for target, anchor in LINK.findall(read(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), anchor


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS])
def test_every_path_and_module_is_there(page: str) -> None:
    for name in re.findall(r"`(daw_bridge(?:\.\w+)+)`", read(page)):
        pkgutil.resolve_name(name)
    for path in PATH.findall(re.sub(r"https?://\S+", "", read(page))):
        assert list(ROOT.glob(path)) or list((ROOT / "cli").glob(path)), path


@pytest.mark.parametrize(
    ("page", "text"), [(page, text) for page in MANUAL for text in blocks(page, "toml")]
)
def test_every_toml_file_is_read(page: str, text: str, tmp_path: Path) -> None:
    name = re.findall(r'^name = "(.+)"', text, re.MULTILINE) or ["example"]
    path = tmp_path / name[0] / f"{name[0]}.toml"
    for folder in ("", *re.findall(r'"(musdb18hq/\w+)"', text)):
        (path.parent / folder).mkdir(parents=True)
    path.write_text(text, "utf-8")
    if "\n[optimiser]" in text:
        assert read_config(path).name == name[0]
    elif "[[models]]" in text:
        assert read_catalogue(path).models[0].name == name[0]
    elif "\nkind = " in text:
        assert read_manifest(path).name == name[0]
    elif "\nlike = " in text:
        assert read_layout(path).name == name[0]
    else:
        assert read_preset(path).summary
