"""The network runtime. The only file that knows ONNX Runtime."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from daw_bridge.errors import ProviderError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daw_bridge.separation.providers import Provider
    from daw_bridge.stft import Signal

Magnitudes: TypeAlias = NDArray[np.float32]
"""(channels, time_frames, bins)"""
Masks: TypeAlias = NDArray[np.float32]
"""(stems, channels, time_frames, bins)"""
StemSignals: TypeAlias = NDArray[np.float32]
"""(stems, channels, samples)"""

_MAX_CONCURRENT_RUNS = 2
_LOG_ERRORS_ONLY = 3
_CUDA_LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "linux": (
        "libcuda.so.1",
        "libonnxruntime_providers_shared.so",
        "libonnxruntime_providers_cuda.so",
    ),
    "win32": ("nvcuda.dll", "onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"),
}


class Device(Protocol):
    """Where a network runs."""

    @property
    def provider(self) -> str:
        """Where it really runs: ``cpu`` or ``cuda``."""
        ...

    @property
    def concurrent_runs(self) -> int:
        """How many calls at a time use the device fully; calls may come from several threads."""
        ...


class MaskNetwork(Device, Protocol):
    """What the pipeline asks of a network that gives masks."""

    def __call__(self, magnitudes: Magnitudes, /) -> Masks:
        """Return masks, 0 or more, for one segment, in an array that the caller may write to."""
        ...


class SignalNetwork(Device, Protocol):
    """What the pipeline asks of a network that gives signals."""

    @property
    def stems(self) -> int:
        """How many stems it gives."""
        ...

    def __call__(self, samples: Signal, /) -> StemSignals:
        """Return stems of one passage: float32 (channels, samples), as many as it was made for."""
        ...


class OnnxGraph:
    """A graph in ONNX Runtime, loaded once and kept.

    On the CPU two segments run side by side on half of the threads each: for networks of masks that
    is faster than one segment on all of them, because neighbouring operators need not wait for each
    other. Or they take turns, which takes half of the memory: one runs while the other is
    transformed.

    Args:
        path: the ``.onnx`` file.
        provider: ``auto`` takes a GPU where there is a usable one.
        threads: CPU threads for all runs together; None: as many as this process may use.
        ends: how many inputs it has, and as many outputs.
        in_turn: runs take turns.

    Raises:
        ProviderError: the GPU was asked for and cannot be used; the message says why.
        WeightsError: the file is no graph that the runtime can load, or has other ends.
    """

    def __init__(
        self,
        path: Path,
        *,
        provider: Provider = "auto",
        threads: int | None = None,
        ends: Literal[1, 2] = 1,
        in_turn: bool = False,
    ) -> None:
        self.provider = choose_provider(provider)
        threads = threads or usable_cpus()
        self.concurrent_runs = min(_MAX_CONCURRENT_RUNS, threads) if self.provider == "cpu" else 1
        runs = 1 if in_turn else self.concurrent_runs
        self._turns = threading.Semaphore(runs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_ERRORS_ONLY
        options.intra_op_num_threads = threads // runs
        options.use_deterministic_compute = True
        # What it plans on the first run would come on top of what that run took from the system.
        options.enable_mem_pattern = False
        # A waiting thread that spins takes a core from the transforms that run beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[f"{self.provider.upper()}ExecutionProvider"]
            )
        except Exception as error:  # the runtime's own exceptions share no narrower base
            raise WeightsError(f"{path} is no network that can be loaded: {error}") from error
        sources, targets = self._session.get_inputs(), self._session.get_outputs()
        if (len(sources), len(targets)) != (ends, ends):
            raise WeightsError(
                f"{path} has {len(sources)} inputs and {len(targets)} outputs, not"
                f" {('one', 'two')[ends - 1]} of each."
            )
        self.input_shapes: list[list[Any]] = [source.shape for source in sources]
        self.output_shapes: list[list[Any]] = [target.shape for target in targets]
        self._names = [source.name for source in sources]
        if self.provider == "cuda" and "CUDAExecutionProvider" not in self._session.get_providers():
            raise ProviderError("ONNX Runtime could not start CUDA; --provider cpu does without.")

    def run(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the graph's outputs for its inputs, of any shape, in its own order."""
        with self._turns:
            outputs: Any = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return list(outputs)


class OnnxNetwork(OnnxGraph):
    """A graph from (1, channels, …) to (stems, 1, channels, …).

    It takes magnitudes and gives masks, 0 or more, or takes samples and gives signals.
    """

    @property
    def stems(self) -> int:
        """How many stems it gives."""
        return int(self.output_shapes[0][0])

    def __call__(self, shown: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network gives for one segment: (stems, channels, …)."""
        (given,) = self.run(shown[np.newaxis])
        return given[:, 0]


def choose_provider(wanted: Provider) -> str:
    """Return the provider to ask ONNX Runtime for, ``cpu`` or ``cuda``.

    Raises:
        ProviderError: ``cuda`` is wanted and cannot be used.
    """
    if wanted == "cpu":
        return "cpu"
    obstacle = cuda_obstacle()
    if obstacle and wanted == "cuda":
        raise ProviderError(f"CUDA cannot be used here: {obstacle}.")
    return "cpu" if obstacle else "cuda"


def cuda_obstacle() -> str | None:
    """Return why CUDA cannot be used, or None where it can.

    ONNX Runtime lists CUDA even where its libraries are absent, and prints errors when it is then
    asked for, so they are loaded here first.
    """
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this build of ONNX Runtime has no CUDA; onnxruntime-gpu has"
    driver, *runtime = _CUDA_LIBRARIES.get(sys.platform, ("",))
    try:
        ctypes.CDLL(driver)
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
        for library in runtime:
            ctypes.CDLL(str(_runtime_folder() / library), ctypes.RTLD_GLOBAL)
    except OSError as error:
        return str(error)
    return None


def runtime_version() -> str:
    """Return ONNX Runtime's version and, where it has one, the CUDA version it wants."""
    cuda = getattr(onnxruntime, "cuda_version", "")
    return f"{onnxruntime.__version__}" + (f" (for CUDA {cuda})" if cuda else "")


def usable_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _runtime_folder() -> Path:
    return Path(onnxruntime.__file__).parent / "capi"
