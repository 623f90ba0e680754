"""One colour a stem."""

from daw_bridge.library.colours import COLOURS, Colour, colour_of
from daw_bridge.library.stems import without


def test_a_part_has_the_colour_of_its_whole() -> None:
    assert colour_of("vocals.lead.double") == COLOURS["vocals"] == Colour(0x56, 0xB4, 0xE9)


def test_a_name_of_nobodys_table_has_a_colour_of_its_own_each_time() -> None:
    assert colour_of("theremin") == colour_of("theremin") != colour_of("kazoo")


def test_all_but_some_is_an_accompaniment() -> None:
    assert colour_of(without(["drums", "bass"])) == colour_of("accompaniment")


def test_text_and_back() -> None:
    assert str(COLOURS["piano"]) == "#F0E442"
    assert Colour.parse(str(COLOURS["piano"])) == COLOURS["piano"]
