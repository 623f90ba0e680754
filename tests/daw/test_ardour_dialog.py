"""What the dialogs in Ardour show, which no one can read off its window."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from daw_bridge.daw.ardour.registration import SCRIPTS
from tests.programs import require

PERSON = Path(__file__).with_name("dialog.lua")
SERVER = """host=127.0.0.1
model:two=vocals,accompaniment
model:four=vocals,drums,bass,other
model:big=vocals,guitar
model:odd=left,right
fetch:big=120
fetch:odd=
"""


def ask(folder: Path, settings: str, *answers: str) -> list[str]:
    """Return what is shown to a person, who answers, and what becomes of it."""
    (folder / "server").write_text(SERVER, "utf-8")
    (folder / "settings").write_text(settings, "utf-8")
    command = [require("lua5.4"), PERSON, SCRIPTS / "dialog.lua"]
    command += [folder / "server", folder / "settings", *answers]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_models_on_this_machine_come_first_and_others_say_what_is_fetched(tmp_path: Path) -> None:
    assert ask(tmp_path, "", "model=two") == [
        "dropdown Model: two",
        "  Quality: best",
        "  Quality: fast",
        "  Quality: good",
        "  four",
        "  two",
        "  … to be fetched",
        "    big – to be fetched, 120 MB",  # noqa: RUF001
        "    odd – to be fetched",  # noqa: RUF001
        "dropdown Stems: All",
        "  All",
        "  All but …",
        "  Only …",
        "checkbox Mute the source where its stems are: true",
        "remembered two|||yes",
        "true",
    ]


@pytest.mark.parametrize(
    ("settings", "answers", "stems", "remembered"),
    [
        ("", ("model=four,which=Only …", "bass=true"), "vocals drums bass other", "four|bass||yes"),
        (
            "stems=bass,piano\n",
            ("model=four", "other=true"),
            "vocals drums bass* other",
            "four|bass,other||yes",
        ),
        (
            "model=four\nminus=drums\nmute=no\n",
            ("mute=false", "drums=true"),
            "vocals drums* bass other",
            "four||drums|no",
        ),
        (
            "model=two\nstems=vocals\n",
            ("mute=true", "accompaniment=true"),
            "vocals* accompaniment",
            "two|||yes",
        ),
        (
            "",
            ("model=quality:good,which=Only …", "guitar=true"),
            "vocals accompaniment drums bass other guitar left right",
            "quality:good|guitar||yes",
        ),
    ],
)
def test_only_stems_of_the_model_are_offered_and_the_answer_is_remembered(
    settings: str,
    answers: tuple[str, ...],
    stems: str | None,
    remembered: str | None,
    tmp_path: Path,
) -> None:
    lines = ask(tmp_path, settings, *answers)
    ticks = [
        line.split()[1:] for line in lines if line.startswith("checkbox") and "Mute" not in line
    ]
    assert [name.rstrip(":") + "*" * (on == "true") for name, on in ticks] == (stems or "").split()
    assert [line for line in lines if line.startswith("remembered")] == (
        [f"remembered {remembered}"] if remembered else []
    )
    assert lines[-1] == ("true" if remembered else "false")


def test_no_stem_is_no_answer(tmp_path: Path) -> None:
    answers = ("model=two,which=Only …", "vocals=false")
    assert ask(tmp_path, "", *answers)[-1] == "No stem was chosen: tick at least one."
