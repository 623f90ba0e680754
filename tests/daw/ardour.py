"""A real Ardour on a screen of its own, without sound, and sessions for it."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import subprocess
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from daw_bridge import Audio
from daw_bridge.daw.ardour.registration import ScriptList
from daw_bridge.daw.ardour.session import StemTrack, place_stems
from daw_bridge.osc.messages import encode
from daw_bridge.projects.ardour import SUPERCLOCK_HZ
from daw_bridge.system import list_programs
from tests.daw.conftest import free_port
from tests.daw.homes import User
from tests.daw.screens import HEIGHT, WIDTH, process, screen
from tests.programs import require
from tests.server import HOST, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from daw_bridge.osc.addresses import Argument

RATE_HZ = 44_100
OF = " \N{EN DASH} "  # between the names of a track and of its stem
SEPARATE, SEPARATE_AGAIN, CANCEL = (f"LuaAction/script-{slot}" for slot in (2, 3, 4))  # 1: a user's
EVERYTHING = ("Common/deselect-all", "Editor/select-all-objects")  # else of the tracks selected
_HELPER = "ardour-avahi"  # which may outlive Ardour a little, and is Ardour to our installer

# Neither wizard nor questions, the backend without sound, and OSC.
_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour>
  <Config>
    <Option name="try-autostart-engine" value="1"/>
    <Option name="hide-dummy-backend" value="0"/>
    <Option name="discover-plugins-on-start" value="0"/>
    <Option name="osc-port" value="{port}"/>
  </Config>
  <Extra>
    <AudioMIDISetup>
      <EngineStates>
        <State backend="None (Dummy)" driver="Normal Speed" device="Silence" input-device=""
          output-device="" sample-rate="44100" buffer-size="1024" n-periods="0" input-latency="0"
          output-latency="0" lm-input="" lm-output="" active="1" use-buffered-io="0"
          midi-option="1 in, 1 out, Silence" lru="1"><MIDIDevices/></State>
      </EngineStates>
    </AudioMIDISetup>
  </Extra>
  <ControlProtocols>
    <Protocol name="Open Sound Control (OSC)" active="1" feedback="0" debugmode="0"/>
  </ControlProtocols>
</Ardour>
"""

# A script that a user might have: it tells what is selected, in slot 1.
_USERS_SCRIPT = """
ardour {
  ["type"] = "EditorAction",
  name = "Tell the selection",
}
function factory() return function()
  local file = io.open("@ANSWER@", "w")
  local selection = Editor:get_selection()
  file:write(selection.regions:regionlist():size(), " ",
    selection.time:start_sample(), " ", selection.time:end_sample(), "\\n")
  file:close()
end end
"""

_NEW_SESSION = """
create_session(arg[1], arg[2], tonumber(arg[3]))
for index = 4, #arg, 2 do
  local channels = tonumber(arg[index + 1])
  Session:new_audio_track(channels, 2, nil, 1, arg[index],
    ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, false)
end
Session:save_state("")
close_session()
quit()
"""


_BOUNCE = """
load_session(arg[1], arg[2])
for route in Session:get_tracks():iter() do
  local track = route:to_track()
  for region in track:playlist():region_list():iter() do
    local from = region:position():samples()
    local to = from + region:length():samples()
    local bounced = track:bounce_range(
      from, to, ARDOUR.InterThreadInfo(), ARDOUR.LuaAPI.nil_proc(), false, "bounced")
    for channel = 0, bounced:to_audioregion():n_channels() - 1 do
      print("bounced\\t" .. track:name() .. "\\t" .. bounced:source(channel):to_filesource():path())
    end
  end
end
close_session()
quit()
"""


@dataclass(frozen=True)
class Region:
    """A region as a saved session has it; times are in samples."""

    track: str
    position: int
    length: int
    files: tuple[Path, ...]
    start: int
    muted: bool

    def read(self) -> Audio:
        """Return what it plays, without fades."""
        parts = [Audio.read(file) for file in self.files]
        # Files of several channels are the same one.
        whole = parts[0] if parts[0].channels > 1 else join_channels(parts)
        played = whole.samples[:, self.start : self.start + self.length]
        return Audio(played, whole.sample_rate_hz)


@dataclass(frozen=True)
class Ardour(User):
    """A user of Ardour, with sessions in the same folder, and the port where it listens."""

    port: int

    @property
    def config(self) -> Path:
        return self.home / ".config" / "ardour7"

    @property
    def answer(self) -> Path:
        """Where the user's own script writes."""
        return self.folder / "selection"

    @property
    def log(self) -> str:
        path = self.state / "ardour.log"
        return path.read_text("utf-8") if path.exists() else ""

    def forget_log(self) -> None:
        (self.state / "ardour.log").unlink(missing_ok=True)

    def install(self) -> None:
        """Install our scripts, once no other Ardour of this machine runs."""
        wait_until(lambda: self.stemtool("daw", "install", "ardour").returncode == 0)

    def run_lua(self, code: str, *arguments: object) -> str:
        """Run Lua code in Ardour's engine, without a window."""
        script = self.folder / "script.lua"
        script.write_text(code, "utf-8")
        run = subprocess.run(
            [require("ardour7-lua"), str(script), *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return run.stdout

    def new_session(
        self, name: str, rate_hz: int, tracks: dict[str, int], within: Path | None = None
    ) -> Path:
        """Make a session with empty tracks of some channels; return its file."""
        flat = [part for track in tracks.items() for part in track]
        folder = (within or self.folder) / name
        self.run_lua(_NEW_SESSION, folder, name, rate_hz, *flat)
        return folder / f"{name}.ardour"

    def bounce(self, session: Path) -> dict[str, Audio]:
        """Return what Ardour's engine plays of the region on each track; the session stays."""
        out = self.run_lua(_BOUNCE, session.parent, session.stem)
        rows: dict[str, list[Audio]] = {}
        for track, file in re.findall(r"^bounced\t(.*)\t(.*)$", out, re.MULTILINE):
            rows.setdefault(track, []).append(Audio.read(file))
        return {track: join_channels(parts) for track, parts in rows.items()}

    @contextmanager
    def open(self, session: Path) -> Iterator[Window]:
        """Show a session until the block ends."""
        with screen() as display, (self.folder / "ardour.out").open("w") as out:
            environment = self.environment | {"DISPLAY": display}
            command = [require("ardour"), "--no-splash", "--no-announcements", session.parent]
            with process(list(map(str, command)), env=environment, stdout=out, stderr=out) as it:
                window = Window(self, display, session)
                wait_until(window.listens, lambda: it.poll() is None)
                yield window
        wait_until(lambda: _HELPER not in list_programs())


@dataclass(frozen=True)
class Window:
    """An Ardour that shows a session."""

    ardour: Ardour
    display: str
    session: Path

    def press(self, action: str) -> None:
        """Do what a menu item or a key does."""
        self.send("/access_action", "s", action)

    def select(self, *actions: str) -> None:
        """Do what selects something, until it does: at first there may be nothing to see."""
        wait_until(lambda: self._selects(actions))

    def _selects(self, actions: Sequence[str]) -> bool:
        answer = self.ardour.answer
        answer.unlink(missing_ok=True)
        for action in (*actions, "LuaAction/script-1"):
            self.press(action)
        wait_until(lambda: answer.exists() and answer.read_text("utf-8").endswith("\n"))
        regions, start, end = map(int, answer.read_text("utf-8").split())
        return regions > 0 or end > start

    def send(self, address: str, types: str = "", *arguments: Argument) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(encode(address, types, *arguments), (HOST, self.ardour.port))

    def save(self) -> None:
        """Save the session, and return when it is saved."""
        before = self.session.stat().st_mtime_ns
        self.press("Common/Save")
        wait_until(lambda: self.session.stat().st_mtime_ns != before)

    def listens(self) -> bool:
        """Tell whether the port is taken: Ardour opens it when it shows the session."""
        with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                datagrams.bind(("", self.ardour.port))
            except OSError:
                return True
        return False

    def press_key(self, *names: str) -> None:
        """Press keys together, for the window in the middle of the screen."""
        x11, xtest = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        display = ctypes.c_void_p(x11.XOpenDisplay(self.display.encode()))
        xtest.XTestFakeMotionEvent(display, -1, WIDTH // 2, HEIGHT // 2, 0)
        keys = [x11.XKeysymToKeycode(display, x11.XStringToKeysym(name.encode())) for name in names]
        for key in keys:
            xtest.XTestFakeKeyEvent(display, key, True, 0)
        for key in reversed(keys):
            xtest.XTestFakeKeyEvent(display, key, False, 0)
        x11.XCloseDisplay(display)

    def count(self, title: str) -> int:
        """Return how many windows of a title there are to be seen."""
        command = [require("xdotool"), "search", "--onlyvisible", "--name", title]
        environment = os.environ | {"DISPLAY": self.display}
        run = subprocess.run(command, env=environment, capture_output=True, check=False)
        return len(run.stdout.split())

    def show_models(self, title: str) -> None:
        """Open the menu of models in a dialog, and in it the one of those to be fetched."""
        find = [require("xdotool"), "search", "--onlyvisible", "--name", title]
        click = ["mousemove", "--window", "%1", "140", "22", "click", "1", "sleep", "1"]
        command = [*find, *click, "key", "Down", "Right", "sleep", "1"]
        subprocess.run(command, env=os.environ | {"DISPLAY": self.display}, check=True)


def join_channels(parts: Sequence[Audio]) -> Audio:
    """Return mono files together."""
    return Audio(np.concatenate([part.samples for part in parts]), parts[0].sample_rate_hz)


def make_ardour(folder: Path) -> Ardour:
    """Return an Ardour that was never used, but asks nothing when it starts."""
    require("ardour7-lua")
    ardour = Ardour(folder, free_port())
    ardour.config.mkdir(parents=True)
    ardour.state.mkdir(parents=True)
    (ardour.config / ".a7").touch()  # else it greets a new user
    (ardour.config / "config").write_text(_CONFIG.format(port=ardour.port), "utf-8")
    script = ardour.config / "scripts" / "selection.lua"
    script.parent.mkdir()
    script.write_text(_USERS_SCRIPT.replace("@ANSWER@", str(ardour.answer)), "utf-8")
    scripts = ScriptList({}, [])
    scripts.add_action(script)
    scripts.write(ardour.config / "ui_scripts")
    return ardour


def read_regions(session: Path) -> list[Region]:
    """Return the regions on the tracks of a saved session, from the top down."""
    root = ET.parse(session).getroot()
    ticks = SUPERCLOCK_HZ // int(root.attrib["sample-rate"])
    sources = {each.get("id"): each.attrib["name"] for each in root.iterfind("Sources/Source")}
    playlists = {each.get("id"): each for each in root.iterfind("Playlists/Playlist")}
    (folder,) = session.parent.glob("interchange/*/audiofiles")
    found = []
    for track in _tracks(root):
        for region in playlists[track.get("audio-playlist")]:
            length, position = _ticks(region.attrib["length"])
            (start,) = _ticks(region.attrib["start"])
            files = tuple(
                folder / sources[region.get(f"source-{channel}")]
                for channel in range(int(region.attrib["channels"]))
            )
            found.append(
                Region(
                    track.attrib["name"],
                    position // ticks,
                    length // ticks,
                    files,
                    start // ticks,
                    region.get("muted") == "1",
                )
            )
    return found


def _ticks(value: str) -> list[int]:
    """Return the numbers of a time such as ``a20``, or of a length and where it is counted from."""
    return [int(part[1:]) for part in value.split("@")]


def read_tracks(session: Path) -> list[str]:
    """Return the names of the tracks of a saved session, from the top down."""
    return [track.attrib["name"] for track in _tracks(ET.parse(session).getroot())]


def read_colours(session: Path) -> dict[str, str]:
    """Return the colour of each track of a saved session, as ``#RRGGBB``."""
    return {
        track.attrib["name"]: f"#{int(track.find('PresentationInfo').get('color')) >> 8:06X}"  # type: ignore[union-attr, arg-type]
        for track in _tracks(ET.parse(session).getroot())
    }


def read_groups(session: Path) -> dict[str, set[str]]:
    """Return the names of the tracks in each group of a saved session."""
    root = ET.parse(session).getroot()
    names = {track.attrib["id"]: track.attrib["name"] for track in _tracks(root)}
    return {
        group.attrib["name"]: {names[member] for member in group.get("routes", "").split()}
        for group in root.iterfind("RouteGroups/RouteGroup")
    }


def read_ranges(session: Path) -> list[str]:
    """Return the names of the ranges that are marked in a saved session."""
    locations = ET.parse(session).getroot().iterfind("Locations/Location")
    return [each.attrib["name"] for each in locations if "IsRangeMarker" in each.attrib["flags"]]


def _tracks(root: ET.Element) -> list[ET.Element]:
    tracks = [each for each in root.iterfind("Routes/Route") if "audio-playlist" in each.attrib]
    return sorted(tracks, key=lambda each: int(each.find("PresentationInfo").get("order")))  # type: ignore[union-attr, arg-type]


def choose(ardour: Ardour, **settings: str) -> None:
    """Choose what else a person would choose in the dialog."""
    lines = [f"{key}={value}\n" for key, value in ({"dialogs": "no"} | settings).items()]
    (ardour.state / "ardour.settings").write_text("".join(lines), "utf-8")


def add_region(session: Path, track: str, audio: Audio, position: int) -> None:
    """Put audio on a track of a saved session."""
    file = session.with_name("region.wav")
    soundfile.write(file, audio.samples.T, audio.sample_rate_hz, "FLOAT")
    (folder,) = session.parent.glob("interchange/*/audiofiles")
    channels, frames = audio.samples.shape
    place_stems(session, [StemTrack(track, file, position, frames, channels, folder)])


def find_mixtures(session: Path) -> set[Path]:
    """Return the files that the action had Ardour write for the server."""
    return set(session.parent.glob(f"interchange/*/audiofiles/*{OF}mixture*.wav"))


def read_mixture(session: Path, track: str, before: Iterable[Path] = ()) -> Audio:
    """Return what the action had Ardour write of a track, and what was not there before."""
    new = sorted(find_mixtures(session).difference(before))
    return join_channels([Audio.read(file) for file in new if file.name.startswith(track + OF)])
