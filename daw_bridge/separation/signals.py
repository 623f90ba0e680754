"""Networks that give stems' signals: samples → samples, cross-faded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.separation.framing import CrossFade, Cut

if TYPE_CHECKING:
    from daw_bridge.library.manifest import SignalModel
    from daw_bridge.separation.framing import Segment
    from daw_bridge.separation.network import SignalNetwork, StemSignals
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal


class Overlapping:
    """Runs a network that gives signals, passage by passage, and cross-fades neighbours.

    Args:
        plan: what is asked for.
        network: what gives the signals.
        manifest: the network's.
    """

    def __init__(self, plan: Plan, network: SignalNetwork, manifest: SignalModel) -> None:
        passage = manifest.passage
        given = passage.samples - 2 * passage.context_samples
        overlap = round(plan.overlap * given)
        self.cut = Cut(
            lead=passage.context_samples,
            tail=passage.context_samples,
            grain=1,
            segment=passage.samples,
            stride=given - overlap,
        )
        self._plan = plan
        self._network = network
        self._is_centred = passage.centred
        self._cross_fade = CrossFade(overlap)

    def estimate(self, segment: Segment) -> StemSignals:
        """Run the network on one passage; it sees mono as two equal channels."""
        samples = segment.samples
        frames = samples.shape[1]
        start = (self.cut.segment - frames) // 2 if self._is_centred else 0
        before = segment.before[:, max(segment.before.shape[1] - start, 0) :]
        shown = np.zeros((self._plan.shown_channels, self.cut.segment), np.float32)
        shown[:, start - before.shape[1] : start] = before
        shown[:, start : start + frames] = samples
        kept = slice(start + self.cut.lead, start + frames - self.cut.tail)
        stems = self._network(shown)[list(self._plan.made), :, kept]
        if self._plan.channels < self._plan.shown_channels:
            stems = stems.mean(axis=1, keepdims=True)
        return stems

    def join(self, estimate: StemSignals, *, last: bool) -> Signal:
        """Return what a passage completes of the stems made: (stems · channels, samples)."""
        return np.concatenate(self._cross_fade.push(estimate, last=last))
