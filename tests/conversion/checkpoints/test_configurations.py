"""Configurations are plain values, whatever a file says they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daw_bridge.conversion.checkpoints.configurations import read_configuration
from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


def test_yaml_with_tuples_of_python_is_read(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("model:\n  bands: !!python/tuple\n    - 2\n    - 4\n  rate: 1.0e-05\n", "utf-8")
    assert read_configuration(file) == {"model": {"bands": [2, 4], "rate": 1e-5}}


def test_json_is_read(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text('{\n\t"compensate": 1.035, "primary_stem": "Vocals"\n}', "utf-8")
    assert read_configuration(file) == {"compensate": 1.035, "primary_stem": "Vocals"}


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['true']\n",
        "a: !!python/name:os.system\n",
        "a: &a [x, x]\nb: [*a, *a]\n",
        "a: [1\n",
        "- 1\n- 2\n",
        "1: 2\n",
        "",
        "[" * 100_000,
        "a: " + "9" * 2**20 + "0",
    ],
    ids=["call", "name", "alias", "cut", "list", "number", "empty", "deep", "long"],
)
def test_anything_else_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(OptionError, match=r"model\.yaml (is no|cannot)[^\n]*\.$"):
        read_configuration(file)
