"""What the pipeline asks of networks, and they of the graphs that they run."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from daw_bridge.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from daw_bridge.stft import Signal

Magnitudes: TypeAlias = NDArray[np.float32]
"""(channels, time_frames, bins)"""
Masks: TypeAlias = NDArray[np.float32]
"""(stems, channels, time_frames, bins)"""
StemSignals: TypeAlias = NDArray[np.float32]
"""(stems, channels, samples)"""
Shape: TypeAlias = "list[int | str]"
"""Of an array that a graph takes or gives; lengths that may vary have names."""


runs_alone: ContextVar[bool] = ContextVar("runs_alone", default=False)
"""Whether nothing will run beside what a thread runs."""


class Device(Protocol):
    """Where a network runs."""

    @property
    def provider(self) -> str:
        """Where it really runs: a name of :mod:`~daw_bridge.separation.providers`."""
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


class Graph(Device, Protocol):
    """What a network asks of the graph that it runs."""

    @property
    def input_shapes(self) -> Sequence[Shape]:
        """Of what it takes, in its own order."""
        ...

    @property
    def output_shapes(self) -> Sequence[Shape]:
        """Of what it gives, in its own order."""
        ...

    def run(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return its outputs for its inputs, of any shape; the caller may write to them."""
        ...


class VouchedGraph:
    """A graph whose outputs are given once something that goes on beside it has vouched for them.

    Args:
        graph: what runs.
        vouched: what is waited for; an error of its own is raised in the place of outputs.
    """

    def __init__(self, graph: Graph, vouched: Future[None]) -> None:
        self.provider = graph.provider
        self.concurrent_runs = graph.concurrent_runs
        self.input_shapes = graph.input_shapes
        self.output_shapes = graph.output_shapes
        self._graph, self._vouched = graph, vouched

    def run(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return its outputs for its inputs, of any shape."""
        outputs = self._graph.run(*inputs)
        self._vouched.result()
        return outputs


class PlainNetwork:
    """A graph from (1, channels, …) to (stems, 1, channels, …).

    It takes magnitudes and gives masks, 0 or more, or takes samples and gives signals.

    Raises:
        WeightsError: the graph is of another signature.
    """

    def __init__(self, graph: Graph) -> None:
        self.provider = graph.provider
        self.concurrent_runs = graph.concurrent_runs
        self._graph = graph
        match graph.input_shapes[0], graph.output_shapes[0]:
            case [_, planes, *taken], [int(stems), _, channels, *given] if len(given) == len(taken):
                self.stems = stems
                self.channels = channels if isinstance(channels, int) else planes
            case taken, given:
                raise WeightsError(
                    f"A network that takes {taken} and gives {given} is of no use here: it is to"
                    " give a number of stems, of channels as long as those that it takes."
                )

    def __call__(self, shown: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Return what the network gives for one segment: (stems, channels, …).

        Raises:
            WeightsError: it is not as long as what was shown, or of other channels than promised.
        """
        (given,) = self._graph.run(shown[np.newaxis])
        channels = self.channels if isinstance(self.channels, int) else len(shown)
        wanted = (self.stems, 1, channels, *shown.shape[1:])
        if given.shape != wanted:
            raise WeightsError(f"A network gives an array of {given.shape}, not of {wanted}.")
        return given[:, 0]
