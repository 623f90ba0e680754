"""The table of providers, and the stems of all that can be used here against those of the CPU.

Each build of ONNX Runtime has some of them, and only one build can be installed; docs/providers.md
says how to get each. In an environment of its own, with pytest beside it:

    pytest -rA tests/separation/test_providers.py

What cannot be used is skipped, with what is missing; -rA shows the differences in dB.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest

from daw_bridge import Audio, Separator, Stems
from daw_bridge.errors import ProviderError
from daw_bridge.separation import runtime
from daw_bridge.separation.providers import (
    PROVIDER_NAMES,
    PROVIDERS,
    ExecutionProvider,
    Provider,
    find_candidates,
    join_providers,
)
from daw_bridge.separation.runtime import choose_provider, find_obstacle
from tests.conftest import SONGS, level_db

OTHERS = [provider for provider in PROVIDERS if provider.name != "cpu"]
SONG = SONGS / "hydrogen.ogg"  # docs/providers.md says what happens in rubidium.ogg


def allow(monkeypatch: pytest.MonkeyPatch, *usable: str) -> None:
    """Have only these providers usable."""

    def find(provider: ExecutionProvider) -> str | None:
        return None if provider.name in usable else f"lib{provider.name}.so is missing"

    monkeypatch.setattr(runtime, "find_obstacle", find)


def test_the_table_has_all_names() -> None:
    names = [provider.name for provider in PROVIDERS]
    assert sorted(["auto", "gpu", *names]) == sorted(PROVIDER_NAMES)
    assert get_args(Provider) == PROVIDER_NAMES
    for provider in OTHERS:
        assert provider.remedy or not (provider.drivers or provider.plugins)
        assert set(provider.drivers) <= set(provider.systems)


def test_auto_takes_the_cpu_and_cuda_fails_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "cpu", "openvino", "coreml")
    assert choose_provider("auto").name == "cpu"
    with pytest.raises(ProviderError, match=r"CUDA cannot be used here: libcuda\.so is missing"):
        choose_provider("cuda")


def test_auto_takes_a_usable_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "cpu", "tensorrt", "cuda")
    assert choose_provider("auto").name == "cuda"
    assert choose_provider("gpu").name == "cuda"
    assert choose_provider("tensorrt").name == "tensorrt"
    assert choose_provider("cpu").name == "cpu"


def test_a_gpu_can_be_insisted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "cpu", "coreml")
    assert choose_provider("gpu").name == "coreml"
    allow(monkeypatch, "cpu", "openvino")
    with pytest.raises(ProviderError) as caught:
        choose_provider("gpu")
    for provider in find_candidates("gpu"):
        assert f"{provider.title} cannot be used here: lib{provider.name}.so" in str(caught.value)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ProviderError, match="did you mean 'cuda'"):
        choose_provider("cude")  # type: ignore[arg-type]


def test_several_networks_run_where_the_best_of_them_does() -> None:
    assert join_providers(["cpu", "cuda", "cpu"]) == "cuda"
    assert join_providers(["openvino", "cpu"]) == "openvino"
    assert join_providers(["cpu"]) == "cpu"


def test_the_cpu_can_be_used() -> None:
    assert [find_obstacle(provider) for provider in find_candidates("cpu")] == [None]


def test_the_obstacles_are_found_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    for provider in PROVIDERS:
        find_obstacle(provider)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "system", "remedy"),
    [
        ("coreml", "linux", "it is for macOS"),
        ("cuda", "darwin", "it is for Linux and Windows"),
        ("directml", "win32", "onnxruntime-directml has"),
        ("migraphx", "linux", "onnxruntime-migraphx has"),
    ],
)
def test_an_obstacle_says_what_to_do(
    name: Provider, system: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(onnxruntime, "get_available_providers", list)
    (provider,) = find_candidates(name)
    assert remedy in str(find_obstacle(provider))


def test_a_listed_provider_without_libraries_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = [name for provider in PROVIDERS for name in provider.runtime_names]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(runtime, "_runtime_folder", lambda: Path("/nowhere"))
    for provider in OTHERS:
        if provider.plugins and sys.platform in provider.systems:
            obstacle = str(find_obstacle(provider))
            assert obstacle.endswith(f"({provider.remedy})")


def test_a_library_that_is_loaded_late_is_missed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (cuda,) = find_candidates("cuda")

    def load(name: str, *_: object) -> None:
        if name == "libcudnn.so.9":
            raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(cuda.runtime_names))
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr("ctypes.CDLL", load)
    obstacle = f"libcudnn.so.9: cannot open shared object file ({cuda.remedy})"
    assert find_obstacle(cuda) == obstacle


def test_the_names_are_known_without_numerical_libraries() -> None:
    script = (
        "import sys, daw_bridge.separation.providers\n"
        "sys.exit(', '.join({'numpy', 'onnxruntime'} & set(sys.modules)) or 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def separate(model: str, provider: Provider) -> Stems:
    """Return the stems of a real song, twenty seconds of it."""
    with Separator(model, provider=provider) as separator:
        assert separator.provider == provider
        return separator.separate(Audio.read(SONG))


@pytest.mark.parametrize("model", ["spleeter-2stems", "bridge-4stems"])
@pytest.mark.parametrize("provider", OTHERS, ids=lambda provider: provider.name)
def test_stems_are_those_of_the_cpu(provider: ExecutionProvider, model: str) -> None:
    if obstacle := find_obstacle(provider):
        pytest.skip(f"{provider.title}: {obstacle}; docs/providers.md says how to run this test")
    ours, theirs, again = (separate(model, name) for name in ("cpu", provider.name, provider.name))
    for stem in ours.names:
        difference_db = level_db(theirs[stem].samples - ours[stem].samples, ours[stem].samples)
        print(f"{model} {stem}: {provider.name} differs from cpu by {difference_db:.1f} dB")
        assert difference_db < -80
    assert np.array_equal(again.samples, theirs.samples)
