"""The protocol, spoken to a real server."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, Separator
from daw_bridge.errors import ConfinementError, OptionError
from daw_bridge.library.catalogue import load_published
from daw_bridge.library.models import load_manifests
from daw_bridge.loudness import LoudnessMeter
from daw_bridge.osc.addresses import MAJOR, MINOR
from daw_bridge.osc.messages import encode, frame
from daw_bridge.rendering.preset import load_preset
from tests.osc.requests import ENDS, status_of, submit
from tests.server import HOST, Server, Tcp, Udp, wait_until
from tests.stem_files import FOUR, labels, write_labelled


@pytest.fixture(params=[Udp, Tcp])
def peer(request: pytest.FixtureRequest, server: Server) -> Iterator[Udp]:
    with request.param(server.port) as peer:
        yield peer


def test_hello(peer: Udp) -> None:
    answer = peer.ask("/stems/hello", "siis", "tests", 1, 0, "")
    assert answer.address == "/stems/reply"
    assert answer.arguments[0] == "/stems/hello"
    assert answer.arguments[2:4] == [MAJOR, MINOR]
    other = peer.ask("/stems/hello", "siis", "tests", 2, 0, "")
    assert other.address == "/stems/error"
    assert other.arguments[2] == -2


def test_lists(peer: Udp) -> None:
    peer.send("/stems/models")
    *rows, done = peer.receive_until("/stems/done")
    assert rows[0].arguments[:6] == [
        "/stems/models", "spleeter-2stems", 44_100, "vocals,accompaniment", "MIT", "here",
    ]  # fmt: skip
    models = [*load_manifests(), *load_published()]
    assert done.arguments == ["/stems/models", len(models), ""]
    peer.send("/stems/presets")
    *rows, done = peer.receive_until("/stems/done")
    sentences = {row.arguments[1]: row.arguments[2] for row in rows}
    assert sentences["karaoke"] == load_preset("karaoke").summary
    assert done.arguments == ["/stems/presets", len(sentences), ""]
    assert peer.ask("/stems/sync", "f", 7.0).arguments == [7]


def test_a_selection_becomes_stems(
    peer: Udp, clip: Path, tmp_path: Path, separator: Separator
) -> None:
    out = tmp_path / "out"
    submit(peer, f"{tmp_path}".replace("/", "-"), out, clip, start=1000, length=44_100,
           options="bits=32f;label=Git%3B 1")  # fmt: skip
    messages = peer.receive_until(*ENDS)
    assert messages[0].arguments[2] == "queued"
    assert {message.address for message in messages[1:-3]} == {"/stems/progress"}
    stems = {each.arguments[3]: Path(str(each.arguments[4])) for each in messages[-3:-1]}
    assert [each.arguments[1:3] for each in messages[-3:-1]] == [[0, 2], [1, 2]]
    assert stems["vocals"] == out / "Git; 1 – vocals.wav"  # noqa: RUF001
    mixture = Audio.read(clip)
    selection = Audio(mixture.samples[:, 1000:45_100], mixture.sample_rate_hz)
    expected = separator.separate(selection)
    for name, path in stems.items():
        written = Audio.read(path)
        np.testing.assert_array_equal(written.samples, expected[str(name)].samples)
    manifest = json.loads(Path(str(messages[-1].arguments[2])).read_bytes())
    assert manifest["start"] == 1000
    assert manifest["frames"] == 44_100
    assert manifest["null_db"] < -120
    status = status_of(out)
    assert status["state"] == "done"
    assert status["stem:vocals"] == str(stems["vocals"])
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_two_mono_files_are_one_source(
    server: Server, clip: Path, tmp_path: Path, separator: Separator
) -> None:
    mixture = Audio.read(clip)
    sides = [tmp_path / f"clip%{side}.wav" for side in "LR"]
    for path, channel in zip(sides, mixture.samples, strict=True):
        soundfile.write(path, channel, mixture.sample_rate_hz, "FLOAT")
    with Udp(server.port) as peer:
        submit(peer, "two-monos", tmp_path / "out", *sides, options="bits=32f")
        assert peer.receive_until(*ENDS)[-1].address == "/stems/done"
    vocals = Audio.read(tmp_path / "out" / "vocals.wav")
    np.testing.assert_array_equal(vocals.samples, separator.separate(mixture)["vocals"].samples)


def test_the_same_again_is_the_same_job(server: Server, clip: Path, tmp_path: Path) -> None:
    with Udp(server.port) as first, Tcp(server.port) as second:
        submit(first, "again", tmp_path / "out", clip)
        first.receive_until("/stems/done")
        written = (tmp_path / "out" / "vocals.wav").stat().st_mtime_ns
        submit(second, "again", tmp_path / "out", clip)
        reply, *stems, done = second.receive_until(*ENDS)
        assert reply.arguments[2] == "done"
        assert len(stems) == 2
        assert done.address == "/stems/done"
        assert (tmp_path / "out" / "vocals.wav").stat().st_mtime_ns == written
        submit(second, "again", tmp_path / "out", clip, length=5)
        refusal = second.receive()
        assert refusal.arguments[1:3] == ["again", -3]
        assert first.ask("/stems/status", "s", "again").arguments[2] == "done"


@pytest.mark.parametrize(
    ("change", "code", "tells_the_folder"),
    [
        ({"paths": ("{tmp}/none.wav",)}, -4, True),
        ({"paths": ("{tmp}/text.wav",)}, -4, True),
        ({"paths": ("/etc/hostname",)}, -9, True),
        ({"paths": ("transfer:unknown",)}, -3, True),
        ({"folder": "/tmp/not-allowed-here"}, -9, False),
        ({"folder": "relative"}, -9, False),
        ({"model": "spleeter-9stems"}, -5, True),
        ({"options": "stems=drums"}, -3, True),
        ({"options": "nonsense"}, -3, False),
        ({"options": "label=%FF"}, -3, False),
        ({"options": "reply=osc.udp://10.0.0.1:99"}, -3, False),
        ({"options": "on_done=/stems/cancel x"}, -3, False),
        ({"job": "a/b"}, -3, False),
        ({"job": ""}, -3, False),
        ({"start": 1e9}, -4, True),
        ({"start": -5}, -3, True),
        ({"length": 0}, -3, True),
    ],
)
def test_refusals(
    change: dict[str, object], code: int, tells_the_folder: bool, server: Server, clip: Path,
    tmp_path: Path, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    (tmp_path / "text.wav").write_text("la la la")
    out = tmp_path / "out"
    out.mkdir()
    said: dict[str, object] = {"job": request.node.name.replace("/", "|"), "folder": out,
                               "paths": (clip,), **change}  # fmt: skip
    paths = [str(path).format(tmp=tmp_path) for path in said.pop("paths")]  # type: ignore[attr-defined]
    with Udp(server.port) as peer:
        submit(peer, str(said.pop("job")), str(said.pop("folder")), *paths, **said)  # type: ignore[arg-type]
        refusal = peer.receive_until(*ENDS)[-1]
    assert refusal.address == "/stems/error"
    assert refusal.arguments[0] == "/stems/separate"
    assert refusal.arguments[2] == code
    assert str(refusal.arguments[3]).endswith(".")
    if tells_the_folder:
        assert status_of(out)["state"] == "failed"
        assert status_of(out)["error"] == str(code)
    assert [path.name for path in out.glob("*")] in ([], ["status"])


def test_a_refused_job_leaves_no_folder(server: Server, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with Udp(server.port) as peer:
        for number in range(50):
            for folder in (str(tmp_path / "new" / f"{number}"), "", str(tmp_path / "mine")):
                submit(peer, f"refused {number}", folder, clip, model="spleeter-9stems")
                assert peer.receive().arguments[1:3] == [f"refused {number}", -5]
    assert not (tmp_path / "new").exists()
    assert not list((server.state / "results").glob("*"))
    assert status_of(tmp_path / "mine")["message"].startswith("There is no model")
    reasons = (server.state / "refused").read_text("utf-8").splitlines()
    assert len(reasons) == 100
    assert reasons[-1].startswith("refused 49=There is no model 'spleeter-9stems'")


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (b"garbage!", -3),
        (encode("/stems/unknown"), -3),
        (encode("/stems/*"), -3),
        (encode("/stems/list", "s", "1"), -3),
        (encode("/stems/sync", "s", "1"), -3),
        (encode("/stems/sync", "h", 1 << 40), -3),
        (encode("/stems/sync", "d", 1e300), -3),
        (encode("/stems/get", "ssd", "job", "vocals", 1e300), -3),
        (encode("/stems/cancel", "s", "nobody"), -8),
        (encode("/stems/put", "sshs", "t", "n", 4, "0" * 64), -3),
        (encode("/stems/sync", "i", 1) + bytes(20_000), -3),
    ],
)
def test_what_cannot_be_taken_is_answered(packet: bytes, code: int, server: Server) -> None:
    with Udp(server.port) as peer:
        peer.socket.send(packet)
        answer = peer.receive()
        assert answer.address == "/stems/error"
        assert answer.arguments[2] == code
        assert peer.ask("/stems/sync", "i", 3).arguments == [3]


def test_servers_do_not_answer_servers(server: Server) -> None:
    with Udp(server.port) as peer:
        for address in ("/stems/error", "/stems/reply", "/stems/done", "/stems/synced"):
            peer.send(address, "s", "x")
        assert peer.ask("/stems/sync", "i", 4).arguments == [4]


def test_answers_go_where_they_are_wanted(server: Server, clip: Path, tmp_path: Path) -> None:
    with Udp(server.port) as sender, Udp(server.port) as listener:
        sender.send("/stems/hello", "siis", "diverted", 1, 0, listener.url)
        assert listener.receive().arguments[0] == "/stems/hello"
        sender.send("/stems/sync", "i", 5)
        assert listener.receive().arguments == [5]
    with Udp(server.port) as sender, Udp(server.port) as listener:
        options = f"reply={listener.url};on_done=/access_action LuaAction/script-1"
        submit(sender, "diverted", tmp_path / "out", clip, options=options)
        *_, last = listener.receive_until("/access_action")
        assert last.arguments == ["LuaAction/script-1"]
        submit(sender, "diverted too", tmp_path / "out", clip, options=options)
        assert listener.receive().address == "/stems/error"
        assert sender.ask("/stems/sync", "i", 6).arguments == [6]


def test_a_job_can_be_called_off(server: Server, long: Path, clip: Path, tmp_path: Path) -> None:
    with Udp(server.port) as peer:
        submit(peer, "called off", tmp_path / "out", long)
        peer.receive_until("/stems/progress")
        submit(peer, "same folder", tmp_path / "out", clip)
        messages = peer.receive_until("/stems/error")
        assert messages[-1].arguments[1:3] == ["same folder", -6]
        submit(peer, "waits", tmp_path / "other", long)
        submit(peer, "called off too", tmp_path / "third", long)
        for job in ("called off too", "called off", "waits"):
            peer.send("/stems/cancel", "s", job)
        over: set[object] = set()
        while len(over) < 3:
            message = peer.receive_until(*ENDS)[-1]
            assert message.arguments[2] == -7
            over.add(message.arguments[1])
        assert peer.ask("/stems/status", "s", "called off").arguments[2] == "cancelled"
    for folder in ("out", "other", "third"):
        assert [path.name for path in (tmp_path / folder).iterdir()] == ["status"]
    assert status_of(tmp_path / "out")["state"] == "cancelled"


def test_a_selection_does_not_wait_for_a_set(
    server: Server, clip: Path, long: Path, tmp_path: Path
) -> None:
    with Udp(server.port) as peer, Tcp(server.port) as other:
        for name in ("set 1", "set 2"):
            submit(peer, name, tmp_path / name, long)
        peer.receive_until("/stems/progress")
        submit(other, "selection", tmp_path / "out", clip)
        assert other.receive_until(*ENDS)[-1].address == "/stems/done"
        assert other.ask("/stems/status", "s", "set 1").arguments[2] == "running"
        assert other.ask("/stems/status", "s", "set 2").arguments[2] == "queued"
        for name in ("set 2", "set 1"):
            peer.send("/stems/cancel", "s", name)
        for _ in range(2):
            assert peer.receive_until(*ENDS)[-1].arguments[2] == -7


def test_a_link_made_while_a_job_runs_leads_nowhere(
    server: Server, long: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path / "out"
    with Udp(server.port) as peer:
        submit(peer, "link", out, long)
        peer.receive_until("/stems/progress")
        out.rename(tmp_path / "away")
        out.symlink_to("/var/tmp")
        messages = peer.receive_until(*ENDS)
        out.unlink()
    assert messages[-1].arguments[1:3] == ["link", -9]
    assert not list(Path("/var/tmp").glob("*vocals.wav"))


def test_audio_travels_both_ways(
    server: Server, clip: Path, tmp_path: Path, separator: Separator
) -> None:
    with server.client(name="remote") as client:
        source = client.upload(clip)
        stems = client.separate([source], "", options={"bits": "32f"}, job="remote")
        assert all(path.is_relative_to(server.state / "results") for path in stems.values())
        client.download("remote", "vocals", tmp_path / "got" / "vocals.wav")
        client.drop(source)
        with pytest.raises(OptionError, match="was not announced"):
            client.drop(source)
    expected = separator.separate(Audio.read(clip))["vocals"].samples
    written = Audio.read(tmp_path / "got" / "vocals.wav").samples
    np.testing.assert_array_equal(written, expected)
    assert [path.name for path in (tmp_path / "got").iterdir()] == ["vocals.wav"]


def test_a_remix_of_a_stem_file(server: Server, tmp_path: Path) -> None:
    stem_file = write_labelled(tmp_path / "song.stem.mp4", labels(*FOUR))
    with server.client(name="mixer") as client:
        source = client.upload(stem_file)
        options = {"preset": "drumless", "keep_stems": "1"}
        assert list(client.remix([source], "", options=options)) == ["remix", *FOUR]


def test_a_remix_by_a_real_client(
    server: Server, clip: Path, tmp_path: Path, separator: Separator
) -> None:
    heard: list[float] = []
    options = {"preset": "karaoke,streaming", "gain": "vocals=3", "bits": "32f", "keep_stems": "1"}
    with server.client(name="mixer") as client:
        assert "karaoke" in client.presets()
        source = client.upload(clip)
        results = client.remix([source], "", options=options, job="mix", progress=heard.append)
        assert list(results) == ["remix", "vocals", "accompaniment"]
        client.download("mix", "remix", tmp_path / "remix.wav")
        with pytest.raises(OptionError, match="did you mean 'karaoke'"):
            client.remix([source], "", options={"preset": "karaok"})
        with pytest.raises(OptionError, match="needs a stem 'drums'"):
            client.remix([source], "", options={"preset": "drumless"})
        with pytest.raises(ConfinementError):
            client.remix([source], "", options={"stems": "/etc"})
    assert heard[-1] == 1
    remix, stems = Audio.read(tmp_path / "remix.wav"), separator.separate(Audio.read(clip))
    assert remix.frames == stems.mixture.shape[1]
    meter = LoudnessMeter(remix.sample_rate_hz, [1, 1])
    meter.add(remix.samples)
    assert meter.integrated_lufs == pytest.approx(-14, abs=0.1)


def test_an_upmix_by_a_real_client(server: Server, clip: Path, tmp_path: Path) -> None:
    heard: list[float] = []
    with server.client(name="mixer") as client:
        source = client.upload(clip)
        results = client.upmix([source], "", options={"layout": "quad"}, job="quad",
                               progress=heard.append)  # fmt: skip
        assert list(results) == ["quad"]
        client.download("quad", "quad", tmp_path / "quad.wav")
        with pytest.raises(OptionError, match="There is no layout"):
            client.upmix([source], "", options={"layout": "9.1"})
    assert heard[-1] == 1
    mix = Audio.read(tmp_path / "quad.wav").samples
    assert mix.shape == (4, Audio.read(clip).frames)


@pytest.mark.parametrize(
    ("kind", "phase"), [("separate", "separating"), ("remix", "remixing"), ("upmix", "upmixing")]
)
def test_a_job_says_what_it_is_doing(
    kind: str, phase: str, server: Server, clip: Path, tmp_path: Path
) -> None:
    with Udp(server.port) as peer:
        submit(peer, f"phase of {kind}", tmp_path / "out", clip, kind=kind)
        messages = peer.receive_until(*ENDS)
    assert messages[-1].address == "/stems/done"
    phases = {each.arguments[2] for each in messages if each.address == "/stems/progress"}
    assert phases == {phase}


def test_a_remix_is_called_off(server: Server, long: Path, tmp_path: Path) -> None:
    with Udp(server.port) as peer:
        submit(peer, "off", tmp_path / "out", long, options="tempo=0.8", kind="remix")
        peer.receive_until("/stems/progress")
        peer.send("/stems/cancel", "s", "off")
        assert peer.receive_until(*ENDS)[-1].arguments[1:3] == ["off", -7]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["status"]


def test_broken_connections_are_taken_up_again(server: Server, clip: Path, tmp_path: Path) -> None:
    """A proxy cuts the connection every 200 kB, either way; nothing is lost or sent twice."""
    from tests.osc.proxy import CuttingProxy

    with CuttingProxy(server.port, cut_after_bytes=200_000) as proxy:
        from daw_bridge.osc.client import Client

        with Client(HOST, proxy.port) as client:
            source = client.upload(clip)
            client.separate([source], "", job="through a bad line")
            client.download("through a bad line", "vocals", tmp_path / "vocals.wav")
        assert proxy.cuts >= 4
    assert Audio.read(tmp_path / "vocals.wav").frames == Audio.read(clip).frames


def test_a_message_that_is_too_large_ends_the_connection_only(server: Server) -> None:
    with Tcp(server.port) as peer:
        peer.socket.sendall(struct.pack(">I", 1 << 31))
        assert peer.receive().arguments[2] == -3
        with pytest.raises(EOFError):
            peer.receive()
    with Tcp(server.port) as peer:
        assert peer.ask("/stems/sync", "i", 8).arguments == [8]


def test_who_does_not_read_is_cut_off(server: Server) -> None:
    with Tcp(server.port) as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.socket.settimeout(0.5)
        request = frame(encode("/stems/models")) * 1_000_000
        with pytest.raises((TimeoutError, ConnectionError)):
            deaf.socket.sendall(request)
    with Tcp(server.port) as peer:
        assert peer.ask("/stems/sync", "i", 9).arguments == [9]


def test_the_server_says_where_it_is(server: Server) -> None:
    assert server.facts["model:spleeter-2stems"] == "vocals,accompaniment"
    assert server.facts["host"] == HOST
    assert server.process
    assert server.facts["pid"] == str(server.process.pid)
    wait_until(lambda: "event=ready" in server.log)
