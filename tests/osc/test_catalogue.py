"""Jobs for models that are not here yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio
from daw_bridge.library.colours import colour_of
from tests.catalogue import entry, write_catalogue, write_published
from tests.osc.requests import ENDS, status_of, submit
from tests.server import Server, Tcp, Udp, wait_until
from tests.web import serve

UNFETCHED = (
    "Model gone is not on this machine and could not be fetched: no connection to 127.0.0.1."
    " `stemtool models pull gone` tries again."
)


def listed(peer: Udp) -> dict[str, list[object]]:
    """Return the rows of all models by their names, page by page."""
    rows: dict[str, list[object]] = {}
    count = 1
    while len(rows) < count:
        peer.send("/stems/models", "i", len(rows))
        *page, done = peer.receive_until("/stems/done")
        rows |= {str(row.arguments[1]): list(row.arguments[2:]) for row in page}
        count = int(str(done.arguments[1]))
    return rows


@pytest.mark.usefixtures("home")
def test_a_job_brings_the_model_that_it_names_or_says_why_not(tmp_path: Path, clip: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    write_published(folder)
    with serve(folder) as site:
        table = f'configuration = {{ url = "{site.address}/table.json" }}'
        duet = entry("duet", f"{site.address}/net.onnx", table)
        write_catalogue(duet + entry("gone", "http://127.0.0.1:9/net.onnx"))
        shipped = ("--model", "bridge-4stems")
        with Server(tmp_path, tmp_path / "state", shipped) as server, Tcp(server.port) as peer:
            lead_and_backing = [44_100, "lead,backing", "CC0-1.0"]
            assert listed(peer)["duet"] == [*lead_and_backing, "not fetched yet", 0.0]
            submit(peer, "one", tmp_path / "out", clip, model="duet", options="bits=32f")
            last = peer.receive_until(*ENDS)[-1]
            assert last.address == "/stems/done", last.arguments
            wait_until(lambda: listed(peer)["duet"][3] == "here")  # lists are kept for a moment
            wait_until(lambda: server.facts.get("model:duet") == "lead,backing")
            assert server.facts["colour:lead"] == str(colour_of("lead"))
            submit(peer, "two", tmp_path / "gone", clip, model="gone")
            assert peer.receive_until(*ENDS)[-1].arguments[1:] == ["two", -5, UNFETCHED]
            assert status_of(tmp_path / "gone")["message"] == UNFETCHED
            assert "http://127.0.0.1:9/net.onnx" in server.log
    stems = [Audio.read(path) for path in sorted((tmp_path / "out").glob("*.wav"))]
    assert len(stems) == 2
    mixture = Audio.read(clip)
    np.testing.assert_allclose(sum(each.samples for each in stems), mixture.samples, atol=1e-6)
