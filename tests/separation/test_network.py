from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from daw_bridge.errors import ProviderError, WeightsError
from daw_bridge.separation import network
from daw_bridge.separation.network import OnnxNetwork, choose_provider, cuda_obstacle


def test_masks_are_shares(network_path: Path) -> None:
    net = OnnxNetwork(network_path, provider="cpu")
    magnitudes = np.abs(np.random.default_rng(0).standard_normal((2, 64, 1024))).astype(np.float32)
    masks = net(magnitudes)
    assert masks.shape == (2, 2, 64, 1024)
    assert masks.min() >= 0
    assert np.allclose(masks.sum(axis=0), 1, atol=1e-6)


def test_the_graph_is_sound(network_path: Path) -> None:
    onnx.checker.check_model(onnx.load(network_path), full_check=True)


def test_thread_counts_share_the_work(network_path: Path) -> None:
    assert OnnxNetwork(network_path, provider="cpu", threads=1).concurrent_runs == 1
    assert OnnxNetwork(network_path, provider="cpu", threads=2).concurrent_runs == 2


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="no network that can be loaded"):
        OnnxNetwork(tmp_path / "network.onnx", provider="cpu")


def test_auto_takes_the_cpu_and_cuda_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "cuda_obstacle", lambda: "libcuda.so.1 is missing")
    assert choose_provider("auto") == "cpu"
    with pytest.raises(ProviderError, match=r"libcuda\.so\.1 is missing"):
        choose_provider("cuda")


def test_auto_takes_a_usable_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "cuda_obstacle", lambda: None)
    assert choose_provider("auto") == "cuda"
    assert choose_provider("cpu") == "cpu"


def test_the_obstacle_is_found_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    cuda_obstacle()
    assert capfd.readouterr() == ("", "")
