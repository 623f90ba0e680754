"""What the graphs of networks from samples to samples have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from daw_bridge.conversion.graphs.graph import GraphBuilder
    from daw_bridge.conversion.graphs.layers import Value

SAMPLES = "samples"
_SIGNALS = "signals"


def signal_model(
    graph: GraphBuilder, signals: Value, order: Sequence[int], *, samples: int
) -> onnx.ModelProto:
    """Return the graph of a network from samples to the samples of stems.

    Its input ``samples`` is float32 (1, channels, samples), its output ``signals`` float32
    (stems, 1, channels, samples).

    Args:
        graph: the network's nodes.
        signals: the nodes' output, (stems, 1, channels, samples); if it is shorter than the input,
            silence is put around it.
        order: which of its stems are given, in this order.
        samples: how many it takes and gives.
    """
    channels, given = signals.shape[2:]
    chosen = graph.add("Gather", [signals.name, graph.constant("order", np.array(order))], axis=0)
    before = (samples - given) // 2
    pads = [0, 0, 0, before, 0, 0, 0, samples - given - before]
    graph.add("Pad", [chosen, graph.constant("missing", np.array(pads))], output=_SIGNALS)
    shape = (1, channels, samples)
    return graph.model({SAMPLES: shape}, {_SIGNALS: (len(order), *shape)})
