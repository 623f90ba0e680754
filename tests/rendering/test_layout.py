from __future__ import annotations

from pathlib import Path

import pytest

from daw_bridge.errors import OptionError, PresetError
from daw_bridge.files.speakers import mask_of
from daw_bridge.library.places import find_layouts
from daw_bridge.rendering.layout import Lfe, change_layout, load_layout, load_layouts, read_layout

MASKS = {"5.1": 0x60F, "5.1-back": 0x3F, "7.1": 0x63F, "5.0": 0x607, "quad": 0x33}


def test_layouts_that_ship_are_the_standard_ones() -> None:
    assert set(MASKS) <= set(find_layouts())
    for name, mask in MASKS.items():
        layout = load_layout(name)
        assert mask_of(layout.speakers) == mask
        assert layout.summary
        assert layout.placement("vocals").center > layout.placement("guitar").center
        assert layout.stems == load_layout("5.1").stems


def test_a_users_layout_goes_before_one_that_ships(home: Path) -> None:
    folder = home / "presets" / "layouts"
    folder.mkdir(parents=True)
    text = 'name = "{}"\nsummary = "s"\nlike = "{}"\nchannels = ["L", "R", "C"]\n'
    for name, like in (("mine", "5.1-back"), ("5.0", "5.1")):
        (folder / f"{name}.toml").write_text(text.format(name, like))
    assert load_layout("mine").channels == load_layout("5.0").channels == ("L", "R", "C")
    with pytest.raises(PresetError, match="did you mean 'mine'"):
        load_layout("mein")
    (folder / "mine.toml").write_text(text.format("mine", "5.1").replace("channels", "chanels"))
    with pytest.raises(PresetError, match=r"line 4, chanels: is no key .did you mean 'channels'"):
        load_layout("mine")
    (folder / "5.0.toml").write_text(text.format("5.0", "5.1").replace('"C"', '"Top"'))
    (folder / "mine.toml").write_text(text.format("mine", "5.0"))
    with pytest.raises(PresetError, match=r"5\.0\.toml, line 4, channels.3.: there is no 'Top'"):
        load_layout("mine")
    (folder / "mine.toml").write_text(text.format("mine", "mine"))
    with pytest.raises(PresetError, match="like itself"):
        load_layout("mine")


@pytest.mark.parametrize("name", ["../layouts/5.1", "/etc/passwd", "", "6.1"])
def test_a_name_cannot_lead_out_of_the_folder(name: str) -> None:
    with pytest.raises(PresetError, match="There is no layout"):
        load_layout(name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("name =", "title ="), "line 1, title: is no key"),
        (('"5.1"', '"5.2"'), "not the name of its file"),
        (("center = 1", "center = 1.5"), "<= 1.0"),
        (
            ("center =", "centre ="),
            "line 17, stems.vocals.centre: is no key (did you mean 'center'?",
        ),
        (("surround_db = 6", "surround_db = 30"), "<= 20.0"),
        (('"L", "R"', '"R", "L"'), "in the order L, R, C"),
        (('"Ls", "Rs"', '"Ls"'), "in pairs"),
        (('"L", "R", "C", "LFE", "Ls", "Rs"', '"C", "LFE", "Ls", "Rs"'), "L and R among them"),
        ((', "C", "LFE", "Ls", "Rs"', ""), "L and R are stereo"),
        (('"Rs"', '"Top"'), "line 3, channels[6]: there is no 'Top'"),
        (("[stems.default]", "[stems.rest]"), "default"),
        (("summary =", "lik = '5.0'\nsummary ="), "line 2, lik: is no key (did you mean 'like'?)."),
        (("[lfe]", "[lfe"), "cannot be read"),
        (("crossover_hz = 100", "crossover_hz = 900"), "<= 200.0"),
    ],
)
def test_what_breaks_the_rules(change: tuple[str, str], sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "5.1.toml"
    path.write_text(find_layouts()["5.1"].read_text("utf-8").replace(*change, 1), "utf-8")
    with pytest.raises(PresetError) as error:
        read_layout(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)


def test_wishes_change_what_is_placed_there_at_all() -> None:
    layout = change_layout(
        load_layout("5.1"), center_width=0.5, surround_change_db=-3, lfe="80Hz@-6dB"
    )
    assert layout.placement("vocals").center == 0.5
    assert layout.placement("other").center == 0
    assert layout.placement("other").surround_db == 3
    assert layout.placement("bass").surround_db is None
    assert layout.lfe == Lfe(crossover_hz=80, gain_db=-6)
    assert change_layout(layout, lfe="none").lfe is None
    assert change_layout(layout) == layout


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"center_width": 1.1}, "from 0 to 1"),
        ({"center_width": float("nan")}, "from 0 to 1"),
        ({"surround_change_db": 21}, "-60 to 20 dB"),
        ({"lfe": "100"}, "HZ@dB"),
        ({"lfe": "1.2.3@-1"}, "cannot be"),
        ({"lfe": "5@0"}, ">= 40"),
        ({"lfe": "100@3"}, "<= 0"),
    ],
)
def test_wishes_out_of_range(wish: dict[str, object], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        change_layout(load_layout("5.1"), **wish)  # type: ignore[arg-type]


def test_a_broken_layout_spoils_no_other(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = home / "presets" / "layouts"
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text("[[[[")
    assert [layout.name for layout in load_layouts()] == ["5.0", "5.1", "5.1-back", "7.1", "quad"]
    assert "broken.toml cannot be read" in caplog.text


def test_layouts_are_like_each_other_over_few_files(home: Path) -> None:
    folder = home / "presets" / "layouts"
    folder.mkdir(parents=True)
    for number in range(500):
        text = f'name = "l{number}"\nlike = "l{number + 1}"\n'
        (folder / f"l{number}.toml").write_text(text)
    with pytest.raises(PresetError, match="layouts are like others over 8 files, no more"):
        load_layout("l0")
