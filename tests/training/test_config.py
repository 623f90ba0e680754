"""Configurations: what they say, and the one sentence for what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.errors import OptionError
from daw_bridge.training.config import TrainingConfig, read_config

CONFIG = """
name = "mine"
[data]
train = ["songs"]
[stems]
drums = ["drums", "percussion"]
bass = ["bass"]
[optimiser]
steps = 10
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "songs").mkdir()
    return tmp_path


def read(folder: Path, text: str = CONFIG, **overrides: object) -> TrainingConfig:
    path = folder / "mine.toml"
    path.write_text(text)
    return read_config(
        path, overrides={key.replace("__", "."): value for key, value in overrides.items()}
    )


def test_defaults_and_paths(folder: Path) -> None:
    config = read(folder, CONFIG + '[network]\nstart = "earlier/best.ckpt"\n')
    assert config.parts == ("drums", "bass")
    assert config.stems["drums"] == ("drums", "percussion")
    assert config.data.train == (str(folder / "songs"),)
    assert config.data.validation == ()
    assert config.output == str(folder / "run")
    assert config.network.start == str(folder / "earlier/best.ckpt")
    assert read(folder, network__start="spleeter-2stems").network.start == "spleeter-2stems"


def test_paths_become_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(folder)
    monkeypatch.chdir(folder)
    assert read_config(Path("mine.toml")).data.train == (str(folder / "songs"),)


def test_overrides_come_first(folder: Path) -> None:
    (folder / "other").mkdir()
    config = read(
        folder, data__train=[str(folder / "other")], optimiser__steps=3, output="elsewhere"
    )
    assert config.data.train == (str(folder / "other"),)
    assert config.optimiser.steps == 3
    assert config.output == str(folder / "elsewhere")


def test_one_stem_and_the_rest(folder: Path) -> None:
    one = CONFIG.replace('bass = ["bass"]', "")
    assert read(folder, one, network__rest="others").parts == ("drums", "others")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"mine"', '"mine', "cannot be read: "),
        ("steps =", "stepps =", "line 9, optimiser.stepps: is no key (did you mean 'steps'?)."),
        ("steps = 10", "", "line 8, optimiser.steps: is missing."),
        ("steps = 10", 'steps = "ten"', "line 9, optimiser.steps: expected `int`, got `str`"),
        ('train = ["songs"]', 'train = "songs"', "line 4, data.train: is a list, not `str`"),
        ('train = ["songs"]', "", "line 3, data.train: names no folder of songs"),
        ('["songs"]', '["song"]', "there is no data set .*song."),
        ('["songs"]', '["songs"]\nvalidation = ["x"]', "there is no data set .*x."),
        ('["songs"]', '["songs"]\nexcerpt_frames = 100', "multiple of 64"),
        ('drums = ["drums", "percussion"]\nbass = ["bass"]', "", "line 5, stems: names no stem"),
        ('bass = ["bass"]', "", "name it with network.rest."),
        (
            "steps = 10",
            'steps = 1\n[network]\nrest = "rest"',
            "line 11, network.rest: takes one stem, not 2.",
        ),
        (
            "steps = 10",
            'steps = 1\n[network]\nstart_stem = "vocals"',
            "line 11, network.start_stem: needs network.start.",
        ),
    ],
)
def test_what_cannot_be_gets_one_sentence(folder: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(OptionError) as raised:
        read(folder, CONFIG.replace(old, new))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{folder / 'mine.toml'}")
    assert line.endswith(".")
    for part in sentence.split(".*"):
        assert part in line


def test_a_missing_file_gets_one_sentence(folder: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        read_config(folder / "none.toml")
