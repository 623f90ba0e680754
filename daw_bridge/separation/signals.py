"""Networks that give stems' signals: samples → samples, cross-faded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.separation.framing import CrossFade, Cut, WeightedAverage

if TYPE_CHECKING:
    from daw_bridge.library.manifest import SignalModel
    from daw_bridge.separation.framing import Segment
    from daw_bridge.separation.network import SignalNetwork, StemSignals
    from daw_bridge.separation.options import Plan
    from daw_bridge.stft import Signal


_ROUNDING = 1e-6  # of a share that should be a whole number of samples


class Overlapping:
    """Runs a network that gives signals, passage by passage, and blends neighbours.

    Args:
        plan: what is asked for.
        network: what gives the signals.
        manifest: the network's.
    """

    def __init__(self, plan: Plan, network: SignalNetwork, manifest: SignalModel) -> None:
        passage = manifest.passage
        given = passage.samples - 2 * passage.context_samples
        self._average: CrossFade | WeightedAverage
        if passage.fade_samples:
            overlap = math.ceil(plan.overlap * given - _ROUNDING)
            self._average = WeightedAverage(given, given - overlap, passage.fade_samples)
        else:
            overlap = round(plan.overlap * given)
            self._average = CrossFade(overlap)
        self._context = passage.context_samples
        self.cut = Cut(
            lead=overlap if passage.mirrored else self._context,
            tail=self._context,
            grain=1,
            segment=passage.samples,
            stride=given - overlap,
            mirrored=passage.mirrored,
        )
        self._plan = plan
        self._network = network
        self._passage = passage

    def estimate(self, segment: Segment) -> StemSignals:
        """Run the network on one passage; it sees mono as two equal channels."""
        samples = segment.samples
        frames = samples.shape[1]
        start = (self.cut.segment - frames) // 2 if self._passage.centred else 0
        before = segment.before[:, max(segment.before.shape[1] - start, 0) :]
        shown = np.zeros((self._plan.shown_channels, self.cut.segment), np.float32)
        shown[:, start - before.shape[1] : start] = before
        shown[:, start : start + frames] = samples
        missing = self.cut.segment - frames
        if self._passage.mirrored and missing < frames:
            shown[:, frames:] = samples[:, frames - 1 - missing : frames - 1][:, ::-1]
        kept = slice(start + self._context, start + frames - self._context)
        stems = self._network(shown)[list(self._plan.made), :, kept]
        if self._plan.channels < self._plan.shown_channels:
            stems = stems.mean(axis=1, keepdims=True)
        return stems

    def join(self, estimate: StemSignals, *, last: bool) -> Signal:
        """Return what a passage completes of the stems made: (stems · channels, samples)."""
        return np.concatenate(self._average.push(estimate, last=last))
