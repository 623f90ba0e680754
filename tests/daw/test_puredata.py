"""The abstraction for Pure Data, in a real Pd that talks to a real server."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge import Audio
from tests.daw.conftest import assert_stems, install, labelled
from tests.programs import require
from tests.server import Server

if TYPE_CHECKING:
    from daw_bridge import Separator

# Sends its messages one after the other to [stems], prints what comes out, and quits at the end.
# As a person would, it does not begin at the very microsecond at which another Pd began.
PATCH = """#N canvas 0 0 450 300 12;
#X obj 20 20 loadbang;
#X obj 120 20 del {pause_ms};
#X msg 20 50 {messages};
#X obj 20 80 daw-bridge/stems {port};
#X obj 20 110 print PROGRESS;
#X obj 120 110 print STEM;
#X obj 220 110 print END;
#X obj 220 140 t b;
#X obj 220 170 del 100;
#X msg 220 200 \\; pd quit;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
#X connect 3 0 4 0;
#X connect 3 1 5 0;
#X connect 3 2 6 0;
#X connect 3 2 7 0;
#X connect 7 0 8 0;
#X connect 8 0 9 0;
"""


def quoted(word: object) -> str:
    """Return a word as a patch's file writes it; a message box escapes once more than an object."""
    return re.sub(r"([\\ ,;$])", r"\\\1", str(word))


def run(tmp_path: Path, server: Server, *messages: tuple[object, ...]) -> dict[str, list[str]]:
    """Run messages through the abstraction; return what was printed, by the outlet's name."""
    text = " \\, ".join(" ".join(map(quoted, message)) for message in messages)
    (tmp_path / "main.pd").write_text(
        PATCH.format(messages=text, port=server.port, pause_ms=200 * random.random()), "utf-8"
    )
    printed: dict[str, list[str]] = {"PROGRESS": [], "STEM": [], "END": []}
    extra = install("puredata", tmp_path / "extra", server).parent
    for line in start_pd(tmp_path / "main.pd", "-path", str(extra)):
        outlet, _, rest = line.partition(": ")
        printed.setdefault(outlet, []).append(rest)
    return printed


def start_pd(patch: Path, *flags: str) -> list[str]:
    """Run a patch in Pd until it quits; return the lines that it printed."""
    command = [require("pd"), "-nogui", "-noaudio", "-nomidi", "-stderr", "-noprefs"]
    command += [*flags, str(patch)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return result.stderr.splitlines()


def test_a_song_makes_the_round_trip(
    server: Server, song_path: Path, separator: Separator, tmp_path: Path
) -> None:
    out_dir = tmp_path / "the stems; of me, here"
    printed = run(tmp_path, server, ("separate", song_path, out_dir))
    paths = {name: out_dir / f"{name}.wav" for name in ("vocals", "accompaniment")}
    assert printed["END"] == ["done 2"]
    assert printed["STEM"] == [f"{name} {quoted(path)}" for name, path in paths.items()]
    progress = [float(number) for number in printed["PROGRESS"]]
    assert progress
    assert progress == sorted(progress)
    assert all(0 <= number <= 1 for number in progress)
    assert_stems(paths, Audio.read(song_path), separator)


def test_options_and_model(server: Server, song_path: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "out"
    printed = run(
        tmp_path,
        server,
        ("model", "spleeter-2stems"),
        ("options", "stems=vocals;label=Bass DI"),
        ("separate", song_path, out_dir),
    )
    assert printed["END"] == ["done 1"]
    assert [path.name for path in out_dir.glob("*.wav")] == [labelled("Bass DI", "vocals.wav")]


def test_what_is_wrong_comes_out(server: Server, song_path: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "out"
    printed = run(tmp_path, server, ("separate", tmp_path / "gone.wav", out_dir))
    (end,) = printed["END"]
    assert end.startswith("error -4 ")
    assert "gone.wav" in end
    printed = run(tmp_path, server, ("model", "nonesuch"), ("separate", song_path, out_dir))
    assert printed["END"][0].startswith("error -5 ")
    printed = run(tmp_path, server, ("separate", song_path, song_path / "no folder"))
    assert printed["END"][0].startswith("error -1 ")


def test_the_same_folder_again_is_another_job(
    server: Server, song_path: Path, tmp_path: Path
) -> None:
    """After a restart of Pd, too: the stems that are there are not taken for the new job's."""
    out_dir = tmp_path / "out"
    separate = ("separate", song_path, out_dir)
    assert run(tmp_path, server, separate)["END"] == ["done 2"]
    assert run(tmp_path, server, separate)["END"][0].startswith("error ")
    again = run(tmp_path, server, ("options", "overwrite=1"), separate)
    assert again["END"] == ["done 2"]


def test_cancel_reaches_the_job(server: Server, long_song_path: Path, tmp_path: Path) -> None:
    separate = ("separate", long_song_path, tmp_path / "out")
    printed = run(tmp_path, server, separate, ("cancel",))
    assert printed["END"][0].startswith("error -7 ")


def test_no_server(deaf_server: Server, tmp_path: Path) -> None:
    printed = run(tmp_path, deaf_server, ("separate", "/song.wav", tmp_path / "out"))
    assert printed["END"] == [f"error -1 {quoted('no answer: is stemtool serve running?')}"]


def test_the_help_opens_without_complaint(deaf_server: Server, tmp_path: Path) -> None:
    patch = install("puredata", tmp_path / "extra", deaf_server) / "stems-help.pd"
    text = patch.read_text("utf-8")
    boxes = len(re.findall(r"^#X (?!connect)", text, re.MULTILINE))
    quit_soon = "#X obj 20 600 loadbang;\n#X obj 20 630 del 100;\n#X msg 20 660 \\; pd quit;\n"
    quit_soon += f"#X connect {boxes} 0 {boxes + 1} 0;\n#X connect {boxes + 1} 0 {boxes + 2} 0;\n"
    patch.write_text(text + quit_soon, "utf-8")
    assert start_pd(patch) == []
