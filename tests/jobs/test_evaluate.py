"""Evaluations of the real model on songs that are small and made up."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from daw_bridge import SeparationOptions, Separator
from daw_bridge.errors import AudioError, Cancelled
from daw_bridge.evaluation.results import MIXTURE, ORACLE, Evaluation
from daw_bridge.files.songs import find_songs
from daw_bridge.jobs.evaluate import EvaluateJob, run_evaluate
from tests.songs import FRAMES, make_stems, write_song, write_songs

MODEL = "spleeter-2stems"


@pytest.fixture(scope="module")
def evaluation(separator: Separator, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    songs = find_songs(write_songs(tmp_path_factory.mktemp("data") / "songs"))
    seen: list[tuple[int, int]] = []
    found = run_evaluate(
        EvaluateJob(tuple(songs), SeparationOptions(overlap=0)),
        separator,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(count * FRAMES, 3 * FRAMES) for count in (1, 2, 3)]
    return found


def test_ideal_masks_beat_the_mixture(evaluation: Evaluation) -> None:
    assert evaluation.methods == (MIXTURE, MODEL, ORACLE)
    assert list(evaluation.figures) == ["vocals", "accompaniment"]
    vocals = evaluation.figures["vocals"]
    assert vocals[ORACLE].sdr_db > vocals[MIXTURE].sdr_db + 5
    assert vocals[ORACLE].sir_db > vocals[MIXTURE].sir_db + 5
    assert math.isfinite(vocals[MODEL].sdr_db)


def test_a_song_is_scored_on_the_stems_that_it_has(evaluation: Evaluation) -> None:
    stems = {song.name: list(song.scores) for song in evaluation.songs}
    assert stems == {
        "1 whole": ["vocals", "accompaniment"],
        "2 silent": ["accompaniment"],
        "3 drums": ["accompaniment"],
    }
    for stem in ("vocals", "accompaniment"):  # the others are no mixtures
        assert len(evaluation.of_songs(stem, MODEL)) == 1
    for song in evaluation.songs[1:]:
        assert song.scores["accompaniment"][MIXTURE].figures.sdr_db > 100
        assert math.isnan(song.scores["accompaniment"][MODEL].figures.sir_db)


def test_what_was_done_is_said(evaluation: Evaluation) -> None:
    assert evaluation.options == {"overlap": 0}
    assert evaluation.duration_s == pytest.approx(7.5)
    assert evaluation.elapsed_s > 0
    windows = evaluation.songs[0].scores["vocals"][MODEL].sdr_windows_db
    assert len(windows) == 2


def test_silence_is_no_obstacle(separator: Separator, tmp_path: Path) -> None:
    write_song(tmp_path / "song", {name: 0 * stem for name, stem in make_stems().items()})
    found = run_evaluate(EvaluateJob(tuple(find_songs(tmp_path))), separator)
    assert found.songs[0].scores == {}
    assert math.isnan(found.figures["vocals"][MODEL].sdr_db)


def test_what_stops_an_evaluation(separator: Separator, tmp_path: Path) -> None:
    job = EvaluateJob(tuple(find_songs(write_songs(tmp_path / "songs"))))
    with pytest.raises(Cancelled):
        run_evaluate(job, separator, is_cancelled=lambda: True)
    write_song(tmp_path / "more" / "song", {"bass": make_stems()["bass"]})
    with pytest.raises(AudioError, match="nothing to compare"):
        run_evaluate(EvaluateJob(tuple(find_songs(tmp_path / "more"))), separator)
