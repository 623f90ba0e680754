from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
import pytest

from daw_bridge.files import flaws
from daw_bridge.files.flaws import RULE, FlawError, spell, to_struct
from daw_bridge.files.tables import Positive, Table


class Low(Table, frozen=True, tag_field="kind", tag="low-pass"):
    cutoff_hz: Positive
    slope: Literal["gentle", "steep"] = "gentle"


class High(Table, frozen=True, tag_field="kind", tag="high-pass"):
    corner_hz: Positive


Short = Annotated[str, msgspec.Meta(pattern="^.{3}$", extra={RULE: "has three letters"})]


class Whole(Table, frozen=True):
    name: str
    filters: tuple[Low | High, ...] = ()
    shares: dict[str, dict[str, Annotated[float, msgspec.Meta(le=1)]]] = msgspec.field(
        default_factory=dict
    )
    weight: float | dict[str, float] = 1
    rows: dict[Short, int] = msgspec.field(default_factory=dict)


@pytest.mark.parametrize(
    ("tables", "key", "sentence"),
    [
        ({"nam": "x"}, ("nam",), "is no key (did you mean 'name'?)"),
        (
            {"name": "x", "title": 1},
            ("title",),
            "is no key; there are also filters, shares, weight, rows",
        ),
        ({}, ("name",), "is missing"),
        ({"rows": {"one": 1, "three": 3}}, ("rows", "three"), "has three letters"),
        ({"rows": {"one": 1 << 63}}, ("rows", "one"), "is an integer of more than 64 bits"),
        ({"weight": math.nan}, ("weight",), "is a finite number, not nan"),
        ({"shares": {"a": {"b": -math.inf}}}, ("shares", "a", "b"), "is a finite number, not -inf"),
        ({"name": 3}, ("name",), "expected `str`, got `int`"),
        ({"filters": {}}, ("filters",), "is a list, not `object`"),
        ({"filters": [3]}, ("filters", 0), "is a table, not `int`"),
        ({"shares": {"a": {"b": 1, "c": 2}}}, ("shares", "a", "c"), "expected `float` <= 1.0"),
        ({"shares": {"a": {}, "b": 3}}, ("shares", "b"), "is a table, not `int`"),
        ({"weight": {"a": 1, "b": "x"}}, ("weight", "b"), "expected `float`, got `str`"),
        ({"weight": "x"}, ("weight",), "expected `float | object`, got `str`"),
        (
            {"filters": [{"kind": "low-pas"}]},
            ("filters", 0, "kind"),
            "there is no 'low-pas' (did you mean 'low-pass'?); there are low-pass, high-pass",
        ),
        (
            {"filters": [{"kind": "high-pass", "cutoff_hz": 1}]},
            ("filters", 0, "cutoff_hz"),
            "is no key; there are also corner_hz",
        ),
        (
            {"filters": [{"kind": "low-pass", "cutoff_hz": 1, "slope": "step"}]},
            ("filters", 0, "slope"),
            "there is no 'step' (did you mean 'steep'?); there are gentle, steep",
        ),
    ],
)
def test_what_is_wrong_and_where(tables: Any, key: tuple[str | int, ...], sentence: str) -> None:
    with pytest.raises(FlawError) as raised:
        to_struct(tables, Whole)
    assert (raised.value.key, str(raised.value)) == (key, sentence)


def test_a_union_is_told_by_its_tag() -> None:
    assert to_struct({"kind": "high-pass", "corner_hz": 2}, Low | High) == High(corner_hz=2)
    with pytest.raises(FlawError, match="did you mean 'corner_hz'") as raised:
        to_struct({"kind": "high-pass", "corner": 2}, Low | High)
    assert raised.value.key == ("corner",)


def test_one_entry_of_many_is_found_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {"name": "x", "shares": {f"stem{number}": {"a": 1.0} for number in range(20_000)}}
    tables["shares"]["stem17000"] = {"a": 1.5}  # type: ignore[index]
    conversions = []

    def convert(*arguments: Any) -> Any:
        conversions.append(arguments)
        return msgspec.convert(*arguments)

    monkeypatch.setattr(
        flaws, "msgspec", type("Counting", (), {**vars(msgspec), "convert": convert})
    )
    with pytest.raises(FlawError) as raised:
        to_struct(tables, Whole)
    assert raised.value.key == ("shares", "stem17000", "a")
    assert len(conversions) < 20


def test_a_key_is_spelt_as_people_write_it() -> None:
    assert spell(("stages", 0, "parts", 1)) == "stages[1].parts[2]"
    assert spell(("stems", "lead vocals", "pan")) == 'stems."lead vocals".pan'
