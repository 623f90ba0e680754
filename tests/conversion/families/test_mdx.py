"""MDX-Net's graphs, imported: nets of the same signature, made here."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, Separator
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import DawBridgeError
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.mini_mdx import SHAPE, WINDOW, write_net

if TYPE_CHECKING:
    from pathlib import Path

GAIN = 1.035

pytestmark = pytest.mark.usefixtures("home")


def configured(folder: Path, told: object) -> ImportOptions:
    path = folder / "model.json"
    path.write_text(json.dumps(told), "utf-8")
    return ImportOptions(wishes=ImportWishes(configuration=path))


@pytest.mark.parametrize("is_in_the_file", [True, False])
def test_a_network_runs_unchanged_on_a_real_song(
    is_in_the_file: bool, home: Path, song: Audio
) -> None:
    told = {"mdx_n_fft_scale_set": WINDOW, "compensate": GAIN, "primary_stem": "Vocals"}
    if is_in_the_file:
        path = write_net(home / "net.onnx", SHAPE, **{k: str(v) for k, v in told.items()})
        manifest = import_checkpoint(str(path))
    else:
        path = write_net(home / "net.onnx", SHAPE)
        manifest = import_checkpoint(str(path), configured(home, told))
    assert (manifest.name, manifest.stems) == ("net", ("vocals", "instrumental"))
    assert (home / "models" / "net" / "network.onnx").read_bytes() == path.read_bytes()
    with Separator("net", provider="cpu") as separator:
        stems = separator.separate(song)
    left, right = stems["vocals"].samples
    assert not right.any()
    # The highest third of the band is not the network's, and music has little there.
    assert level_db(left - np.float32(GAIN) * song.samples[0], song.samples[0]) < -25
    assert level_db(stems.residual(), song.samples) < -120


@pytest.mark.parametrize(
    ("shape", "told", "complaint"),
    [
        (SHAPE, {}, "does not tell the length of its transform: --config takes"),
        (SHAPE, {"mdx_n_fft_scale_set": "long"}, "is of no MDX-Net: Expected `int`"),
        (SHAPE, {"mdx_n_fft_scale_set": None}, "is of no MDX-Net: Expected `int`"),
        (SHAPE, {"mdx_n_fft_scale_set": 10**18}, "is of no MDX-Net: .*<= 65536"),
        (SHAPE, {"mdx_n_fft_scale_set": WINDOW, "compensate": math.nan}, "is of no MDX-Net"),
        (SHAPE, {"mdx_n_fft_scale_set": WINDOW, "compensate": math.inf}, "is of no MDX-Net"),
        (SHAPE, {"mdx_n_fft_scale_set": WINDOW, "primary_stem": "v" * 999}, "is of no MDX-Net"),
        ([0, 4, 4096, 64], {"mdx_n_fft_scale_set": WINDOW}, "takes 4 planes of 4096 bins"),
        ([0, 2, 2048, 64], {"mdx_n_fft_scale_set": WINDOW}, "takes 2 planes"),
        ([0, 4, 2048, 0], {"mdx_n_fft_scale_set": WINDOW}, "and 0 frames"),
        (SHAPE, ["nothing"], "it holds no table of named values"),
    ],
)
def test_what_cannot_be_run_is_refused(
    shape: list[int], told: object, complaint: str, home: Path
) -> None:
    path = write_net(home / "net.onnx", shape)
    with pytest.raises(DawBridgeError, match=complaint):
        import_checkpoint(str(path), configured(home, told))
    assert not (home / "models" / "net").exists()


def test_a_graph_of_another_kind_is_refused(home: Path) -> None:
    path = write_net(home / "net.onnx", [0, 4, 2048])
    with pytest.raises(DawBridgeError, match="is no checkpoint that"):
        import_checkpoint(str(path))
    options = configured(home, {"mdx_n_fft_scale_set": WINDOW})
    with pytest.raises(DawBridgeError, match="does not take and give planes"):
        import_checkpoint(str(path), replace(options, family="mdx"))


def test_what_is_no_graph_is_refused(home: Path) -> None:
    (home / "net.onnx").write_bytes(b"nothing")
    with pytest.raises(DawBridgeError, match="is no ONNX graph"):
        import_checkpoint(str(home / "net.onnx"))
