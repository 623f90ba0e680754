"""One layer alone, in ONNX Runtime and in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime
import torch
from torch import nn

from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value

EXACT_DB = -120


def randomise(module: nn.Module) -> nn.Module:
    """Give a module's parameters, gains and biases among them, values that all count."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def arrays_of(module: nn.Module, name: str) -> dict[str, np.ndarray]:
    """Return a module's arrays, as those of the layer of a name."""
    return {f"{name}.{key}": array.numpy() for key, array in module.state_dict().items()}


def random_input(*shape: int, seed: int = 0) -> np.ndarray:
    """Return noise in single precision."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(
    add: Callable[..., tuple[Value, ...]], arrays: Mapping[str, np.ndarray], *inputs: np.ndarray
) -> list[np.ndarray]:
    """Run what a function adds to a graph of :class:`Layers`; outputs have the shapes it told."""
    graph = GraphBuilder(arrays)
    names = [f"input{number}" for number in range(len(inputs))]
    values = [Value(name, array.shape) for name, array in zip(names, inputs, strict=True)]
    outputs = add(Layers(graph), *values)
    assert not graph.unused
    model = graph.model({v.name: v.shape for v in values}, {v.name: v.shape for v in outputs})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = session.run(None, dict(zip(names, inputs, strict=True)))
    assert [array.shape for array in given] == [value.shape for value in outputs]
    return list(given)


def in_torch(module: nn.Module, *inputs: np.ndarray) -> list[np.ndarray]:
    """Run a module in double precision, on one thread: what is this small only waits for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            given = module.double()(*(torch.from_numpy(array).double() for array in inputs))
    finally:
        torch.set_num_threads(threads)
    return [each.numpy() for each in (given if isinstance(given, tuple) else (given,))]
