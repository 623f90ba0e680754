"""ONNX Runtime: which of its providers can be used, and graphs that run on them.

The only file that knows it.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import platform
import re
import sys
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnxruntime

from daw_bridge.errors import ProviderError, WeightsError
from daw_bridge.separation.network import runs_alone
from daw_bridge.separation.providers import CPU, find_candidates
from daw_bridge.system import usable_cpus
from daw_bridge.weights.prepared import ARRAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daw_bridge.separation.network import Shape
    from daw_bridge.separation.providers import ExecutionProvider, Provider

_MAX_CONCURRENT_RUNS = 2
_FLOATS = "tensor(float)"
_CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_REASON_CHARACTERS = 300
_LOG_ERRORS_ONLY = 3
_AS_IT_IS = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
_OUTSIDE = "session.optimized_model_external_initializers"
_OUTSIDE_BYTES = 1024
"""Of an array that is kept outside of a graph; shapes, and the like, are looked at as it opens."""
_SYSTEMS = {"linux": "Linux", "win32": "Windows", "darwin": "macOS"}
_PLUGINS = {"linux": "libonnxruntime_providers_{}.so", "win32": "onnxruntime_providers_{}.dll"}


class OnnxGraph:
    """A graph in ONNX Runtime, loaded once and kept.

    On a CPU two segments run side by side on half of the threads each: for networks of masks that
    is faster than one segment on all of them, because neighbouring operators need not wait for each
    other. Or they take turns, as on a GPU, which takes half of the memory: one runs while the other
    is transformed. What was prepared runs on all threads where nothing will run beside it, which
    gives the same bits.

    Args:
        path: the ``.onnx`` file.
        provider: ``auto`` takes a GPU where there is a usable one.
        threads: CPU threads for all runs together; None: as many as this process may use.
        ends: how many inputs it has, and as many outputs.
        in_turn: runs take turns.
        measured: it has one output more, which tells of the run.
        prepared: what :func:`write_optimised` made of it, which is loaded in its place.

    Raises:
        ProviderError: what was asked for cannot be used; the message says why.
        WeightsError: the file is no graph that the runtime can load, or has other ends, or ends
            that are no arrays of float32.
    """

    def __init__(
        self,
        path: Path,
        *,
        provider: Provider = "auto",
        threads: int | None = None,
        ends: Literal[1, 2] = 1,
        in_turn: bool = False,
        measured: bool = False,
        prepared: Path | None = None,
    ) -> None:
        chosen = choose_provider(provider)
        threads = threads or usable_cpus()
        self.provider: str = chosen.name
        self.concurrent_runs = min(_MAX_CONCURRENT_RUNS, threads)
        runs = self.concurrent_runs if chosen.side_by_side and not in_turn else 1
        self._turns = threading.Semaphore(runs)
        options = _make_options(threads // runs)
        if prepared:
            _adapt(options)
        elif not chosen.optimised:
            options.graph_optimization_level = _AS_IT_IS
        if measured:
            # By default the runtime begins the last output, and all that is for it alone, when the
            # others are there, and keeps until then what they were made of.
            options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        self._session = _open_session(prepared or path, chosen, options, threads, runs)
        self._alone = self._session
        if prepared and runs > 1:
            options.intra_op_num_threads = threads
            self._alone = _open_session(prepared, chosen, options, threads, 1)
        sources, targets = self._session.get_inputs(), self._session.get_outputs()
        if (len(sources), len(targets)) != (ends, ends + measured):
            raise WeightsError(
                f"{path} has {len(sources)} inputs and {len(targets)} outputs, not"
                f" {('one', 'two')[ends - 1]} of each."
            )
        if {end.type for end in (*sources, *targets)} != {_FLOATS}:
            raise WeightsError(f"{path} takes or gives what is no array of 32-bit floats.")
        self._path = path
        self.input_shapes: list[Shape] = [source.shape for source in sources]
        self.output_shapes: list[Shape] = [target.shape for target in targets]
        self._names = [source.name for source in sources]

    def run(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the graph's outputs for its inputs, of any shape, in its own order.

        Raises:
            WeightsError: it cannot be run on them, or gives what it does not promise, or what is
                infinite or no number.
        """
        try:
            with self._turns:
                session = self._alone if runs_alone.get() else self._session
                outputs: Any = session.run(None, dict(zip(self._names, inputs, strict=True)))
        except Exception as error:  # the runtime's own exceptions share no narrower base
            raise WeightsError(f"{self._path} cannot be run: {_reason(error)}.") from error
        for promised, given in zip(self.output_shapes, outputs, strict=True):
            self._check(given, promised, inputs)
        return list(outputs)

    def _check(
        self, given: NDArray[np.float32], promised: Shape, inputs: Sequence[NDArray[np.float32]]
    ) -> None:
        """Refuse an output, of any shape, that is of another than promised, or not finite."""
        lengths = {
            name: length
            for shape, shown in zip(self.input_shapes, inputs, strict=True)
            for name, length in zip(shape, shown.shape, strict=True)
        }
        wanted = [length if isinstance(length, int) else lengths.get(length) for length in promised]
        if given.ndim != len(wanted) or any(
            length not in (None, got) for length, got in zip(wanted, given.shape, strict=True)
        ):
            raise WeightsError(
                f"{self._path} gives an array of {list(given.shape)}, where it promises {promised}."
            )
        if given.size and not (np.isfinite(given.min()) and np.isfinite(given.max())):
            raise WeightsError(
                f"{self._path} gives what is infinite or not a number: its weights are of no use."
            )


def choose_provider(wanted: Provider) -> ExecutionProvider:
    """Return the best provider that is meant by a name and can be used.

    Raises:
        ProviderError: none can; the message says of each what is missing.
    """
    obstacles = []
    for provider in find_candidates(wanted):
        obstacle = find_obstacle(provider)
        if obstacle is None:
            return provider
        obstacles.append(f"{provider.title} cannot be used here: {obstacle}")
    raise ProviderError("; ".join(obstacles) + ".")


def find_obstacle(provider: ExecutionProvider) -> str | None:
    """Return why a provider cannot be used and what to do about it, or None where it can be.

    ONNX Runtime lists providers whose libraries are absent, and prints errors when it is then asked
    for one, so they are loaded here first.
    """
    if provider.systems and sys.platform not in provider.systems:
        return f"it is for {' and '.join(_SYSTEMS[system] for system in provider.systems)}"
    if provider.runtime_names[0] not in onnxruntime.get_available_providers():
        return f"this build of ONNX Runtime has no {provider.title} ({provider.package} has)"
    try:
        if sys.platform in provider.drivers:
            ctypes.CDLL(provider.drivers[sys.platform])
        if provider.plugins:
            with contextlib.redirect_stdout(io.StringIO()):
                onnxruntime.preload_dlls()
        for plugin in provider.plugins:
            library = _runtime_folder() / _PLUGINS[sys.platform].format(plugin)
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
        if sys.platform in provider.late:
            ctypes.CDLL(provider.late[sys.platform])
    except OSError as error:
        return f"{error} ({provider.remedy})"
    return None


def runtime_version() -> str:
    """Return ONNX Runtime's version and, where it has one, the CUDA version it wants."""
    cuda = getattr(onnxruntime, "cuda_version", "")
    return f"{onnxruntime.__version__}" + (f" (for CUDA {cuda})" if cuda else "")


def write_optimised(path: Path, optimised: Path) -> None:
    """Write a graph as the runtime brings it into form for this CPU, its arrays beside it.

    Args:
        path: the ``.onnx`` file.
        optimised: where the graph is written; arrays go to ``arrays.bin`` in the same folder.

    Raises:
        WeightsError: it cannot be loaded, or not be written.
    """
    options = _make_options(threads=1)
    options.optimized_model_filepath = str(optimised)
    options.add_session_config_entry(f"{_OUTSIDE}_file_name", ARRAYS)
    options.add_session_config_entry(f"{_OUTSIDE}_min_size_in_bytes", str(_OUTSIDE_BYTES))
    (cpu,) = find_candidates(CPU)
    _open_session(path, cpu, options, threads=1, runs=1)


def describe_target() -> str:
    """Return what a graph is optimised for here: the runtime, and what the CPU can do.

    Arrays are ordered for vectors of the CPU's length: on another, what they give is wrong.
    """
    abilities = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return " ".join([onnxruntime.__version__, platform.machine(), *abilities])


def _make_options(threads: int) -> Any:
    """Return what holds of all sessions, of so many threads a run."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _LOG_ERRORS_ONLY
    options.add_session_config_entry("session.load_model_format", "ONNX")  # nothing else
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    # What it plans on the first run would come on top of what that run took from the system.
    options.enable_mem_pattern = False
    # A waiting thread that spins takes a core from the transforms that run beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _adapt(options: Any) -> None:
    """Set what holds of sessions of graphs that were prepared."""
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.graph_optimization_level = _AS_IT_IS
    # To plan which arrays take the place of which takes longer than all else of opening a graph,
    # and saves no memory beside what the allocator saves.
    options.enable_mem_reuse = False


@cache
def _share_memory() -> None:
    """Have sessions that wish so take their arrays from one place, as few of them run at a time."""
    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use)
    onnxruntime.create_and_register_allocator(memory, None)


def _open_session(
    path: Path, provider: ExecutionProvider, options: Any, threads: int, runs: int
) -> Any:
    """Load a graph for so many threads, which so many runs at a time share."""
    counts = {provider.threads_option: str(threads), provider.runs_option: str(runs)}
    counts.pop("", None)  # options that it does not have
    first, *others = provider.runtime_names
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=[(first, {**provider.options, **counts}), *others]
        )
    except Exception as error:  # the runtime's own exceptions share no narrower base
        raise WeightsError(f"{path} is no network that can be loaded: {_reason(error)}.") from error
    if first not in session.get_providers():
        raise ProviderError(
            f"ONNX Runtime could not start {provider.title}; --provider cpu does without."
        )
    return session


def _reason(error: Exception) -> str:
    """Return what the runtime says, without its codes, as a part of a sentence."""
    told = " ".join(_CODE.sub("", str(error)).split())
    return told[:_REASON_CHARACTERS].rstrip(" .:") or type(error).__name__


def _runtime_folder() -> Path:
    return Path(onnxruntime.__file__).parent / "capi"
