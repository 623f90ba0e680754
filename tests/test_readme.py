"""What the README shows runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import soundfile

from stemtool_cli.main import stemtool
from tests.conftest import make_noise

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


@pytest.mark.usefixtures("network_path")
def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = make_noise(700_000)
    soundfile.write(tmp_path / "song.flac", noise.samples.T, 44_100)
    soundfile.write(tmp_path / "set.wav", noise.samples.T, 44_100)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall("```python\n(.*?)```", README, re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out.count("('vocals', 'accompaniment')") == 2


def test_every_command_shown_is_understood() -> None:
    shown = re.findall(r"^    (?:\$ )?stemtool (.+?)(?:  .*)?$", README, re.MULTILINE)
    assert len(shown) >= 8
    for line in shown:
        name, *arguments = shlex.split(line)
        command = stemtool.get_command(click.Context(stemtool), name)
        assert command is not None
        command.make_context(name, arguments)
