"""The network runtime: magnitudes → masks. The only file that knows ONNX Runtime."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from daw_bridge.errors import ProviderError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Magnitudes: TypeAlias = NDArray[np.float32]
"""(channels, time_frames, bins)"""
Masks: TypeAlias = NDArray[np.float32]
"""(stems, channels, time_frames, bins)"""
Provider: TypeAlias = Literal["auto", "cpu", "cuda"]

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


class Network(Protocol):
    """What the pipeline asks of a network."""

    @property
    def provider(self) -> str:
        """Where it really runs: ``cpu`` or ``cuda``."""
        ...

    @property
    def concurrent_runs(self) -> int:
        """How many calls at a time use the device fully; calls may come from several threads."""
        ...

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        """Return masks, 0 or more, for one segment, in an array that the caller may write to."""
        ...


class OnnxNetwork:
    """A network in ONNX Runtime, loaded once and kept.

    On the CPU two segments run side by side on half of the threads each: that is faster than one
    segment on all of them, because neighbouring operators need not wait for each other.

    Args:
        path: the ``.onnx`` file.
        provider: ``auto`` takes a GPU where there is a usable one.
        threads: CPU threads for all runs together; None: as many as this process may use.

    Raises:
        ProviderError: the GPU was asked for and cannot be used; the message says why.
        WeightsError: the file is no graph that the runtime can load.
    """

    def __init__(
        self, path: Path, *, provider: Provider = "auto", threads: int | None = None
    ) -> None:
        self.provider = choose_provider(provider)
        threads = threads or usable_cpus()
        self.concurrent_runs = min(_MAX_CONCURRENT_RUNS, threads) if self.provider == "cpu" else 1
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_ERRORS_ONLY
        options.intra_op_num_threads = threads // self.concurrent_runs
        options.use_deterministic_compute = True
        # A waiting thread that spins takes a core from the transforms that run beside it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[f"{self.provider.upper()}ExecutionProvider"]
            )
        except Exception as error:  # the runtime's own exceptions share no narrower base
            raise WeightsError(f"{path} is no network that can be loaded: {error}") from error
        self.stems: int = self._session.get_outputs()[0].shape[0]
        if self.provider == "cuda" and "CUDAExecutionProvider" not in self._session.get_providers():
            raise ProviderError("ONNX Runtime could not start CUDA; --provider cpu does without.")

    def __call__(self, magnitudes: Magnitudes) -> Masks:
        """Return masks, 0 or more, for one segment."""
        outputs: Any = self._session.run(["masks"], {"magnitudes": magnitudes[np.newaxis]})
        masks: Masks = outputs[0][:, 0]
        return masks


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
