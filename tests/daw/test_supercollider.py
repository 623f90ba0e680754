"""The class for SuperCollider, in a real sclang that talks to a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from daw_bridge import Audio
from tests.daw.conftest import CLIENTS, PAGE, assert_stems, free_port, install, labelled
from tests.programs import require
from tests.server import HOST, Server

if TYPE_CHECKING:
    from daw_bridge import Separator

# Prints each callback, the values in JSON, and leaves at the end.
SCRIPT = """
var say = {{ |what, values|
    "SAID % %".format(what, values.collect(_.asString).asCompileString).postln
}};
var leave = {{ |... values| say.(\\end, values); 0.exit }};
~job = StemServer("{host}", {port}).separate(
    {path}, {out_dir},
    onStem: {{ |name, path| say.(\\stem, [name, path]) }},
    onDone: {{ |stems| leave.(*stems.keys.asArray.sort) }},
    onError: {{ |message, code| leave.(code, message) }},
    onProgress: {{ |done, phase| say.(\\progress, [done, phase]) }}{more}
);
{after}
SystemClock.sched(50, {{ leave.("nothing came") }});
"""


def literal(text: object) -> str:
    """Return a string as sclang writes it."""
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def run(
    tmp_path: Path, server: Server, path: str, out_dir: Path, *, more: str = "", after: str = ""
) -> dict[str, list[list[str]]]:
    """Separate in sclang; return what each callback was called with."""
    script = SCRIPT.format(
        host=HOST, port=server.port, path=path, out_dir=literal(out_dir), more=more, after=after
    )
    said: dict[str, list[list[str]]] = {"stem": [], "progress": [], "end": []}
    for line in start_sclang(tmp_path, server, script):
        if line.startswith("SAID "):
            _, what, values = line.split(" ", 2)
            said[what].append(json.loads(values))
    return said


def start_sclang(tmp_path: Path, server: Server, script: str) -> list[str]:
    """Run a script in sclang, with our classes, until it exits; return the lines it printed."""
    (tmp_path / "run.scd").write_text(script, "utf-8")
    classes = install("supercollider", tmp_path / "SuperCollider", server)
    configuration = f"includePaths: [{json.dumps(str(classes))}]\nexcludePaths: []\n"
    (tmp_path / "sclang.yaml").write_text(configuration, "utf-8")
    command = [require("sclang"), "-u", str(free_port())]
    command += ["-l", str(tmp_path / "sclang.yaml"), str(tmp_path / "run.scd")]
    headless = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}
    environment = {**os.environ, **headless, "HOME": str(tmp_path)}
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert "ERROR" not in result.stdout, result.stdout
    return result.stdout.splitlines()


def test_a_song_makes_the_round_trip(
    server: Server, song_path: Path, separator: Separator, tmp_path: Path
) -> None:
    out_dir = tmp_path / "the stems"
    said = run(tmp_path, server, literal(song_path), out_dir)
    paths = {name: out_dir / f"{name}.wav" for name in ("vocals", "accompaniment")}
    assert said["end"] == [["accompaniment", "vocals"]]
    assert said["stem"] == [[name, str(path)] for name, path in paths.items()]
    progress = [float(done) for done, _ in said["progress"]]
    assert progress
    assert progress == sorted(progress)
    assert_stems(paths, Audio.read(song_path), separator)


def test_part_options_and_two_mono_files(
    server: Server, song_path: Path, separator: Separator, tmp_path: Path
) -> None:
    song = Audio.read(song_path)
    sides = [tmp_path / "left.wav", tmp_path / "right.wav"]
    for side, samples in zip(sides, song.samples, strict=True):
        soundfile.write(side, samples, song.sample_rate_hz, "FLOAT")
    more = ', start: 44100.0, length: 44100, options: (label: "50% b; c", bits: "32f")'
    said = run(tmp_path, server, f"[{', '.join(map(literal, sides))}]", tmp_path, more=more)
    assert said["end"] == [["accompaniment", "vocals"]]
    paths = {
        name: tmp_path / labelled("50% b; c", f"{name}.wav") for name in ("vocals", "accompaniment")
    }
    part = Audio(song.samples[:, 44_100 : 2 * 44_100].copy(), song.sample_rate_hz)
    assert_stems(paths, part, separator)


def test_errors_and_cancel(
    server: Server, song_path: Path, long_song_path: Path, tmp_path: Path
) -> None:
    said = run(tmp_path, server, literal(tmp_path / "gone.wav"), tmp_path / "out")
    ((code, message),) = said["end"]
    assert code == "-4"
    assert "gone.wav" in message
    after = "SystemClock.sched(0.5, { ~job.cancel; nil });"
    said = run(tmp_path, server, literal(long_song_path), tmp_path / "out", after=after)
    assert said["end"][0][0] == "-7"


def test_no_server(deaf_server: Server, song_path: Path, tmp_path: Path) -> None:
    said = run(tmp_path, deaf_server, literal(song_path), tmp_path / "out")
    assert said["end"] == [["-1", "No answer: is stemtool serve running?"]]


def test_the_examples_compile(deaf_server: Server, tmp_path: Path) -> None:
    """Each is evaluated by itself; to run them takes a sound card."""
    examples = (CLIENTS / "supercollider" / "StemServer.scd").read_text("utf-8").split("\n\n")
    examples += re.findall(r"^```supercollider\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    compiled = [f"{literal(example)}.compile.notNil" for example in examples]
    script = f'"COMPILED %".format([{", ".join(compiled)}]).postln; 0.exit;'
    lines = start_sclang(tmp_path, deaf_server, script)
    assert f"COMPILED [ {', '.join(['true'] * 4)} ]" in lines
