"""What a stranger put into the models and presets folders spoils nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import SONGS
from tests.mini_mdx import WINDOW, write_net
from tests.mini_model import install_staged
from tests.server import Server
from tests.stemtool import stemtool

STAGE = "[[stages]]\nparts = ['low', 'high']\nfilter = { kind = 'low-pass', cutoff_hz = 200 }\n"


@pytest.fixture
def broken(home: Path) -> list[Path]:
    """Manifests and presets that cannot be read, beside a model that can."""
    install_staged(home, "crossover", ("low", "high"), STAGE)
    wild = install_staged(home, "wild", ("low", "high"), STAGE)
    wild.write_text(wild.read_text("utf-8").replace("1.4.0", "1/../../../x"), "utf-8")
    pipe = home / "models" / "pipe" / "manifest.toml"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    deep = home / "presets" / "effects" / "deep.toml"
    deep.parent.mkdir(parents=True)
    deep.write_text("bus = " + "[" * 50_000)
    layout = home / "presets" / "layouts" / "9.1.toml"
    layout.parent.mkdir(parents=True)
    layout.write_text("name = 3")
    return [pipe, wild, deep, layout]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_lists_go_on(broken: list[Path]) -> None:
    pipe, wild, deep, layout = broken
    for arguments, culprits, listed in (
        (("models", "list"), (pipe, wild), "crossover"),
        (("models", "list", "--available"), (pipe, wild), "spleeter-2stems"),
        (("models", "verify"), (pipe, wild), "crossover: intact"),
        (("presets", "list"), (deep,), "karaoke"),
        (("presets", "layouts"), (layout,), "5.1"),
    ):
        run = stemtool(*arguments, timeout=60)
        assert run.returncode == 0, run.stderr
        assert listed in run.stdout
        warnings = [line for line in run.stderr.splitlines() if "It is left out" in line]
        assert len(warnings) == len(culprits)
        assert all(any(str(path) in line for line in warnings) for path in culprits)
        assert "Traceback" not in run.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_doctor_finds_what_is_broken(broken: list[Path]) -> None:
    pipe, wild, deep, layout = map(str, broken)
    run = stemtool("doctor", "--json", timeout=60)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["Model crossover"] == "weights are here and intact"
    assert report["Broken model 1"].startswith(f"{pipe} cannot be read: it is a pipe")
    assert report["Broken model 2"].startswith(f"{wild}, line 2, version: is letters, digits")
    assert report["Broken preset 1"].startswith(f"{deep} cannot be read: it nests more than")
    assert report["Broken preset 2"].startswith(f"{layout}, line ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_the_one_that_is_asked_for_gets_its_sentence(broken: list[Path]) -> None:
    for name, path in (("pipe", broken[0]), ("wild", broken[1])):
        for arguments in (
            ("models", "show", name), ("separate", SONGS / "sodium.ogg", "-o", "out", "-m", name),
        ):  # fmt: skip
            run = stemtool(*arguments, timeout=60)
            assert run.returncode == 1
            assert run.stderr.splitlines()[-1].startswith(f"stemtool: {path}")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_server_serves_the_others(broken: list[Path], tmp_path: Path) -> None:
    options = ("--model", "crossover")
    with Server(tmp_path, tmp_path / "state", options) as server, server.client() as client:
        assert "crossover" in client.models()
        assert "wild" not in client.models()
        assert "karaoke" in client.presets()
    assert f"It is left out: {broken[0]} cannot be read" in server.log


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_is_no_preset(home: Path) -> None:
    folder = home / "presets" / "effects"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.toml")
    (folder / "bytes.toml").write_bytes(b"\xff")
    for name in ("pipe", "bytes"):
        for arguments in (("show", name), ("new", "mine", "--from", name)):
            run = stemtool("presets", *arguments, timeout=60)
            assert run.returncode == 2
            assert f"stemtool: {folder / name}.toml cannot be read" in run.stderr


def test_a_stem_that_leads_elsewhere_is_never_written(home: Path, tmp_path: Path) -> None:
    """MDX-Net's files tell the names of their stems."""
    metadata = {"mdx_n_fft_scale_set": str(WINDOW), "primary_stem": "../../../canary"}
    net = write_net(tmp_path / "net.onnx", [0, 4, 2048, 64], **metadata)
    run = stemtool("models", "import", net)
    assert run.returncode == 1
    assert "is the name of a stem, and so of a file" in run.stderr
    assert [path.name for path in (home / "models").iterdir() if path.is_dir()] == []
    assert not list(tmp_path.rglob("*canary*"))


def test_a_models_folder_that_leads_elsewhere_is_not_written(home: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    (home / "models").mkdir()
    (home / "models" / "net").symlink_to(precious)
    net = write_net(tmp_path / "net.onnx", [0, 4, 2048, 64], mdx_n_fft_scale_set=str(WINDOW))
    run = stemtool("models", "import", net, "--overwrite")
    assert run.returncode == 1
    assert "leads out of" in run.stderr
    assert [path.name for path in precious.iterdir()] == ["thesis.txt"]
