"""Models chosen by their quality, over OSC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SONGS
from tests.ladder_models import install
from tests.osc.requests import ENDS, submit
from tests.server import Server, Tcp, Udp


@pytest.fixture
def peer(home: Path, tmp_path: Path) -> Iterator[Udp]:
    install(home, "slow", sdr_db=9, cost=10)
    install(home, "quick", sdr_db=4, cost=0.01)
    (tmp_path / "song.ogg").symlink_to(SONGS / "sodium.ogg")
    options = ("--quality", "good", "--offline", "--jobs", "1")
    with Server(tmp_path, tmp_path / "state", (*options, "--root", str(SONGS))) as server:
        assert "--quality good: bridge-4stems" in server.log
        with Tcp(server.port) as peer:
            yield peer


def test_a_client_has_models_chosen(peer: Udp, tmp_path: Path) -> None:
    answer = peer.ask("/stems/choose", "sss", "best", "low,high", "offline=1")
    assert answer.arguments[:5] == ["/stems/choose", "slow", "low,high", 1, 0]
    assert answer.arguments[5] == pytest.approx(0.1)
    assert str(answer.arguments[6]).startswith("--quality best: slow")
    for rung, name in (("best", "slow"), ("fast", "quick")):
        options = f"quality={rung};stems=low"
        for _ in range(2):  # the same job, which keeps its model
            submit(peer, rung, tmp_path / rung, SONGS / "sodium.ogg", options=options)
            messages = peer.receive_until(*ENDS)
            assert messages[-1].address == "/stems/done", messages[-1].arguments
        outcome = (tmp_path / rung / "outcome.json").read_text("utf-8")
        assert f'"model":"{name}"' in outcome


@pytest.mark.parametrize(
    ("model", "options", "code", "sentence"),
    [
        ("quick", "quality=best;stems=low", -3, "quality is in place of one"),
        ("", "quality=superb", -3, "Option quality"),
        ("", "commercial=1", -3, "go with a quality"),
        ("", "quality=best;stems=kazoo", -5, "No model makes kazoo"),
    ],
)
def test_what_is_refused(
    model: str, options: str, code: int, sentence: str, peer: Udp, tmp_path: Path
) -> None:
    submit(peer, "j", tmp_path / "out", SONGS / "sodium.ogg", options=options, model=model)
    (error,) = peer.receive_until(*ENDS)
    assert error.arguments[2] == code
    assert sentence in str(error.arguments[3])
    assert peer.ask("/stems/choose", "ss", "", "low").address == "/stems/error"
