"""AAF files of stems, read back by pyaaf2."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aaf2
import numpy as np
import pytest
import soundfile

from daw_bridge.projects.destination import Destination
from daw_bridge.projects.formats import FORMATS
from daw_bridge.projects.project import Project
from daw_bridge.projects.writing import write_project
from tests.conftest import level_db
from tests.projects.noises import FRAMES, START, STEMS, make_project


def read_tracks(path: Path) -> dict[str, np.ndarray]:
    """Return what each track of a file plays, by its name: (frames,) from the project's start."""
    played = {}
    with aaf2.open(str(path), "r") as aaf:
        (composition,) = aaf.content.toplevel()
        for slot in composition.slots:
            assert float(slot.edit_rate) == 44_100
            gap, clip = slot.segment.components
            source = clip.mob.slots[0].segment.mob
            coded = np.frombuffer(source.essence.open("r").read(), np.uint8).reshape(-1, 3)
            widened = np.pad(coded, ((0, 0), (1, 0))).copy().view("<i4")[:, 0]
            samples = widened / 2.0**31
            assert clip.length == source.descriptor["Length"].value == len(samples)
            assert source.descriptor["QuantizationBits"].value == 24
            played[slot.name] = np.concatenate([np.zeros(gap.length), samples])
    return played


def write(project: Project, path: Path) -> dict[str, np.ndarray]:
    write_project(project, FORMATS["aaf"], Destination(path))
    return read_tracks(path)


@pytest.mark.parametrize(
    ("channels", "sides"),
    [(1, [""]), (2, [".L", ".R"]), (6, [".L", ".R", ".C", ".LFE", ".Ls", ".Rs"])],
)
def test_stems_are_where_they_belong_and_sum_to_the_song(
    channels: int, sides: list[str], tmp_path: Path
) -> None:
    project = make_project(tmp_path, channels)
    played = write(project, tmp_path / "song.aaf")
    assert list(played) == [f"{stem.name}{side}" for stem in project.stems for side in sides]
    assert project.original
    song = soundfile.read(project.original.file, always_2d=True)[0].T
    for channel, expected in enumerate(song):
        stems = list(played.values())[channel :: len(sides)]
        assert {len(stem) for stem in stems} == {START + FRAMES}
        assert not np.sum(stems, axis=0)[:START].any()
        assert level_db(np.sum(stems, axis=0)[START:] - expected, expected) < -115


def test_what_would_clip_is_turned_down_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project = make_project(tmp_path, 1)
    plain = write(project, tmp_path / "plain.aaf")
    loud = project.stems[0].file
    samples, rate = soundfile.read(loud)
    samples *= 2 / np.abs(samples).max()
    soundfile.write(loud, samples, rate, "FLOAT")
    played = write(project, tmp_path / "loud.aaf")
    assert "turned down by 6.02 dB" in caplog.text
    names = list(played)
    assert np.abs(played[names[0]]).max() == pytest.approx(1)
    assert level_db(2 * played[names[1]] - plain[names[1]], plain[names[1]]) < -105


def test_a_part_of_each_file(tmp_path: Path) -> None:
    project = make_project(tmp_path, 1)
    whole = write(project, tmp_path / "whole.aaf")
    stems = tuple(replace(stem, offset=1000, frames=501) for stem in project.stems)
    part = write(replace(project, stems=stems), tmp_path / "part.aaf")
    for name, samples in part.items():
        np.testing.assert_array_equal(samples[START:], whole[name][START + 1000 :][:501])
    assert len(part) == len(STEMS)
