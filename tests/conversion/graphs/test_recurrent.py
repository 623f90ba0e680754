"""Recurrent layers against torch's."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.recurrent import add_lstm, stack_all_gates
from tests.conftest import level_db
from tests.conversion.graphs.parity import (
    EXACT_DB,
    arrays_of,
    in_torch,
    random_input,
    randomise,
    run,
)

STEPS, BATCH, FEATURES, HIDDEN = 30, 2, 5, 4


class Outputs(nn.LSTM):
    """An LSTM that keeps its last states for itself."""

    def forward(self, steps: Tensor) -> Tensor:  # type: ignore[override]
        states: Tensor = super().forward(steps)[0]
        return states


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_lstm_is_torchs(layers: int, bidirectional: bool) -> None:
    module = randomise(Outputs(FEATURES, HIDDEN, layers, bidirectional=bidirectional))
    shown = random_input(STEPS, BATCH, FEATURES)

    def add(network: Layers, x: Value) -> tuple[Value]:
        name = add_lstm(network.graph, x.name, "lstm", layers=layers)
        return (Value(name, (STEPS, BATCH, HIDDEN * (1 + bidirectional))),)

    (ours,) = run(add, stack_all_gates(arrays_of(module, "lstm")), shown)
    (theirs,) = in_torch(module, shown)
    assert level_db(ours - theirs, theirs) <= EXACT_DB
