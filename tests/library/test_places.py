from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daw_bridge.errors import ModelError, PresetError
from daw_bridge.library.places import (
    find_layout,
    find_layouts,
    find_model,
    find_models,
    find_preset,
    find_presets,
    read_summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("find", "name", "kind", "sentence"),
    [
        (
            find_model, "spleeter-2stem", ModelError,
            "There is no model 'spleeter-2stem' (did you mean 'spleeter-2stems'?);"
            " `stemtool models list --available` shows the {} there are.",
        ),
        (
            find_preset, "karaoe", PresetError,
            "There is no preset 'karaoe' (did you mean 'karaoke'?);"
            " `stemtool presets list` shows the {} there are.",
        ),
        (
            find_layout, "5.2", PresetError,
            "There is no layout '5.2' (did you mean '5.1'?); there are {}, and yours go into {}.",
        ),
    ],
)  # fmt: skip
def test_what_is_not_there_gets_a_sentence_of_its_own(
    find: Callable[[str], Path], name: str, kind: type[Exception], sentence: str, home: Path
) -> None:
    details: tuple[object, ...] = (", ".join(find_layouts()), home / "presets" / "layouts")
    if find != find_layout:
        details = (len(find_models() if find == find_model else find_presets()),)
    with pytest.raises(kind) as raised:
        find(name)
    assert str(raised.value) == sentence.format(*details)


def test_each_kind_has_a_folder_of_its_own(home: Path) -> None:
    folders = {"models/mine": "manifest.toml", "presets/effects": "mine.toml"}
    folders["presets/layouts"] = "mine.toml"
    for folder, name in folders.items():
        (home / folder).mkdir(parents=True)
        (home / folder / name).write_text("", "utf-8")
    assert [find("mine") for find in (find_model, find_preset, find_layout)] == [
        home / folder / name for folder, name in folders.items()
    ]
    for found in (find_models(), find_presets(), find_layouts()):
        assert list(found) == sorted(found)


def test_a_summary_is_read_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert read_summary(path) == ""
    for text, summary in (("summary = 'So.'", "So."), ("summary = ", ""), ("name = 'x'", "")):
        path.write_text(text, "utf-8")
        assert read_summary(path) == summary
