from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from daw_bridge.bounds import (
    MAX_FRAMES,
    MAX_NAME_LENGTH,
    MAX_NAMES,
    MAX_OPTIONS_LENGTH,
    MAX_OVERLAP,
    MAX_PRESETS,
    MAX_SHIFTS,
    MAX_SOURCES,
    MAX_TEXT_LENGTH,
    MAX_TRACK,
    MAX_WIENER_ITERATIONS,
)
from daw_bridge.errors import OptionError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.requests import (
    Choices,
    Excerpt,
    RemixChoices,
    SeparateChoices,
    UpmixChoices,
)
from daw_bridge.library.manifest import ModelManifest
from daw_bridge.rendering.layout import load_layout
from daw_bridge.rendering.preset import (
    GainDb,
    Lufs,
    Pan,
    Preset,
    Semitones,
    Tempo,
    TruePeakDb,
    Width,
    load_preset,
)

PAGE = (Path(__file__).parents[2] / "docs" / "osc.md").read_text("utf-8")
OPTIONS_OF_THE_PROTOCOL = {"reply", "on_done"}

OUT = Path("/out")
PART = Excerpt((Path("/mix.wav"),), 3, 7)


def test_words_become_a_job() -> None:
    words = {
        "format": "flac", "bits": "16", "stems": "vocals, accompaniment", "overlap": "0.25",
        "wiener": "2", "shifts": "3", "downmix": "1", "residual": "true", "label": "L/R: é",
        "bandwidth": "16k",
    }  # fmt: skip
    job = SeparateChoices.parse(words).job(PART, OUT)
    assert job.options.stems == ("vocals", "accompaniment")
    assert job.options.overlap == 0.25
    assert job.options.shifts == 3
    assert job.options.wiener_iterations == 2
    assert job.options.bandwidth == "16k"
    assert job.options.downmix
    assert job.residual
    assert not job.overwrite
    assert job.output_format == OutputFormat("flac", "16")
    assert (job.start, job.length) == (3, 7)
    assert job.track == "L_R_ é"
    spleeter = SeparateChoices.parse({"compat": "spleeter"})
    assert spleeter.options().extension == "zeros"
    assert SeparateChoices(compat="spleeter", extension="ratio").options().extension == "ratio"


def test_all_but_some_is_in_place_of_stems() -> None:
    job = SeparateChoices.parse({"minus": "drums, bass"}).job(PART, OUT)
    assert job.complement
    assert job.options.stems == job.asked_stems == ("drums", "bass")
    for other in ({"stems": "vocals"}, {"residual": "1"}):
        with pytest.raises(OptionError, match="minus writes one stem"):
            SeparateChoices.parse({"minus": "drums", **other})
    for kind in (RemixChoices, UpmixChoices):
        with pytest.raises(OptionError, match="no option 'minus'"):
            kind.parse({"minus": "drums"})


def test_words_become_a_remix() -> None:
    words = {
        "format": "flac", "preset": "karaoke, vocal-up", "gain": "vocals=2", "pan": "vocals=-30",
        "solo": "vocals", "pitch": "-1", "tempo": "0.5", "lufs": "-16", "true_peak": "-2",
        "keep_stems": "1", "label": "Mix 1",
    }  # fmt: skip
    job = RemixChoices.parse(words).job(PART, OUT)
    assert job.output == OUT / "Mix 1 – remix.flac"  # noqa: RUF001
    assert job.kept_folder == OUT
    vocals = job.preset.settings("vocals")
    assert (vocals.gain_db, vocals.pan) == (-30 + 4 + 2, -30)
    assert job.preset.settings("accompaniment").mute
    assert (job.preset.pitch_semitones, job.preset.tempo) == (-1, 0.5)
    assert (job.preset.lufs, job.preset.true_peak_db) == (-16, -2)
    assert (job.start, job.length) == (3, 7)


def test_words_become_an_upmix() -> None:
    words = {"layout": "7.1", "center_width": "0.5", "stems": "/stems", "format": "flac"}
    job = UpmixChoices.parse(words).job(PART, OUT)
    assert job.output == OUT / "7.1.flac"
    assert job.layout.channels == load_layout("7.1").channels
    assert job.layout.placement("vocals").center == 0.5
    assert job.stems_folder == Path("/stems")
    assert (job.start, job.length) == (3, 7)
    named = UpmixChoices(label="a/b", output="channels").job(PART, OUT)
    assert (named.output, named.parts, named.layout.name) == (OUT / "a_b", "channels", "5.1")


def test_objects_and_text_are_the_same_words() -> None:
    text = {"stems": "a,b", "wiener": "1", "downmix": "1", "bits": "16"}
    said = SeparateChoices(stems=("a", "b"), wiener_iterations=1, downmix=True, bits="16")
    assert SeparateChoices.parse(text) == said


def test_what_is_given_as_an_object_comes_in_place_of_the_librarys_or_before_it() -> None:
    choices = RemixChoices(preset=("vocal-up",), gain=("vocals=1",))
    job = choices.job(PART, OUT, [load_preset("karaoke"), Preset(tempo=2)])
    assert job.preset.settings("vocals").gain_db == -30 + 4 + 1
    assert job.preset.tempo == 2
    assert UpmixChoices(layout="none").job(PART, OUT, load_layout("quad")).layout.name == "quad"


def test_every_kind_takes_a_track_of_its_source() -> None:
    for choices in KINDS:
        assert choices().job(PART, OUT).audio_track == 1
        assert choices.parse({"track": "2"}).job(PART, OUT).audio_track == 2
        with pytest.raises(OptionError, match="counted from 1"):
            choices.parse({"track": "0"}).job(PART, OUT)


def test_several_files_are_one_source() -> None:
    sides = (Path("/l.wav"), Path("/r.wav"))
    for job in (choices().job(Excerpt(sides), OUT) for choices in KINDS):
        assert job.sources == sides
        assert (job.start, job.length) == (0, None)


@pytest.mark.parametrize(
    "label",
    ["../{stem!r:>9999999}", "a" * 1000, "é" * 100, "\U0001f3b8" * 100, ".", "..", " ", "...", "/"],
)
def test_a_label_fits_the_name_of_a_file(label: str, manifest: ModelManifest) -> None:
    for choices in KINDS:
        for path in choices(label=label).job(PART, OUT).outputs(manifest).values():
            assert path.parent == OUT
            assert len(path.name.encode()) < 150
            assert not path.name.startswith((".", " "))


@pytest.mark.parametrize("label", [".", "..", " ", "a/../b", "CON"])
def test_a_folder_that_is_named_as_the_label_is_below_the_folder(
    label: str, manifest: ModelManifest
) -> None:
    job = UpmixChoices(label=label, output="channels").job(PART, OUT)
    assert job.output.parent == OUT
    assert job.output.name not in ("", ".", "..")
    assert all(path.parent == job.output for path in job.outputs(manifest).values())


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("CON", "_CON"),
        ("nul.mp3", "_nul.mp3"),
        ("Com1 ", "_Com1"),
        ("lpt¹", "_lpt¹"),
        ("Concert", "Concert"),
        ("Take 1. ", "Take 1"),
        ("a\x1b[31m\u202e\x9b\ud800b", "a_[31m___b"),
        ("L/R: é", "L_R_ é"),
    ],
)
def test_a_label_is_a_name_on_every_system(label: str, name: str) -> None:
    assert Choices(label=label).file_label == name


TOO_MUCH = [
    ({"gain": ("vocals=1",) * (MAX_NAMES + 1)}, f"gain takes at most {MAX_NAMES} names"),
    ({"mute": ("v" * (MAX_NAME_LENGTH + 1),)}, f"mute has at most {MAX_NAME_LENGTH} characters"),
    ({"preset": ("karaoke",) * (MAX_PRESETS + 1)}, f"preset takes at most {MAX_PRESETS} names"),
    ({"label": "l" * (MAX_TEXT_LENGTH + 1)}, f"label has at most {MAX_TEXT_LENGTH} characters"),
]


@pytest.mark.parametrize(("said", "sentence"), TOO_MUCH)
def test_more_than_any_job_needs(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        RemixChoices(**said)
    words = {name: value if name == "label" else ",".join(value) for name, value in said.items()}
    with pytest.raises(OptionError, match=sentence):
        RemixChoices.parse(words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"shifts": "100000"}, f"1 to {MAX_SHIFTS}, not 100000"),
        ({"wiener": "100000"}, f"0 to {MAX_WIENER_ITERATIONS}, not 100000"),
        ({"overlap": "nan"}, f"0 to {MAX_OVERLAP}, not nan"),
        ({"track": "100000"}, f"up to {MAX_TRACK}"),
        ({"downmix": "perhaps"}, "is 1 or 0, not 'perhaps'"),
        ({"shifts": "0x10"}, "is a whole number, not '0x10'"),
        ({"overlap": "half"}, "is a number, not 'half'"),
    ],
)
def test_numbers_beyond_their_bounds(words: dict[str, str], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        SeparateChoices.parse(words).job(PART, OUT)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("pitch", ("nan", "inf", "25")),
        ("tempo", ("nan", "0", "inf", "4.1")),
        ("lufs", ("nan", "-inf", "1")),
        ("true_peak", ("nan", "-inf", "1")),
        ("gain", ("vocals=nan", "vocals=inf", "vocals=41")),
        ("pan", ("vocals=nan", "vocals=101")),
        ("width", ("vocals=nan", "vocals=-1")),
    ],
)
def test_numbers_of_a_remix_are_finite_and_in_range(name: str, values: tuple[str, ...]) -> None:
    for value in values:
        with pytest.raises(OptionError):
            RemixChoices.parse({name: value}).job(PART, OUT)


@pytest.mark.parametrize(
    "part",
    [
        Excerpt((Path("/mix.wav"),), MAX_FRAMES + 1),
        Excerpt((Path("/mix.wav"),), 0, MAX_FRAMES + 1),
        Excerpt((Path("/mix.wav"),) * (MAX_SOURCES + 1)),
    ],
)
def test_parts_beyond_their_bounds(part: Excerpt) -> None:
    for choices in KINDS:
        with pytest.raises(OptionError, match="at most"):
            choices().job(part, OUT)


def test_the_page_of_the_protocol_tells_the_bounds() -> None:
    told = " ".join(PAGE.split())
    for sentence in (
        f"1 (default) to {MAX_SHIFTS} separations",
        f"0 (default) to {MAX_WIENER_ITERATIONS} rounds",
        f"| overlap | 0 to {MAX_OVERLAP}",
        f"from 1 (default) to {MAX_TRACK}",
        f"at most {MAX_NAMES} options of {MAX_OPTIONS_LENGTH} characters together",
        f"a list has at most {MAX_NAMES} names, `preset` {MAX_PRESETS},",
        f"of {MAX_NAME_LENGTH} characters",
        f"any other text {MAX_TEXT_LENGTH}",
    ):
        assert sentence in told
    row = next(line for line in PAGE.splitlines() if line.startswith("| gain, pan, width"))
    row += next(line for line in PAGE.splitlines() if line.startswith("| pitch, tempo"))
    row += next(line for line in PAGE.splitlines() if line.startswith("| lufs, true_peak"))
    ranges = [
        get_args(kind)[1] for kind in (GainDb, Pan, Width, Semitones, Tempo, Lufs, TruePeakDb)
    ]
    assert re.findall(r"(-?[\d.]+) to (-?[\d.]+)", row) == [
        (f"{each.ge:g}", f"{each.le:g}") for each in ranges
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"overlap": "1"}, "from 0 to 0.95"),
        ({"compat": "demucs"}, "compat is 'spleeter'"),
        ({"ovrelap": "1"}, "did you mean 'overlap'"),
        ({"wiener": "two"}, "Option wiener"),
        ({"wiener_iterations": "1"}, "no option 'wiener_iterations'"),
        ({"length": "1"}, "no option 'length'"),
    ],
)
def test_words_that_mean_nothing(words: dict[str, str], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        SeparateChoices.parse(words).job(PART, OUT)


def test_text_names_no_files_of_presets_or_layouts(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('summary = "Mine."')
    with pytest.raises(OptionError, match="There is no preset"):
        RemixChoices.parse({"preset": str(file)}).job(PART, OUT)
    with pytest.raises(OptionError, match="There is no layout"):
        UpmixChoices.parse({"layout": str(file)}).job(PART, OUT)


KINDS = (SeparateChoices, RemixChoices, UpmixChoices)


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        (SeparateChoices, "`options` are", "For `/stems/remix`"),
        (RemixChoices, "For `/stems/remix`", "For `/stems/upmix`"),
        (UpmixChoices, "For `/stems/upmix`", "### "),
    ],
)
def test_the_page_of_the_protocol_has_a_row_for_each_option(
    kind: type[Choices], first: str, last: str
) -> None:
    section = PAGE[PAGE.index(first) :]
    section = section[: section.index(last)]
    rows = re.findall(r"^\| ([a-z_, ]+) \|", section, re.MULTILINE)
    besides = re.search(r"besides (.+?)\.", section, re.DOTALL)
    said = [*rows, re.sub(r"\([^)]*\)", "", besides[1])] if besides else rows
    described = {word for each in said for word in re.split(r",|\band\b|\s", each) if word}
    assert described - {"key"} == {*kind.__struct_encode_fields__} | OPTIONS_OF_THE_PROTOCOL
