"""Presets and layouts from strangers: numbers and names, read in bounded time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.serving import MODEL
from tests.attacks.victims import assert_refused, stemtool, untouched

if TYPE_CHECKING:
    from pathlib import Path

_MANY = "".join(f"[stems.stem-{number}]\ngain_db = 1\n" for number in range(10_000))
_FLAWS = {
    "nested": "bus = " + "[" * 50_000 + "]" * 50_000,
    "nested tables": "bus = " + "{ a = " * 20_000 + "1" + " }" * 20_000,
    "nested keys": "a." * 20_000 + "b = 1",
    "far down": f"{_MANY}[stems.last]\ngain_db = 'loud'\n",
    "a key of many": "".join(f"key-{number} = 1\n" for number in range(20_000)),
    "not finite": "[stems.vocals]\ngain_db = nan\n",
    "endless": "[stems.vocals]\ngain_db = inf\n",
    "a long number": "[stems.vocals]\ngain_db = " + "9" * 100_000,
    "an open text": 'summary = "' + "\\\\" * 100_000,
    "a file elsewhere": 'bus = [{ plugin = "../../../evil.vst3" }]',
    "a file of the system": 'bus = [{ plugin = "/etc/passwd" }]',
    "a link": 'bus = [{ plugin = "link.vst3" }]',
    "no effect": 'bus = [{ effect = "__class__" }]',
    "an effect's file": """bus = [
        { effect = "Convolution", impulse_response_filename = "/etc/passwd" }
    ]""",
    "too many at a time": "bus = [" + '{ effect = "Reverb" },' * 100_000 + "]",
}  # fmt: skip


@pytest.mark.parametrize("flaw", _FLAWS)
def test_a_preset_is_refused_in_bounded_time(
    flaw: str, home: Path, song: Path, tmp_path: Path
) -> None:
    folder = home / "presets/effects"
    folder.mkdir(parents=True)
    (tmp_path / "evil.vst3").write_text("no plugin")
    (folder / "link.vst3").symlink_to(tmp_path / "evil.vst3")
    (folder / "evil.toml").write_text(_FLAWS[flaw], "utf-8")
    with untouched(tmp_path, but=(home,)):
        run = stemtool("remix", "-m", MODEL, song, "-o", tmp_path / "o.wav", "--preset", "evil")
    assert_refused(run)


@pytest.mark.parametrize("flaw", ["nested", "nested tables", "a key of many", "a long number"])
def test_an_unreadable_preset_hides_no_other(flaw: str, home: Path) -> None:
    for folder in ("presets/effects", "presets/layouts"):
        (home / folder).mkdir(parents=True)
        (home / folder / "evil.toml").write_text(_FLAWS[flaw], "utf-8")
    run = stemtool("presets", "list")
    assert run.status == 0, run
    assert "karaoke" in run.said


@pytest.mark.parametrize("flaw", ["nested", "a key of many", "a long number", "no effect"])
def test_a_layout_is_refused_in_bounded_time(
    flaw: str, home: Path, song: Path, tmp_path: Path
) -> None:
    (home / "presets/layouts").mkdir(parents=True)
    (home / "presets/layouts/evil.toml").write_text(_FLAWS[flaw], "utf-8")
    said = ("-m", MODEL, song, "-o", tmp_path / "o.wav", "--layout", "evil")
    assert_refused(stemtool("upmix", *said))
