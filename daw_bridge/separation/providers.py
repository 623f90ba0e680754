"""What networks can run on, and how exactly, as data.

Neither ONNX Runtime nor NumPy is loaded to know it.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclasses keep annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from daw_bridge.errors import ProviderError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

Provider: TypeAlias = Literal[
    "auto", "gpu", "cpu", "cuda", "tensorrt", "migraphx", "directml", "coreml", "openvino"
]

Precision: TypeAlias = Literal["float", "int8"]
"""Of the matrix products of networks; ``int8`` is for the CPU."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

PROVIDER_NAMES: tuple[Provider, ...] = get_args(Provider)
"""All that can be asked for; ``auto`` is the best that can be used, ``gpu`` the best GPU."""


@dataclass(frozen=True)
class ExecutionProvider:
    """One of ONNX Runtime's execution providers, and how to use it.

    Attributes:
        name: what ``--provider`` calls it.
        title: what its makers call it.
        runtime_names: what ONNX Runtime calls it, and those that run what it leaves of a graph.
        systems: as ``sys.platform`` names them, the only ones it is for; none: all.
        package: the build of ONNX Runtime that has it.
        drivers: system → the library that comes with the driver of its device.
        plugins: ONNX Runtime's own libraries, which load others that it needs.
        late: system → the library that they load on first use alone.
        remedy: what to do where one of those libraries cannot be loaded.
        options: its own; they keep it to float32 and to the same kernels each time.
        threads_option: the option that takes the number of CPU threads, if it has one.
        runs_option: the option that takes how many runs there are at a time, if it has one.
        optimised: ONNX Runtime optimises a graph before the provider sees it.
        side_by_side: two runs at a time are faster than one after the other.
        is_gpu: it runs on a GPU.
    """

    name: Provider
    title: str
    runtime_names: tuple[str, ...]
    systems: tuple[str, ...] = ()
    package: str = "onnxruntime"
    drivers: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    late: Mapping[str, str] = field(default_factory=dict)
    remedy: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    threads_option: str = ""
    runs_option: str = ""
    optimised: bool = True
    side_by_side: bool = False
    is_gpu: bool = True


CPU: Provider = "cpu"
"""What can always be used."""

_NVIDIA = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
_CUDNN = {"linux": "libcudnn.so.9", "win32": "cudnn64_9.dll"}

PROVIDERS = (
    ExecutionProvider(
        name="cuda",
        title="CUDA",
        runtime_names=("CUDAExecutionProvider",),
        systems=("linux", "win32"),
        package="onnxruntime-gpu",
        drivers=_NVIDIA,
        plugins=("shared", "cuda"),
        late=_CUDNN,
        remedy="it needs NVIDIA's driver, and pip install 'onnxruntime-gpu[cuda,cudnn]'",
        # TensorFloat-32 has 10 bits of mantissa; a search times kernels anew in each process.
        options={"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
    ),
    ExecutionProvider(
        name="migraphx",
        title="MIGraphX",
        runtime_names=("MIGraphXExecutionProvider",),
        systems=("linux",),
        package="onnxruntime-migraphx",
        plugins=("shared", "migraphx"),
        remedy="it needs AMD's driver, and ROCm 7 with MIGraphX",
    ),
    ExecutionProvider(
        name="directml",
        title="DirectML",
        runtime_names=("DmlExecutionProvider",),
        systems=("win32",),
        package="onnxruntime-directml",
        drivers={"win32": "d3d12.dll"},
        remedy="it needs DirectX 12",
    ),
    ExecutionProvider(
        name=CPU,
        title="CPU",
        runtime_names=("CPUExecutionProvider",),
        side_by_side=True,
        is_gpu=False,
    ),
    ExecutionProvider(
        name="coreml",
        title="Core ML",
        runtime_names=("CoreMLExecutionProvider",),
        systems=("darwin",),
        # The Neural Engine computes in float16 alone, and so do graphs of the older format.
        options={"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},
    ),
    ExecutionProvider(
        name="tensorrt",
        title="TensorRT",
        runtime_names=("TensorrtExecutionProvider", "CUDAExecutionProvider"),
        systems=("linux", "win32"),
        package="onnxruntime-gpu",
        drivers=_NVIDIA,
        plugins=("shared", "cuda", "tensorrt"),
        late=_CUDNN,
        remedy="it needs all that CUDA does, and TensorRT 10 where libraries are looked for",
    ),
    ExecutionProvider(
        name="openvino",
        title="OpenVINO",
        runtime_names=("OpenVINOExecutionProvider",),
        systems=("linux", "win32"),
        package="onnxruntime-openvino",
        plugins=("shared", "openvino"),
        remedy="on Windows it needs pip install openvino, with its libraries on PATH",
        # Where a CPU has bfloat16 it may be taken, and pinned threads are in the transforms' way.
        options={
            "device_type": "CPU",
            "load_config": '{"CPU": {"INFERENCE_PRECISION_HINT": "f32",'
            ' "ENABLE_CPU_PINNING": "NO"}}',
        },
        threads_option="num_of_threads",
        runs_option="num_streams",
        optimised=False,
        side_by_side=True,
        is_gpu=False,
    ),
)
"""All providers, the best first, in the order in which ``auto`` and ``gpu`` try them.

``cpu`` can always be used, so what comes after it is had by name alone: Core ML because every
macOS build brings it, unasked, and nobody has measured its precision; TensorRT because it builds an
engine for each new shape, for minutes; OpenVINO because it was slower than ``cpu`` when measured.

``cpu`` and ``openvino`` were tried, on Linux. All others are untested: they are written after ONNX
Runtime's documentation and builds, and tests/separation/test_providers.py runs what can be used.
"""


def find_candidates(wanted: Provider) -> tuple[ExecutionProvider, ...]:
    """Return what a name may stand for, the best first.

    Raises:
        ProviderError: there is no such provider.
    """
    if wanted not in PROVIDER_NAMES:
        hint = suggestion(wanted, PROVIDER_NAMES)
        raise ProviderError(
            f"There is no provider '{wanted}'{hint}; there are {', '.join(PROVIDER_NAMES)}."
        )
    return tuple(
        each
        for each in PROVIDERS
        if wanted in ("auto", each.name) or (wanted == "gpu" and each.is_gpu)
    )


def join_providers(names: Iterable[str]) -> str:
    """Return where several networks run as one: on the best of their providers but the CPU."""
    used = set(names) - {CPU}
    return next((each.name for each in PROVIDERS if each.name in used), CPU)
