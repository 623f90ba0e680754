"""Which model is chosen, as a table of cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daw_bridge.errors import ModelError
from daw_bridge.library.figures import Figure
from daw_bridge.library.ladder import USUAL_STEMS, Candidate, Choice, Wishes, choose
from daw_bridge.library.models import load_manifests

PAPER, LIST = "songs of a paper", "songs of a list"
TWO = ("vocals", "accompaniment")


def model(
    name: str,
    cost: float | None,
    *scores: tuple[str, float],
    stems: tuple[str, ...] = USUAL_STEMS,
    **others: object,
) -> Candidate:
    figures = tuple(
        Figure(stem=stem, sdr_db=sdr_db, data=data, source="a source")
        for data, sdr_db in scores
        for stem in stems
    )
    fields = {"licence": "MIT", "figures": figures, "cost": cost, **others}
    return Candidate(name, stems, **fields)  # type: ignore[arg-type]


FOUR = [
    model("tuned", 1.6, (PAPER, 9.9), (LIST, 10.9), licence="unknown"),
    model("transformer", 0.4, (LIST, 10.3), is_here=False, licence="unknown"),
    model("recurrent", 0.06, (PAPER, 6.8), licence="CC-BY-NC-SA-4.0"),
    model("unet", 0.02, (PAPER, 5.9)),
    model("mine", 0.01),
    model("unknown", None),
    model("voice", 3.0, (LIST, 12.0), stems=TWO, is_here=False),
    model("quick voice", 0.005, (PAPER, 6.0), stems=TWO),
]


@pytest.mark.parametrize(
    ("wishes", "name"),
    [
        (Wishes("best"), "tuned"),
        (Wishes("good"), "transformer"),
        (Wishes("fast"), "mine"),
        (Wishes("best", ("drums", "bass")), "tuned"),
        (Wishes("best", ("vocals",)), "voice"),
        (Wishes("good", ("vocals",)), "transformer"),
        (Wishes("fast", ("vocals",)), "quick voice"),
        (Wishes("best", TWO), "voice"),
        (Wishes("good", TWO), "quick voice"),
        (Wishes("best", commercial=True), "unet"),
        (Wishes("good", offline=True), "recurrent"),
        (Wishes("best", ("vocals",), offline=True), "tuned"),
        (Wishes("good", ("vocals",), commercial=True, offline=True), "quick voice"),
    ],
)
def test_which_is_chosen(wishes: Wishes, name: str) -> None:
    assert choose(wishes, FOUR).model.name == name
    assert choose(wishes, FOUR[::-1]).model.name == name


def test_on_the_same_data_the_better_one_wins_whatever_others_claim() -> None:
    both = model("both", 1, (PAPER, 8.0), (LIST, 9.0))
    worse = model("worse", 1, (PAPER, 7.0), ("easy songs", 20.0))
    choice = choose(Wishes("best"), [worse, both])
    assert (choice.model, choice.data, choice.sdr_db, choice.rough) == (both, PAPER, 8.0, 0)


def test_a_comparison_over_different_data_is_told() -> None:
    choice = choose(Wishes("best"), [model("a", 1, (PAPER, 8.0)), model("b", 1, (LIST, 9.0))])
    assert choice.model.name == "b"
    assert "compared only roughly with 1, whose figures are of other data" in str(choice)


def test_ties_go_by_cost_and_name() -> None:
    some = [model(name, cost, (PAPER, 8.0)) for name, cost in (("c", 1), ("b", 0.5), ("a", 0.5))]
    assert choose(Wishes("best"), some).model.name == "a"
    assert choose(Wishes("fast"), some).model.name == "a"


def test_where_nothing_keeps_up_the_fastest_is_good() -> None:
    some = [model("a", 4.0, (PAPER, 9.0)), model("b", 3.0, (PAPER, 8.0)), model("c", None)]
    assert choose(Wishes("good"), some).model.name == "b"


def test_a_figure_of_some_stems_is_none_of_all() -> None:
    partly = model("partly", 1, (PAPER, 20.0))
    partly = replace(partly, figures=partly.figures[:1])
    choice = choose(Wishes("best"), [partly, model("all", 1, (PAPER, 5.0))])
    assert choice.model.name == "all"
    assert choose(Wishes("best", ("vocals",)), [partly]).sdr_db == 20.0


def test_what_others_leave_needs_no_figure() -> None:
    listed = model("listed", 1, (LIST, 10.0))
    listed = replace(listed, figures=tuple(f for f in listed.figures if f.stem != "other"))
    assert choose(Wishes("best"), [listed]).sdr_db == 10.0
    assert choose(Wishes("best", ("other",)), [listed]).sdr_db is None


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (Wishes("best", ("kazoo",)), "No model makes kazoo"),
        (Wishes("best", ("guitar",), commercial=True), "is known to be free for commercial use"),
        (Wishes("best", ("guitar",), offline=True), "is on this machine; there are six"),
    ],
)
def test_where_there_is_none(wishes: Wishes, sentence: str) -> None:
    six = model("six", 1, stems=("guitar", "other"), licence="unknown", is_here=False)
    with pytest.raises(ModelError, match=sentence):
        choose(wishes, [six, *FOUR])


def test_what_is_said() -> None:
    choice = Choice("best", FOUR[1], USUAL_STEMS, 10.3, LIST)
    assert str(choice) == (
        "--quality best: transformer, which makes vocals, drums, bass, other; 10.3 dB on songs of"
        " a list; typically 2.5 x real time; it is fetched first."
    )
    sized = replace(choice, model=replace(FOUR[1], size_bytes=84_000_000, is_timed=True))
    assert str(sized).endswith("list; 2.5 x real time; 84 MB are fetched first.")


def test_figures_that_ship_have_sources() -> None:
    figures = {manifest.name: manifest.quality for manifest in load_manifests()}
    assert sum(map(bool, figures.values())) >= 12
    assert all(figure.source and figure.data for each in figures.values() for figure in each)
