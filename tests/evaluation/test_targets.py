from __future__ import annotations

import pytest

from daw_bridge.errors import AudioError
from daw_bridge.evaluation.targets import Target, match_stems

TWO = ("vocals", "accompaniment")
FOUR = ("vocals", "drums", "bass", "other")
FIVE = ("vocals", "drums", "bass", "piano", "other")


@pytest.mark.parametrize(
    ("model", "songs", "rest"),
    [
        (TWO, TWO, Target("accompaniment", ("accompaniment",), ("accompaniment",))),
        (TWO, FOUR, Target("accompaniment", ("accompaniment",), ("bass", "drums", "other"))),
        (FOUR, FIVE, Target("other", ("other",), ("other", "piano"))),
        (FIVE, FOUR, Target("other", ("piano", "other"), ("other",))),
        (FOUR, TWO, Target("accompaniment", ("drums", "bass", "other"), ("accompaniment",))),
        (
            ("vocals", "piano", "other"), FOUR,
            Target("other", ("piano", "other"), ("bass", "drums", "other")),
        ),
    ],
)  # fmt: skip
def test_same_names_are_compared_and_the_rest_is_summed(
    model: tuple[str, ...], songs: tuple[str, ...], rest: Target
) -> None:
    targets = match_stems(model, songs)
    assert targets[-1] == rest
    assert all(each.model_stems == each.song_stems == (each.name,) for each in targets[:-1])
    compared = {stem for each in targets for stem in each.song_stems}
    assert compared == set(songs)


def test_nothing_in_common() -> None:
    with pytest.raises(AudioError, match="nothing to compare: the songs have bass, drums"):
        match_stems(TWO, ("drums", "bass"))
