"""Requests that cost a client nothing, and are not to cost the server more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.attacks.client import PATIENCE_S, Tcp, Udp
from tests.attacks.serving import (
    ENDS,
    PROMPT_S,
    assert_prompt,
    finished,
    serving,
    submit,
    write_song,
)
from tests.attacks.victims import SHARE
from tests.server import Server, memory_mb, wait_until

if TYPE_CHECKING:
    from pathlib import Path

_REFUSALS = 500
_RATE_HZ = 44_100
_SILENCE_SECONDS = 80 * 60

_COSTLY = [
    ("remix", "preset=" + ",".join(["karaoke"] * 60_000)),
    ("remix", "preset=" + ",".join(f"p{number}" for number in range(60_000))),
    ("remix", "gain=" + ",".join(f"s{number}=1" for number in range(60_000))),
    ("remix", "mute=" + ",".join(["vocals"] * 100_000)),
    ("remix", "solo=" + "," * 500_000),
    ("remix", "tempo=1e308"),
    ("remix", "pitch=nan"),
    ("remix", "lufs=nan"),
    ("remix", "true_peak=-inf"),
    ("separate", "shifts=100000"),
    ("separate", "shifts=" + "9" * 10_000),
    ("separate", "wiener=1000000"),
    ("separate", "overlap=nan"),
    ("separate", "track=" + "9" * 30),
    ("separate", "stems=" + ",".join(["vocals"] * 100_000)),
    ("separate", "stems=" + ",".join(f"s{number}" for number in range(100_000))),
    ("separate", "label=" + "x" * 500_000),
    ("separate", ";".join(f"o{number}=1" for number in range(100_000))),
    ("separate", ";".join(["bits=24"] * 100_000)),
    ("separate", "bits=" + "%32" * 100_000),
    ("separate", "=" * 500_000),
    ("separate", "bandwidth=" + "x" * 500_000),
    ("upmix", "layout=" + "x" * 500_000),
    ("upmix", "layout=../../x"),
    ("upmix", "lfe=1e308@nan"),
    ("upmix", "surround_level=nan"),
    ("upmix", "center_width=inf"),
]


@pytest.mark.parametrize(("kind", "options"), _COSTLY, ids=[text[:24] for _, text in _COSTLY])
def test_a_request_is_refused_and_nobody_waits(
    kind: str, options: str, server: Server, place: Path
) -> None:
    song = write_song(place / "song.wav", 0.5)
    with Tcp(server.port) as client:
        submit(client, f"costly-{place.name}", place / "out", song, options=options, kind=kind)
        assert_prompt(server)
        ended = client.receive(*ENDS)
    assert ended.address == "/stems/error"
    assert "error of its own" not in ended.arguments[3]


@pytest.mark.parametrize(
    ("types", "values"),
    [
        ("sssddss", ("", "{out}", 1e308, -1.0)),
        ("sssddss", ("", "{out}", float("nan"), -1.0)),
        ("sssddss", ("", "{out}", 0.0, float("inf"))),
        ("sssddss", ("", "{out}", -1e18, 1e18)),
        ("ssshhss", ("", "{out}", (1 << 63) - 1, (1 << 63) - 1)),
        ("sssddss", ("x" * 100_000, "{out}", 0.0, -1.0)),
        ("sssddss", ("../../x", "{out}", 0.0, -1.0)),
        ("sssddss", ("", "{out}/" + "x" * 300, 0.0, -1.0)),
        ("sssddss", ("", "{out}" + "/x" * 5_000, 0.0, -1.0)),
        ("sssddss", ("", "{out}\udcff", 0.0, -1.0)),
        ("sssddss", ("\udcff", "{out}", 0.0, -1.0)),
    ],
)
def test_no_argument_is_an_error_of_the_server_s_own(
    types: str, values: tuple[object, ...], server: Server, place: Path
) -> None:
    song = str(write_song(place / "song.wav", 0.5))
    model, folder, start, length = values
    said = (model, str(folder).format(out=place / "out"), start, length, "", song)
    with Tcp(server.port) as client:
        client.send("/stems/separate", types, f"odd-{place.name}", *said)
        ended = client.receive(*ENDS)
        assert client.ask("/stems/sync", "i", 1) == ("/stems/synced", [1])
    assert "error of its own" not in str(ended.arguments)


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1, (1 << 63) - 1, -(1 << 63)])
def test_a_number_beyond_32_bits_is_told_so(number: int, server: Server) -> None:
    for kind in (Udp, Tcp):
        with kind(server.port) as client:
            answer = client.ask("/stems/sync", "h", number)
        assert answer.address in {"/stems/error", "/stems/synced"}
        assert "error of its own" not in str(answer.arguments)


def test_many_names_of_one_source_are_refused(server: Server, place: Path) -> None:
    song = write_song(place / "song.wav", 0.5)
    with Tcp(server.port) as client:
        assert (
            finished(client, f"many-{place.name}", place / "out", *[song] * 200).address == ENDS[1]
        )
        assert (
            finished(client, f"fifty-{place.name}", place / "out", *[song] * 50).address == ENDS[1]
        )
    assert_prompt(server)


def test_refused_requests_leave_nothing(server: Server, place: Path) -> None:
    song = write_song(place / "song.wav", 0.5)
    kept = sum(1 for _ in server.state.rglob("*"))
    with Tcp(server.port) as client:
        for number in range(_REFUSALS):
            options = ("stems=drums", "bits=17", "nonsense", "preset=none")[number % 4]
            job = f"refused-{place.name}-{number}"
            folder = place / f"{number}" if number % 2 else ""
            assert finished(client, job, folder, song, options=options).address == "/stems/error"
    assert [path.name for path in place.iterdir()] == ["song.wav"]
    assert sum(1 for _ in server.state.rglob("*")) < kept + 10


def test_many_jobs_leave_memory_as_it_was(server: Server, place: Path) -> None:
    assert server.process
    before_mb = memory_mb(server.process.pid)
    with Tcp(server.port) as client:
        for number in range(2_000 // SHARE):
            client.ask("/stems/status", "s", f"{number}-" + "x" * 120)
            client.ask("/stems/cancel", "s", f"{number}-" + "y" * 120)
    assert memory_mb(server.process.pid) < before_mb + 20


def _write_silence(path: Path) -> Path:
    """Write 80 minutes into a file as small as one of seconds."""
    minute = np.zeros(60 * _RATE_HZ, np.int16)
    with soundfile.SoundFile(path, "w", _RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        for _ in range(_SILENCE_SECONDS // 60):
            file.write(minute)
    return path


def test_a_long_song_in_a_small_file_does_not_pass_for_a_short_one(
    library: Path, tmp_path: Path
) -> None:
    with serving(library, tmp_path) as server, Tcp(server.port) as client:
        silence = _write_silence(server.root / "silence.flac")
        short = write_song(server.root / "short.wav", 1)
        for number in range(2):
            submit(client, f"long-{number}", server.root / f"long-{number}", silence)
        time.sleep(PROMPT_S)  # both are under way, if both can be
        with Tcp(server.port, patience_s=PATIENCE_S) as other:
            assert finished(other, "short", server.root / "out", short).address == "/stems/done"
            states = [other.ask("/stems/status", "s", f"long-{n}").arguments[2] for n in range(2)]
        assert set(states) & {"running", "queued"}
        for number in range(2):
            client.send("/stems/cancel", "s", f"long-{number}")
        wait_until(lambda: not list(server.root.glob("long-*/.*")))
