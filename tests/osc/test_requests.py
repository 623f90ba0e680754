"""Requests that no client of ours makes: each is refused in a sentence, and nothing breaks."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daw_bridge.bounds import MAX_FRAMES, MAX_NAMES, MAX_OPTIONS_LENGTH
from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.library.manifest import ModelManifest
from daw_bridge.osc.addresses import METHODS
from daw_bridge.osc.methods import _parse_options
from daw_bridge.workers.confinement import check_task
from daw_bridge.workers.task import KINDS, Task
from tests.conftest import make_noise
from tests.osc.requests import submit
from tests.server import Server, Tcp

REQUESTS = 400
ODD_TEXTS = [
    "", " ", ".", "..", "/", "-1", "0", "1", "2", "nan", "inf", "-inf", "null", "true", "yes",
    "1_000", "0x10", " 5", "+5", "1e3", "1e999", "9" * 400, "5.0", "\u0661", "none", "1.1@.",
    "80@-10", "...@-", "CON", "nul.wav", "com1", "a.", "a ", "x" * 300, "é" * 128, "\x1b[2J",
    "a\nb=c", "\u202eb", "%00", "%FF", "%ED%A0%80", "=", ",", "a=,b", "vocals", "vocals,vocals",
    "vocals=-6", "vocals=nan", "vocals=1e999", "vocals=1_0", "vocals=-6dB",
    "vocals" + " " * 120 + "x", "=1", "karaoke", "karaoke,karaoke", ",".join("abcdefgh" * 20),
    "stems", "channels", "mix", "7.1",
    "spleeter", "ratio", "16k", "32f", "flac", "m4a", "{root}", "{root}/out", "{root}/mix.wav",
    "{root}/" + "x" * 256, "{root}/" + "a/" * 900, "{root}/../x", "{root}/loop", "{root}/fifo",
    "{root}/no/folder", "transfer:x", "transfer:../x", "{state}/jobs.sqlite", "osc.udp://:0",
    "osc.udp://:99999", "osc.udp://[::1%x]:1", "http://[", "/x y", "/stems/x y", "/é y", "/x \x07",
    "{{stem}}", "{{track!r:>99999}}", "\ud7ff", "\U0010ffff", "\ufffe",
]  # fmt: skip
ODD_NUMBERS = [
    0, -1, 1, 0.5, -0.0, 2**31 - 1, -(2**31), 2**53, 2**53 + 2, 2**63 - 1, 1e18, 1e19, 1e308,
    -1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
OPTIONS = sorted(
    {name for kind in KINDS.values() for name in kind.choices.__struct_encode_fields__}
)

texts = st.sampled_from(ODD_TEXTS) | st.text(max_size=40)
wholes = st.sampled_from([int(each) for each in ODD_NUMBERS if math.isfinite(each)])


@pytest.fixture
def root(tmp_path: Path, manifest: ModelManifest) -> Path:
    soundfile.write(tmp_path / "mix.wav", make_noise(100).samples.T, 44_100)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return tmp_path


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    options=st.dictionaries(st.sampled_from(OPTIONS) | texts, texts, max_size=4),
    place=texts,
    span=st.tuples(wholes, st.none() | wholes),
)
def test_what_cannot_be_made_is_refused_in_a_sentence(
    kind: str,
    options: dict[str, str],
    place: str,
    span: tuple[int, int | None],
    root: Path,
) -> None:
    said = {name: text.replace("{root}", str(root)) for name, text in options.items()}
    task = Task(
        "job", kind, "spleeter-2stems", (str(root / "mix.wav"),), f"{root}/out/{place}", *span, said
    )
    with suppress(DawBridgeError):
        check_task(task, [root])


@given(st.text() | st.text("ab=;%0123ED", max_size=80))
def test_any_text_is_options_or_is_refused(text: str) -> None:
    try:
        options = _parse_options(text)
    except OptionError:
        return
    assert not any("\0" in value for value in options.values())


@pytest.mark.parametrize(
    "text", [";".join(f"{i}=1" for i in range(MAX_NAMES + 1)), "a=" + "b" * MAX_OPTIONS_LENGTH]
)
def test_options_are_so_many_and_so_long(text: str) -> None:
    with pytest.raises(OptionError, match="at most"):
        _parse_options(text)


def test_no_request_is_an_error_of_ours(server: Server, root: Path) -> None:
    chance = random.Random(7)
    for turn in range(REQUESTS):
        method = chance.choice(list(METHODS.values()))
        with Tcp(server.port) as peer:
            count = chance.choice([len(method.signature.split()), chance.randrange(9)])
            try:
                parameters = method.parameters(count)
            except OptionError:
                continue
            values = [odd(each.type, root, server, chance) for each in parameters]
            peer.send(method.address, "".join(each.type for each in parameters), *values)
            peer.send("/stems/sync", "i", turn)
            answers = (
                [] if method.address == "/stems/hello" else peer.receive_until("/stems/synced")
            )
        assert not any("of its own" in str(answer) for answer in answers), (method, values, answers)
    assert "error of ours" not in server.log
    assert server.is_running()


def odd(letter: str, root: Path, server: Server, chance: random.Random) -> str | float | bytes:
    """Return an argument of a type such as no client would send."""
    if letter == "b":
        return bytes(chance.randrange(1, 9))
    if letter in "ih":
        limit = 2**31 if letter == "i" else 2**63
        fit = [int(each) for each in ODD_NUMBERS if -limit <= each < limit]
        return chance.choice(fit)
    if letter in "fd":
        return chance.choice(ODD_NUMBERS)
    pairs = [f"{chance.choice(OPTIONS)}={chance.choice(ODD_TEXTS)}" for _ in range(2)]
    text = chance.choice([*ODD_TEXTS, ";".join(pairs), "{root}/mix.wav", "{root}/out"])
    return text.replace("{root}", str(root)).replace("{state}", str(server.state))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"options": "preset=" + ",".join(["karaoke"] * 17), "kind": "remix"}, "at most 16 names"),
        ({"options": "shifts=100000"}, "1 to 20"),
        ({"options": "wiener=100000"}, "0 to 20"),
        ({"options": "track=100000"}, "up to 10000"),
        ({"options": "track=" + "9" * 400}, "up to 10000"),
        ({"options": "label=%00"}, "%00"),
        ({"options": "on_done=/stems/x y"}, "on_done"),
        ({"options": "on_done=/x %1B"}, "printable"),
        ({"options": "stems=" + "x" * 5000, "kind": "remix"}, "at most 4096"),
        ({"start": 1e300}, str(MAX_FRAMES)),
        ({"length": 1e300}, str(MAX_FRAMES)),
        ({"model": "m" * 1000}, "at most 128"),
    ],
)
def test_each_bound_is_told(
    asked: dict[str, str], sentence: str, server: Server, root: Path
) -> None:
    with Tcp(server.port) as peer:
        submit(peer, "job", root / "out", root / "mix.wav", **asked)  # type: ignore[arg-type]
        answer = peer.receive()
    assert answer.address == "/stems/error"
    assert answer.arguments[2] == -3
    assert sentence in str(answer.arguments[3])


@pytest.mark.parametrize("path", ["{root}/" + "a/" * 7_000, "{root}/" + "x" * 5000])
def test_a_path_is_as_long_as_a_path(path: str, server: Server, root: Path) -> None:
    with Tcp(server.port) as peer:
        submit(peer, "job", root / "out", path.replace("{root}", str(root)))
        assert "at most 4096" in str(peer.receive().arguments[3])
