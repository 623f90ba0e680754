"""What models take is noted when songs are done, and measured on noise."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from daw_bridge import SeparationOptions, Separator
from daw_bridge.jobs.remix import RemixJob, run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.jobs.timing import passage_seconds, time_model
from daw_bridge.library.costs import read_costs
from daw_bridge.library.models import load_manifest
from daw_bridge.rendering.preset import Preset
from tests.conftest import make_noise
from tests.ladder_models import install

RATE = 8000


def make_song(folder: Path, seconds: float) -> Path:
    path = folder / f"{seconds}.wav"
    soundfile.write(path, make_noise(round(seconds * RATE)).samples.T, RATE)
    return path


@pytest.fixture
def filters(home: Path) -> Separator:
    install(home, "filters")
    return Separator("filters", threads=3)


@pytest.mark.parametrize(
    ("seconds", "options", "count"),
    [
        (31, SeparationOptions(), 1),
        (31, SeparationOptions(extension="zeros"), 1),
        (31, SeparationOptions(shifts=2), 0),
        (31, SeparationOptions(stems=("low",)), 0),
        (29, SeparationOptions(), 0),
    ],
)
def test_a_long_song_tells_what_a_model_costs(
    seconds: float, options: SeparationOptions, count: int, filters: Separator, tmp_path: Path
) -> None:
    song = make_song(tmp_path, seconds)
    run_separate(SeparateJob(song, tmp_path / "out", options=options), filters)
    assert [(cost.model, cost.provider, cost.threads) for cost in read_costs()] == [
        ("filters", "cpu", 3)
    ] * count


def test_so_does_a_remix_unless_its_stems_are_there(filters: Separator, tmp_path: Path) -> None:
    song = make_song(tmp_path, 31)
    maker = StemMaker(filters.manifest, lambda: filters)
    run_remix(RemixJob(song, tmp_path / "r.wav", Preset()), maker)
    assert len(read_costs()) == 1


def test_what_is_called_off_tells_nothing(filters: Separator, tmp_path: Path) -> None:
    song = make_song(tmp_path, 60)
    with pytest.raises(RuntimeError, match="enough"):
        run_separate(SeparateJob(song, tmp_path / "out"), filters, progress=_stop)
    assert read_costs() == []


def _stop(done: int, total: int) -> None:
    raise RuntimeError("enough")


def test_a_model_is_timed(filters: Separator) -> None:
    cost = time_model(filters)
    assert read_costs() == [cost]
    assert 0 < cost.seconds < 1


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("spleeter-2stems", 11.9), ("bridge-4stems", 11.9), ("htdemucs", 7.8)],
)
def test_what_is_seen_at_once(name: str, seconds: float) -> None:
    assert passage_seconds(load_manifest(name)) == pytest.approx(seconds, abs=0.05)
