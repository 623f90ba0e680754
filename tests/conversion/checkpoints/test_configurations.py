"""Configurations are plain values, whatever a file says they are."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from daw_bridge.conversion.checkpoints.configurations import (
    read_configuration,
    read_configuration_of,
)
from daw_bridge.errors import OptionError

if TYPE_CHECKING:
    import hashlib
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


def test_a_table_of_all_models_tells_of_one_by_its_last_10_mb(tmp_path: Path) -> None:
    checkpoint, table = tmp_path / "net.onnx", tmp_path / "model_data.json"
    checkpoint.write_bytes(b"begin" + bytes(10_000 * 1024))
    key = hashlib.md5(bytes(10_000 * 1024)).hexdigest()
    table.write_text(json.dumps({key: {"primary_stem": "Bass"}, "0" * 32: {}}), "utf-8")
    assert read_configuration_of(checkpoint, table) == {"primary_stem": "Bass"}
    checkpoint.write_bytes(b"small")
    with pytest.raises(OptionError, match=hashlib.md5(b"small").hexdigest()):
        read_configuration_of(checkpoint, table)


def test_a_configuration_of_one_model_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text('{"primary_stem": "Bass"}', "utf-8")
    assert read_configuration_of(tmp_path / "net.onnx", tmp_path / "net.json") == {
        "primary_stem": "Bass"
    }
