from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from daw_bridge.errors import PresetError
from daw_bridge.rendering.preset import (
    Preset,
    StemSettings,
    combine,
    load_preset,
    load_presets,
    read_amounts,
    read_chain,
    read_preset,
    say,
    say_in_words,
)

WHOLE = """\
summary = "All of it."
solo = ["vocals", "drums"]
pitch_semitones = -2
tempo = 1.5
lufs = -14
true_peak_db = -2
bus = [{ effect = "Gain", gain_db = 1 }]

[stems.vocals]
gain_db = -3
pan = 20
width = 50
mute = false
chain = [
    { effect = "Reverb", room_size = 0.2 },
    { effect = "LadderFilter", mode = "HPF24" },
]

[rest]
mute = true
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


def test_all_that_can_be_said(tmp_path: Path) -> None:
    preset = read_preset(write(tmp_path, WHOLE))
    assert (preset.name, preset.summary) == ("mine", "All of it.")
    assert preset.solo == ("vocals", "drums")
    assert (preset.pitch_semitones, preset.tempo, preset.lufs) == (-2, 1.5, -14)
    assert [effect.name for effect in preset.bus] == ["Gain"]
    vocals = preset.settings("vocals")
    assert (vocals.gain_db, vocals.pan, vocals.width, vocals.mute) == (-3, 20, 50, False)
    assert [effect.name for effect in vocals.chain] == ["Reverb", "LadderFilter"]
    assert preset.settings("drums").mute
    assert preset.ceiling_db == -2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sumary = 'x'", "line 1, sumary: is no key .did you mean 'summary'"),
        ("\n\ntempo = 9", "line 3, tempo: expected `float` <= 4.0"),
        ("tempo = 'fast'", "line 1, tempo: expected `float`, got `str`"),
        ("name = 'x'", "line 1, name: is that of the file"),
        ("[stems.vocals]\ngain = 3", "line 2, stems.vocals.gain: is no key .*'gain_db'"),
        ("[stems.vocals]\nbus = []", "line 2, stems.vocals.bus: is no key"),
        ("[stems.vocals]\n[rest]\npan = 101", "line 3, rest.pan"),
        ("stems = 3", "line 1, stems: is a table"),
        ("stems.vocals = 3", "line 1, stems.vocals: is a table"),
        ("rest = []", "line 1, rest: is a table"),
        ("bus = 'x'", "line 1, bus: is a list"),
        ("bus = [3]", "line 1, bus.1.: an effect says"),
        (
            'bus = [\n  { effect = "Gain" },\n  { effect = "Gian" },\n]',
            "line 3, bus.2..effect: there is no effect 'Gian' .did you mean 'Gain'",
        ),
        (
            '[[rest.chain]]\neffect = "Gain"\n[[rest.chain]]\neffect = "Reverb"\nroom_size = 7',
            "line 5, rest.chain.2..room_size: .*between 0.0 and 1.0",
        ),
        ('bus = [{ plugin = "../x.vst3" }]', "line 1, bus.1..plugin: .*leads out"),
        ("tempo = = 1", "is no TOML: .*line 1"),
        ("tempo = nan", "line 1, tempo: is a finite number, not nan"),
        ("\n[stems.vocals]\ngain_db = -inf", "line 3, stems.vocals.gain_db: is a finite number"),
        ("bus = [{ plugin = 'x.vst3', drive = 1e999 }]", "line 1, bus.1..drive: is a finite"),
        ("tempo = 99999999999999999999", "line 1, tempo: is an integer of more than 64 bits"),
        ('summary = "a\\nb"', "line 1, summary: is one line"),
        (f"summary = '{'x' * 501}'", "line 1, summary: has at most 500 characters"),
        ("".join(f"stems.s{number}.pan = 1\n" for number in range(65)), "stems: has at most 64"),
        (f"bus = [{'{}, ' * 257}]", "line 1, bus: there are more than 256 effects by here"),
    ],
)
def test_flaws_are_named_with_line_and_key(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=rf"mine\.toml.*{sentence}"):
        read_preset(write(tmp_path, text))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"none\.toml cannot be read: No such file"):
        load_preset(str(tmp_path / "none.toml"))
    with pytest.raises(PresetError, match="cannot be read"):
        read_preset(tmp_path)
    with pytest.raises(PresetError, match="did you mean 'karaoke'"):
        load_preset("karaoe")


def test_a_chain_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, 'chain = [{ effect = "Gain" }]')
    assert [effect.name for effect in read_chain(path)] == ["Gain"]
    with pytest.raises(PresetError, match="line 1, chains: is no key"):
        read_chain(write(tmp_path, "chains = []"))


def test_ones_own_presets_come_first(home: Path) -> None:
    folder = home / "presets" / "effects"
    folder.mkdir(parents=True)
    write(folder, "summary = 'Mine.'", "karaoke")
    write(folder, "summary = 'New.'", "new")
    assert load_preset("karaoke").summary == "Mine."
    assert "new" in [preset.name for preset in load_presets()]


def test_presets_work_one_after_the_other() -> None:
    first = Preset(
        name="a", stems={"vocals": StemSettings(gain_db=3, pan=10)}, tempo=2, lufs=-20,
        rest=StemSettings(gain_db=1),
    )  # fmt: skip
    second = Preset(name="b", stems={"drums": StemSettings(gain_db=2)}, tempo=0.5, lufs=-14)
    both = combine([first, second])
    assert both.name == "a + b"
    assert (both.tempo, both.lufs) == (1, -14)
    gains = [both.settings(stem).gain_db for stem in ("vocals", "drums", "bass")]
    assert gains == [3, 3, 1]
    assert both.settings("vocals").pan == 10
    assert combine([]) == Preset()


def test_what_does_not_fit_the_stems() -> None:
    stems = ("vocals", "accompaniment")
    with pytest.raises(PresetError, match="Preset drumless needs a stem 'drums'"):
        load_preset("drumless").check(stems)
    with pytest.raises(PresetError, match="did you mean 'vocals'"):
        say({"vocal": {"gain_db": 1}}).check(stems)
    with pytest.raises(PresetError, match="mutes every stem"):
        say({stem: {"mute": True} for stem in stems}).check(stems)
    with pytest.raises(PresetError, match="is mono"):
        load_preset("wide").check(stems, channels=1)
    load_preset("karaoke").check(stems, channels=1)
    with pytest.raises(PresetError, match=r"tempo by 6\.25"):
        combine([say({}, tempo=2.5)] * 2).check(stems)


def test_words() -> None:
    assert read_amounts("vocals=-6dB, other = 30 %") == {"vocals": -6, "other": 30}
    for text in ("vocals", "vocals=", "vocals=loud", "=3dB3"):
        with pytest.raises(PresetError, match="as in vocals=-6"):
            read_amounts(text)
    preset = say_in_words(gain="vocals=-6dB", pan="vocals=-30", width="", mute=["bass"], tempo=None)
    assert preset.settings("vocals") == StemSettings(gain_db=-6, pan=-30)
    assert preset.settings("bass").mute
    with pytest.raises(PresetError, match="vocals gain_db: expected"):
        say_in_words(gain="vocals=99", pan="", width="", mute=[])


def test_a_broken_preset_spoils_no_other(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = home / "presets" / "effects"
    folder.mkdir(parents=True)
    broken = write(folder, "sumary = 'x'", "broken")
    names = [preset.name for preset in load_presets()]
    assert "karaoke" in names
    assert "broken" not in names
    assert f"{broken}, line 1, sumary: is no key" in caplog.text
    with pytest.raises(PresetError, match="is no key"):
        load_preset("broken")


def test_presets_after_each_other_are_few() -> None:
    with pytest.raises(PresetError, match="32 presets after each other"):
        combine(itertools.repeat(Preset()))
