from __future__ import annotations

import os
from pathlib import Path

import pytest
import soundfile

from daw_bridge.errors import (
    AudioError,
    ConfinementError,
    DawBridgeError,
    ModelError,
    OptionError,
    OutputError,
)
from daw_bridge.files.containers import OutputFormat
from daw_bridge.workers.confinement import check_task, confine, sweep
from daw_bridge.workers.task import KINDS, Task, find_outputs
from tests.conftest import make_noise


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    soundfile.write(folder / "mix.wav", make_noise(1000).samples.T, 44_100)
    return folder.resolve()


def make_task(root: Path, kind: str = "separate", **others: object) -> Task:
    fields = {"sources": (str(root / "mix.wav"),), "folder": str(root / "out"), **others}
    return Task("j", kind, "spleeter-2stems", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "phase"), [("separate", "separating"), ("remix", "remixing"), ("upmix", "upmixing")]
)
def test_a_task_becomes_a_job_of_its_kind(kind: str, phase: str, root: Path) -> None:
    task = make_task(root, kind, options={"format": "flac"}, start=3, length=7)
    job = KINDS[kind].make(task)
    assert job.sources == (root / "mix.wav",)
    assert (job.start, job.length) == (3, 7)
    assert job.output_format == OutputFormat("flac")
    assert all(path.parent == root / "out" for path in find_outputs(task).values())
    assert KINDS[kind].phase == phase


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"presets": "karaoke"}, OptionError, "did you mean 'preset'"),
        ({"preset": "../karaoke"}, OptionError, "There is no preset"),
        ({"preset": "drumless"}, OptionError, "needs a stem 'drums'"),
        ({"tempo": "fast"}, OptionError, "Option tempo"),
        ({"tempo": "9"}, OptionError, "tempo: expected"),
        ({"gain": "vocals"}, OptionError, "as in vocals=-6"),
        ({"stems": "/etc"}, ConfinementError, "not below a folder"),
        ({"stems": "{root}/link"}, ConfinementError, "not below a folder"),
        ({"stems": "{root}/none"}, AudioError, "There is no folder"),
    ],
)
def test_remixes_that_cannot_be(
    options: dict[str, str],
    error: type[DawBridgeError],
    sentence: str,
    root: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "outside").mkdir()
    soundfile.write(tmp_path / "outside" / "vocals.wav", make_noise(10).samples.T, 44_100)
    (root / "link").symlink_to(tmp_path / "outside")
    said = {name: value.format(root=root) for name, value in options.items()}
    with pytest.raises(error, match=sentence):
        check_task(make_task(root, "remix", options=said), [root])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ovrelap": "1"}, "did you mean 'overlap'"),
        ({"overlap": "half"}, "Option overlap"),
        ({"overlap": "1"}, "from 0 to 0.95"),
        ({"wiener": "-1"}, "0 to 20"),
        ({"format": "aiff"}, "Option format"),
        ({"format": "mp3", "bits": "16"}, "mp3 has no 16-bit"),
        ({"compat": "demucs"}, "compat is 'spleeter'"),
        ({"stems": "vocal"}, "did you mean 'vocals'"),
        ({"downmix": "perhaps"}, "Option downmix"),
    ],
)
def test_words_that_mean_nothing(options: dict[str, str], sentence: str, root: Path) -> None:
    with pytest.raises(OptionError, match=sentence):
        check_task(make_task(root, options=options), [root])


@pytest.mark.parametrize(
    ("kind", "sources", "options"),
    [
        ("remix", ("mix.wav",), {"stems": "{root}/out", "keep_stems": "1"}),
        ("remix", ("out/vocals.wav",), {"keep_stems": "1"}),
        ("separate", ("out/vocals.wav",), {"overwrite": "1"}),
        ("upmix", ("mix.wav",), {"stems": "{root}/out", "label": "vocals"}),
        ("upmix", ("mix.wav",), {"stems": "{root}/out", "output": "stems"}),
        ("upmix", ("mix.wav",), {"stems": "{root}/out/in", "output": "stems", "label": "in"}),
    ],
)
def test_no_job_writes_over_what_it_reads(
    kind: str, sources: tuple[str, ...], options: dict[str, str], root: Path
) -> None:
    for folder in (root / "out", root / "out" / "in"):
        folder.mkdir()
        for stem in ("vocals", "accompaniment"):
            soundfile.write(folder / f"{stem}.wav", make_noise(1000).samples.T, 44_100)
    said = {name: text.format(root=root) for name, text in options.items()} | {"overwrite": "1"}
    task = make_task(root, kind, sources=tuple(str(root / each) for each in sources), options=said)
    with pytest.raises(OutputError, match="is an input"):
        check_task(task, [root])


def test_the_same_file_can_be_every_channel_but_not_of_any_number(root: Path) -> None:
    check_task(make_task(root, sources=(str(root / "mix.wav"),) * 64), [root])
    with pytest.raises(OptionError, match="at most 64 files"):
        check_task(make_task(root, sources=(str(root / "mix.wav"),) * 65), [root])


def test_a_folder_of_stems_has_so_many(root: Path) -> None:
    (root / "stems").mkdir()
    for number in range(65):
        (root / "stems" / f"{number}.wav").touch()
    with pytest.raises(AudioError, match="64 stems at most"):
        check_task(make_task(root, "remix", options={"stems": str(root / "stems")}), [root])


def test_a_label_cannot_leave_the_folder_or_reach_a_format_string(root: Path) -> None:
    task = make_task(root, options={"label": "../{stem!r:>9999999}"})
    (path, *_) = find_outputs(task).values()
    assert path == root / "out" / "_{stem!r__9999999} – vocals.wav"  # noqa: RUF001


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"sources": ("/etc/hostname",)}, ConfinementError),
        ({"sources": ("mix.wav",)}, ConfinementError),
        ({"folder": "/tmp/elsewhere"}, ConfinementError),
        ({"folder": "{root}/../elsewhere"}, ConfinementError),
        ({"folder": "{root}/link/deeper"}, ConfinementError),
        ({"sources": ("{root}/link/x.wav",)}, ConfinementError),
        ({"sources": ("{root}/loop",)}, DawBridgeError),
        ({"sources": ("{root}/none.wav",)}, AudioError),
        ({"sources": ("{root}",)}, AudioError),
        ({"sources": ("{root}/pipe",)}, AudioError),
        ({"model": "spleeter-2stem"}, ModelError),
        ({"folder": "{root}/linked"}, ConfinementError),
        ({"folder": "{root}/full"}, OutputError),
    ],
)
def test_what_stands_against_a_task(
    change: dict[str, object], error: type[DawBridgeError], root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    for folder in ("linked", "full"):
        (root / folder).mkdir()
    (root / "linked" / "vocals.wav").symlink_to(tmp_path / "outside" / "vocals.wav")
    (root / "full" / "vocals.wav").touch()
    said = {
        name: tuple(each.format(root=root) for each in value)
        if isinstance(value, tuple)
        else str(value).format(root=root)
        for name, value in change.items()
    }
    fields = {"sources": (str(root / "mix.wav"),), "folder": str(root / "out"),
              "model": "spleeter-2stems", **said}  # fmt: skip
    task = Task("j", "separate", **fields)  # type: ignore[arg-type]
    with pytest.raises(error):
        check_task(task, [root])


def test_a_task_in_order(root: Path) -> None:
    check_task(make_task(root), [root])
    (root / "inside").symlink_to(root)
    assert confine(root / "inside" / "mix.wav", [root]) == root / "mix.wav"


def test_sweeping_takes_only_what_is_half_written(root: Path) -> None:
    out = root / "out"
    out.mkdir()
    (out / ".0123abcd-vocals.wav").touch()
    (out / ".0123abcd-others.wav").touch()
    (out / "vocals.wav").touch()
    sweep(make_task(root), [root])
    assert sorted(path.name for path in out.iterdir()) == [".0123abcd-others.wav", "vocals.wav"]
