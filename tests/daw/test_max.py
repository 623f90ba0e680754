"""The patches for Max, which cannot be run here: their form, connections, and what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from daw_bridge.osc.addresses import EVENTS, METHODS
from tests.daw.conftest import CLIENTS

PACKAGE = CLIENTS / "max"
ABSTRACTION = PACKAGE / "patchers" / "stems.maxpat"
PATCHES = [ABSTRACTION, PACKAGE / "help" / "stems.maxhelp"]


class Box(NamedTuple):
    """A box of a patch: what is written in it, and how many inlets and outlets it has."""

    text: str
    inlets: int
    outlets: int


class Cable(NamedTuple):
    """A connection, from an outlet to an inlet."""

    source: str
    outlet: int
    destination: str
    inlet: int


def read(path: Path) -> tuple[dict[str, Box], list[Cable]]:
    """Return a patch's boxes by their ids, and its cables."""
    patcher = json.loads(path.read_text("utf-8"))["patcher"]
    boxes = {}
    for entry in patcher["boxes"]:
        box = entry["box"]
        assert box["id"] not in boxes
        assert len(box.get("outlettype", [])) == box["numoutlets"]
        assert len(box["patching_rect"]) == 4
        text = box["text"] if box["maxclass"] == "newobj" else box["maxclass"]
        boxes[box["id"]] = Box(text, box["numinlets"], box["numoutlets"])
    lines = [entry["patchline"] for entry in patcher["lines"]]
    return boxes, [Cable(*line["source"], *line["destination"]) for line in lines]


def ports_of(text: str) -> tuple[int, int]:
    """Return how many inlets and outlets Max gives to a box, by its reference pages."""
    name, *arguments = text.split()
    count = len(arguments)
    formats = len(re.findall(r"%[lsdf]+", text))
    return {
        "button": (1, 1), "comment": (1, 0), "conformpath": (1, 2), "delay": (2, 1),
        "flonum": (1, 2), "inlet": (0, 1), "int": (2, 1), "loadbang": (1, 1), "message": (2, 1),
        "opendialog": (1, 2), "outlet": (1, 0), "pack": (count, 1), "prepend": (1, 1),
        "print": (1, 0), "random": (2, 1), "route": (count + 1, count + 1),
        "sprintf": (max(formats, 1), 1), "stems": (1, 3), "t": (1, count), "udpreceive": (1, 1),
        "udpsend": (1, 0), "unpack": (1, count), "zl.reg": (2, 2),
    }[name]  # fmt: skip


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.name)
def test_every_cable_has_two_ends(path: Path) -> None:
    boxes, cables = read(path)
    assert len(set(cables)) == len(cables)
    for box in boxes.values():
        assert (box.inlets, box.outlets) == ports_of(box.text), box.text
    for cable in cables:
        assert 0 <= cable.outlet < boxes[cable.source].outlets
        assert 0 <= cable.inlet < boxes[cable.destination].inlets


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.name)
def test_nothing_hangs_loose(path: Path) -> None:
    boxes, cables = read(path)
    connected = {id_ for cable in cables for id_ in (cable.source, cable.destination)}
    assert [box.text for id_, box in boxes.items() if id_ not in connected] == [
        box.text for box in boxes.values() if box.text == "comment"
    ]


def test_it_is_a_package() -> None:
    """Max looks into these folders of a package and reads this file."""
    assert json.loads((PACKAGE / "package-info.json").read_text("utf-8"))["name"] == "daw-bridge"
    files = {path for path in PACKAGE.rglob("*") if path.is_file()}
    assert files == {*PATCHES, PACKAGE / "package-info.json"}


def test_the_help_is_of_the_abstraction() -> None:
    """It uses as many inlets and outlets as there are."""
    boxes, _ = read(ABSTRACTION)
    names = [box.text for box in boxes.values()]
    assert (names.count("inlet"), names.count("outlet")) == ports_of("stems")


def test_what_it_says_is_what_the_server_knows() -> None:
    boxes, cables = read(ABSTRACTION)
    texts = {box.text for box in boxes.values()}
    addresses = {word for text in texts for word in text.split() if word.startswith("/stems/")}
    assert addresses <= set(METHODS) | set(EVENTS)
    hello = next(text for text in texts if text.startswith("sprintf /stems/hello")) % 9881
    client, *version, url = hello.split()[2:]
    METHODS["/stems/hello"].take([client, *map(int, version), url])
    separate = next(id_ for id_, box in boxes.items() if box.text == "prepend /stems/separate")
    (pack,) = [boxes[cable.source] for cable in cables if cable.destination == separate]
    arguments = [word if word == "s" else int(word) for word in pack.text.split()[1:]]
    METHODS["/stems/separate"].take(arguments)


def test_what_it_takes_in_is_what_the_server_says() -> None:
    boxes, cables = read(ABSTRACTION)
    route = next(id_ for id_, box in boxes.items() if box.text.startswith("route /stems/"))
    for cable in cables:
        if cable.source == route:
            address = boxes[route].text.split()[1:][cable.outlet]
            taken = boxes[cable.destination].text.split()[1:]
            sent = [parameter[0] for parameter in EVENTS[address].signature.split()]
            kinds = {"s": "s", "i": "0", "f": "0."}
            assert taken == [kinds[letter] for letter in sent], address
