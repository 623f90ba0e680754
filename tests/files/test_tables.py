from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daw_bridge.errors import DawBridgeError, ManifestError, OptionError, PresetError
from daw_bridge.files.flaws import FlawError
from daw_bridge.files.tables import open_toml, to_toml
from daw_bridge.library.models import read_manifest
from daw_bridge.rendering.layout import read_layout
from daw_bridge.rendering.preset import read_preset
from daw_bridge.training.config import read_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    content = {
        "name": 'a "quoted" \\ name, ünïcode, \x7f and \x00',
        "bands": {"11k": 1024, "no echo": 1, "vocals.lead": 2, 'a "b"': 3},
        "share": 0.5,
        "stems": ("vocals", "other"),
        "none": (),
        "stages": [
            {"parts": ("a", "b"), "network": {"file": "n.onnx", "sha256": "0"}},
            {"parts": ("c", "d"), "model": "m"},
        ],
    }
    path = tmp_path / "table.toml"
    path.write_text(to_toml(content), "utf-8")
    with open_toml(path, OptionError) as read:
        pass
    assert read.pop("stems") == ["vocals", "other"]
    assert read.pop("none") == []
    stages = [{**stage, "parts": tuple(stage["parts"])} for stage in read.pop("stages")]
    assert {**read, "stages": stages} == {
        key: value for key, value in content.items() if key not in ("stems", "none")
    }


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is parsed meanwhile."""
    texts: list[str] = []
    parse = tomllib.loads

    def loads(text: str) -> dict[str, Any]:
        texts.append(text)
        return parse(text)

    monkeypatch.setattr(tomllib, "loads", loads)
    return texts


@pytest.mark.parametrize("size", [0, 20_000])
@pytest.mark.parametrize(
    ("read", "kind", "filler", "text", "place", "meant"),
    [
        (
            read_manifest, ManifestError, "# [[sources]]\n\n",
            "[transform]\nhop_sampels = 3", "transform.hop_sampels", "hop_samples",
        ),
        (
            read_preset, PresetError, "# [stems.filler{}]\n\n",
            "[stems.vocals]\ngain_bd = 3", "stems.vocals.gain_bd", "gain_db",
        ),
        (
            read_layout, PresetError, "# [stems.filler{}]\n\n",
            "[stems.vocals]\ncentre = 1", "stems.vocals.centre", "center",
        ),
        (
            read_config, OptionError, "stems.filler{} = [\n'a']\n",
            "[data]\nworker = 3", "data.worker", "workers",
        ),
    ],
)  # fmt: skip
def test_a_flaw_is_told_with_line_key_and_what_was_meant_after_one_parse(
    read: Callable[[Path], object],
    kind: type[DawBridgeError],
    filler: str,
    text: str,
    place: str,
    meant: str,
    size: int,
    parsed: list[str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.toml"
    head = "kind = 'magnitude'\n" if read is read_manifest else "\n"
    path.write_text(head + "".join(map(filler.format, range(size // 2))) + text, "utf-8")
    with pytest.raises(kind) as raised:
        read(path)
    hint = f"is no key (did you mean '{meant}'?)"
    assert str(raised.value) == f"{path}, line {size + 3}, {place}: {hint}."
    assert len(parsed) == 1


TOO_DEEP = " cannot be read: it nests more than 32 tables, or 8 in one key."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = ", " cannot be read: it is no TOML: Invalid value (at end of document)."),
        (
            "a = " + "[" * 3000 + "]" * 3000,
            " cannot be read: it nests more than 32 tables, or 8 in one key.",
        ),
        (
            "a" + ".a" * 3000 + " = 1",
            " cannot be read: it nests more than 32 tables, or 8 in one key.",
        ),
        ("a = " + "9" * 5000, " cannot be read: it is no TOML: Exceeds the limit"),
        ("a = 1", ": its parts do not fit."),
        ("\na.b = 1", ", line 2, a.b: is odd."),
    ],
)
def test_what_is_wrong_is_told_as_the_callers_error(
    text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(PresetError) as raised, open_toml(path, PresetError) as read:  # noqa: PT012
        if read["a"] == 1:
            raise ValueError("its parts do not fit")
        raise FlawError("is odd", "a", "b")
    assert str(raised.value).startswith(f"{path}{sentence}")


def test_what_is_no_file_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        with pytest.raises(OptionError, match=f"{path.name} cannot be read: {reason}"):
            read_config(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 50_000, "it nests more than"),
        ("a = " + "{a = " * 50_000, "it nests more than"),
        ("a" + ".a" * 100_000 + " = 1", "it nests more than"),
        ("[a" + ".a" * 100_000 + "]", "it nests more than"),
        ("[a.a.a.a.a.a.a]\nb" + ".b" * 7 + " = " + "[" * 30 + "]" * 30, "it nests more than"),
        ("a = [" + "1, " * 50_000 + "]", "it has more than 50000 values"),
        (
            "".join(f"k{number} = 1\n" for number in range(1_000_000)),
            "it has more than 524,288 bytes",
        ),
        ('x = """' + '\\"""' * 100_000, "it is no TOML"),
        ("x = '''" + '"""' * 100_000, "it is no TOML"),
        ('x = "aaaa\n' * 40_000, "it is no TOML"),
        ('"\\"' * 150_000, "it is no TOML"),
        ("a = " + "9" * 100_000, "it is no TOML"),
    ],
)
def test_a_text_of_a_stranger_is_refused_soon(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    began = time.monotonic()
    with pytest.raises(PresetError, match=rf"cannot be read: {reason}") as raised:
        read_preset(path)
    assert time.monotonic() - began < 20
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("x" * 400_000 + " = 1", "line 1, xxx"),
        ("bus = [{ effect = '" + "x" * 400_000 + "' }]", r"line 1, bus\[1\].effect: there is no"),
        ('"a - at `$.x[...]`" = 1', "line 1, .*: is no key"),
        ('"a - at `$.x[...]" = 1', "unknown field"),
        (
            "stems = {" + ", ".join(f"s{n} = {{}}" for n in range(10_000)) + "}",
            "line 1, stems: has",
        ),
    ],
)
def test_what_a_stranger_says_is_told_in_brief(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(PresetError, match=rf"mine\.toml.*{place}") as raised:
        read_preset(path)
    assert len(str(raised.value)) < 2000


def test_what_looks_like_marks_in_texts_and_comments_is_none(tmp_path: Path) -> None:
    text = "x = '''" + "[,=.'\"" * 50_000 + "'''\n# " + "[[.," * 20_000 + "\n"
    text += 'y = "' + "[,=.'" * 10_000 + '\\""\n' + "z = '\"[[' # '''\n"
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with open_toml(path, OptionError) as tables:
        assert list(tables) == ["x", "y", "z"]
