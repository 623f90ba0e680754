from __future__ import annotations

from daw_bridge.library.stems import complement, in_usual_order, rest_last


def test_the_rest_comes_last() -> None:
    found = ("piano", "other", "vocals", "guitar", "drums")
    assert in_usual_order(found) == ["vocals", "drums", "guitar", "piano", "other"]
    assert rest_last(("drums", "other", "vocals")) == [0, 2, 1]
    assert rest_last(("accompaniment", "vocals")) == [1, 0]


def test_all_but_a_stem_has_a_name() -> None:
    assert [complement(stem) for stem in ("vocals", "instrumental", "drums")] == [
        "instrumental",
        "vocals",
        "rest",
    ]
