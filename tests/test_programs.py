"""Tests of what is missing are skipped, except where CI insists."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.programs import REQUIRE_VARIABLE, require, require_library


def test_a_program_that_is_here() -> None:
    assert require(sys.executable) == sys.executable


@pytest.mark.parametrize(
    ("insists", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_a_program_that_is_missing(
    insists: str, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(REQUIRE_VARIABLE, insists)
    with pytest.raises(outcome, match="apt-get install puredata-core"):
        require("pd")
    with pytest.raises(outcome, match="libnone is not installed"):
        require_library("libnone")
