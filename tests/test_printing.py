"""What strangers wrote does nothing where it is printed."""

from __future__ import annotations

import io
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_bridge.printing import LineFormatter, is_printable, printable


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Für Elise – 東京 🎸 \\ ‍", "Für Elise – 東京 🎸 \\ ‍"),  # noqa: RUF001
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x9b31m\x7f", r"\x1b[2J\x9b31m\x7f"),
        ("gpj.\u202e3pm", r"gpj.\u202e3pm"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\ufeffa\U000e0041", r"\ufeffa\U000e0041"),
        ("\udcff", "\udcff"),
    ],
)
def test_only_what_does_something_is_escaped(text: str, printed: str) -> None:
    assert printable(text) == printed
    assert is_printable(text) is (text == printed)


@given(st.text())
def test_any_text_becomes_one_line(text: str) -> None:
    line = printable(text)
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for each in line)
    assert not any(unicodedata.bidirectional(each) in OVERRIDES for each in line)
    assert printable(line) == line


OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_a_log_has_a_line_for_each_record() -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(LineFormatter("stemtool: %(message)s"))
    logger = logging.getLogger("tests.printing")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("%s is no audio", "a\x1b[2J\nstemtool: all is well")
    assert said.getvalue() == "stemtool: a\\x1b[2J\\nstemtool: all is well is no audio\n"
