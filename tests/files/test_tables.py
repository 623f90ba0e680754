from __future__ import annotations

from pathlib import Path

from daw_bridge.files.tables import read_tables, to_toml


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    content = {
        "name": 'a "quoted" \\ name, ünïcode, \x7f and \x00',
        "bands": {"11k": 1024},
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
    read = read_tables(path)
    assert read.pop("stems") == ["vocals", "other"]
    assert read.pop("none") == []
    stages = [{**stage, "parts": tuple(stage["parts"])} for stage in read.pop("stages")]
    assert {**read, "stages": stages} == {
        key: value for key, value in content.items() if key not in ("stems", "none")
    }
