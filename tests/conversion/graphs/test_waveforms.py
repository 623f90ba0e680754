"""What networks from samples to samples have in common."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.waveforms import SAMPLES, signal_model
from daw_bridge.library.stems import rest_last
from tests.conversion.graphs.parity import random_input


@pytest.mark.parametrize(
    ("stems", "order"),
    [
        (("drums", "bass", "other", "vocals"), [0, 1, 3, 2]),
        (("accompaniment", "vocals"), [1, 0]),
        (("bass", "drums"), [0, 1]),
    ],
)
def test_the_rest_comes_last_and_others_stay_in_order(
    stems: tuple[str, ...], order: list[int]
) -> None:
    assert rest_last(stems) == order


def test_what_is_shorter_is_put_in_the_middle_and_stems_in_order() -> None:
    shown = random_input(1, 2, 21)
    graph = GraphBuilder({})
    layers = Layers(graph)
    given = layers.reshape(layers.crop(Value(SAMPLES, shown.shape), 2, 3, 14), (1, 1, 2, 14))
    signals = layers.join(given, layers.apply("Neg", given), axis=0)
    model = signal_model(graph, signals, [1, 0], samples=21)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (ours,) = session.run(None, {SAMPLES: shown})
    expected = np.pad(shown[..., 3:17], ((0, 0), (0, 0), (3, 4)))
    np.testing.assert_array_equal(ours, np.stack([-expected, expected]))
