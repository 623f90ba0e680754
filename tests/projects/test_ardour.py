"""Ardour sessions of stems, opened, saved and exported by Ardour's own engine."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import OptionError
from daw_bridge.library.colours import SOURCE, colour_of
from daw_bridge.projects.destination import Destination
from daw_bridge.projects.formats import FORMATS
from daw_bridge.projects.writing import write_project
from tests.conftest import level_db
from tests.daw.ardour import Ardour, make_ardour
from tests.programs import require
from tests.projects.noises import FRAMES, START, STEMS, TITLE, make_project

pytestmark = pytest.mark.xdist_group("daw")

ATTEMPTS = 6  # on a busy machine, Ardour 7.3's export crashes or is late for any session at times

_TELL = """
local function tell(...)
  local words = {"told"}
  for _, each in ipairs({...}) do words[#words + 1] = tostring(each) end
  print(table.concat(words, "\t"))
end
load_session(arg[1], arg[2])
for route in Session:get_tracks():iter() do
  local track = route:to_track()
  for region in track:playlist():region_list():iter() do
    tell(track:name(), track:muted(), track:presentation_info_ptr():color(),
      region:position():samples(), region:length():samples(), track:n_outputs():n_audio())
  end
end
for location in Session:locations():list():iter() do
  tell(location:name(), location:start():samples(), location:is_mark())
end
Session:save_state("again")
close_session()
quit()
"""


@pytest.fixture(scope="module")
def ardour(tmp_path_factory: pytest.TempPathFactory) -> Ardour:
    return make_ardour(tmp_path_factory.mktemp("ardour"))


def exports(ardour: Ardour, session: Path) -> Iterator[np.ndarray]:
    """Yield what Ardour's export gives of a session, each time: float32 (channels, frames)."""
    path = ardour.folder / "exported.wav"
    command = [require("ardour7-export"), "-b", "float", "-o", path, session.parent, session.stem]
    for _ in range(ATTEMPTS):
        run = subprocess.run(
            list(map(str, command)),
            env=ardour.environment,
            capture_output=True,
            check=False,
            timeout=60,
        )
        if run.returncode == 0:
            yield soundfile.read(path, dtype="float32", always_2d=True)[0].T


@pytest.mark.parametrize(
    ("channels", "way"), [(1, "embed"), (2, "embed"), (6, "embed"), (2, "link")]
)
def test_what_ardour_exports_is_the_song(
    channels: int, way: str, ardour: Ardour, tmp_path: Path
) -> None:
    project = make_project(tmp_path, channels)
    session = tmp_path / "out" / "song" / "song.ardour"
    write_project(project, FORMATS["ardour"], Destination(session, way))  # type: ignore[arg-type]
    assert project.original
    expected = np.resize(Audio.read(project.original.file).samples, (max(2, channels), FRAMES))
    assert any(
        exported.shape == expected.shape and level_db(exported - expected, expected) < -120
        for exported in exports(ardour, session)
    )


def test_what_ardour_sees_and_saves(ardour: Ardour, tmp_path: Path) -> None:
    project = make_project(tmp_path, 2)
    session = tmp_path / "out" / TITLE / f"{TITLE}.ardour"
    write_project(project, FORMATS["ardour"], Destination(session))
    out = ardour.run_lua(_TELL, session.parent, session.stem)
    told = [line.split("\t")[1:] for line in out.splitlines() if line.startswith("told")]
    names = [TITLE, *(f"{TITLE} – {stem}" for stem in ("vocals", "drums", "lead- a-b"))]  # noqa: RUF001
    colours = [SOURCE, *map(colour_of, STEMS)]
    tracks = [
        [name, f"{not index}".lower(), int.from_bytes((*colour, 255), "big"), START, FRAMES, 2]
        for index, (name, colour) in enumerate(zip(names, colours, strict=True))
    ]
    places = [["session", START, "false"], ["Chorus & <2>", START + 44_100, "true"]]
    assert told == [list(map(str, row)) for row in (*tracks, *places)]
    again = ET.parse(session.with_name("again.ardour")).getroot()
    assert float(again.find("TempoMap/Tempos/Tempo").attrib["npm"]) == pytest.approx(98.5)  # type: ignore[union-attr]
    assert len(again.find("RouteGroups/RouteGroup").attrib["routes"].split()) == len(STEMS)  # type: ignore[union-attr]


def test_what_ardour_cannot_play_is_decoded_or_refused(ardour: Ardour, tmp_path: Path) -> None:
    project = make_project(tmp_path, 2, original="mp3")
    session = tmp_path / "out" / "song" / "song.ardour"
    with pytest.raises(OptionError, match="cannot play"):
        write_project(project, FORMATS["ardour"], Destination(session, "link"))
    assert not session.parent.exists()
    write_project(project, FORMATS["ardour"], Destination(session))
    assert project.original
    (decoded,) = session.parent.glob(f"interchange/song/audiofiles/{TITLE}.wav")
    np.testing.assert_array_equal(
        Audio.read(decoded).samples, Audio.read(project.original.file).samples
    )


def test_rates_that_ardour_does_not_have(tmp_path: Path) -> None:
    project = replace(make_project(tmp_path, 1), sample_rate_hz=44_056)
    with pytest.raises(OptionError, match="44056"):
        write_project(project, FORMATS["ardour"], Destination(tmp_path / "a" / "a.ardour"))
