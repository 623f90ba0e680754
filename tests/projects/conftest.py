"""A song and its stems, as the engine makes them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from daw_bridge import Separator
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.job import Result
from daw_bridge.jobs.separate import SeparateJob, run_separate
from daw_bridge.projects.composition import Original, compose
from daw_bridge.projects.project import Project
from tests.conftest import SONGS

START, LENGTH = 12_345, 654_321


class Made(NamedTuple):
    """What a separation of a part of a song came to, and the project of it."""

    result: Result
    project: Project


@pytest.fixture(scope="session")
def made(separator: Separator, tmp_path_factory: pytest.TempPathFactory) -> Made:
    song = SONGS / "rubidium.ogg"
    job = SeparateJob(
        song,
        tmp_path_factory.mktemp("stems"),
        output_format=OutputFormat("wav", "32f"),
        start=START,
        length=LENGTH,
    )
    result = run_separate(job, separator)
    project = compose("Rubidium", result.outputs, Original(song, START))
    return Made(result, project)
