"""Networks in the form in which this machine runs them."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Separator
from daw_bridge.conversion.graphs.unet import DEPTH, build_mask_unet
from daw_bridge.errors import WeightsError
from daw_bridge.library.models import load_manifest
from daw_bridge.separation.loading import Loader
from daw_bridge.separation.network import runs_alone
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.weights.prepared import ARRAYS, GRAPH, find_prepared, prepare
from tests import mini_model
from tests.conftest import make_noise
from tests.phased_model import install_phased

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "runtime 1, a processor"


def write(graph: Path) -> None:
    graph.write_bytes(b"graph")
    graph.with_name(ARRAYS).write_bytes(b"arrays")


def separate() -> np.ndarray:
    with Separator("phased", provider="cpu") as separator:
        return separator.separate(make_noise(20_000)).samples


def prepared_folder(home: Path) -> Path:
    (folder,) = (home / "prepared").glob("*[0-9a-f]")
    return folder


def test_a_network_is_prepared_once_and_gives_the_same(home: Path) -> None:
    network = install_phased(home).with_name("network.onnx")
    first = separate()
    made = (prepared_folder(home) / GRAPH).stat().st_mtime_ns
    network.rename(network.with_suffix(".gone"))  # all that runs is what was prepared
    assert np.array_equal(separate(), first)
    assert (prepared_folder(home) / GRAPH).stat().st_mtime_ns == made


def test_a_prepared_network_gives_the_bits_of_the_network_itself(home: Path) -> None:
    weights = mini_model.make_weights(0, (16,) * DEPTH)  # enough filters to be put into order
    network = build_mask_unet(weights, half=True).SerializeToString()
    digest = hashlib.sha256(network).hexdigest()
    stage = "[[stages]]\nparts = ['vocals', 'accompaniment']\n"
    stage += f"network = {{ file = 'wide.onnx', sha256 = '{digest}' }}\n"
    manifest = mini_model.install_staged(home, "wide", mini_model.STEMS, stage)
    manifest.with_name("wide.onnx").write_bytes(network)
    shown = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32)
    itself, prepared = (
        Loader("cpu", prepares=prepares).load(load_manifest("wide"))(shown)
        for prepares in (False, True)
    )
    assert np.array_equal(prepared, itself)
    token = runs_alone.set(True)
    try:
        on_all_threads = Loader("cpu", threads=2).load(load_manifest("wide"))(shown)
    finally:
        runs_alone.reset(token)
    assert np.array_equal(on_all_threads, itself)
    assert (prepared_folder(home) / ARRAYS).stat().st_size > len(network)


@pytest.mark.parametrize(("frames", "is_alone"), [(20_000, {True}), (200_000, {False})])
def test_only_where_one_segment_is_all_it_runs_alone(
    frames: int, is_alone: set[bool], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_phased(home)
    run, seen = OnnxGraph.run, set()

    def watched(graph: OnnxGraph, *inputs: np.ndarray) -> list[np.ndarray]:
        seen.add(runs_alone.get())
        return run(graph, *inputs)

    monkeypatch.setattr(OnnxGraph, "run", watched)
    with Separator("phased", provider="cpu", threads=2) as separator:
        for _ in range(2):
            separator.separate(make_noise(frames))
    assert seen == is_alone


def test_a_graph_that_was_changed_is_made_anew(home: Path) -> None:
    install_phased(home)
    first = separate()
    graph = prepared_folder(home) / GRAPH
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + b"?")
    assert np.array_equal(separate(), first)
    assert graph.read_bytes() == whole


def test_of_weights_that_were_changed_nothing_is_given(home: Path) -> None:
    install_phased(home)
    first = separate()
    arrays = prepared_folder(home) / ARRAYS
    arrays.write_bytes(arrays.read_bytes() + b"?")
    with pytest.raises(WeightsError, match="was damaged and is removed: once more"):
        separate()
    assert np.array_equal(separate(), first)


def test_where_nothing_can_be_kept_a_network_runs_as_it_is(home: Path) -> None:
    install_phased(home)
    (home / "prepared").write_text("no folder")
    assert separate().any()


def test_another_network_or_processor_is_another_folder(home: Path) -> None:
    found = prepare("1234", TARGET, write)
    assert found
    assert found == find_prepared("1234", TARGET)
    assert not find_prepared("1235", TARGET)
    assert not find_prepared("1234", f"{TARGET} with longer vectors")


def test_what_is_of_no_use_any_more_is_removed(home: Path) -> None:
    old, recent = (prepare(digest, TARGET, write) for digest in ("1", "2"))
    assert old
    assert recent
    long_ago = time.time() - 100 * 24 * 3600
    os.utime(old.graph.parent, (long_ago, long_ago))
    prepare("3", TARGET, write)
    assert not old.graph.exists()
    assert recent.graph.exists()
