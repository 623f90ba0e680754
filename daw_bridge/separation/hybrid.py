"""Networks of two branches, one of samples and one of spectra, as Hybrid Demucs has them.

A. Défossez, "Hybrid spectrogram and waveform source separation", MDX Workshop at ISMIR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import WeightsError
from daw_bridge.separation.spectral import PARTS, Planes

if TYPE_CHECKING:
    from daw_bridge.library.manifest import HybridModel
    from daw_bridge.separation.network import Graph, StemSignals
    from daw_bridge.stft import Signal


class HybridNetwork:
    """A graph whose stems are the sums of what its two branches give.

    It takes (1, channels, samples) and (1, channels · 2, bins, time_frames) and gives the same of
    stems: (stems, 1, channels, samples) and (stems, 1, channels · 2, bins, time_frames). There are
    as many time frames as hops, each centred on the middle of its own.

    Args:
        graph: takes a fixed number of samples.
        manifest: of the model.

    Raises:
        WeightsError: the graph is of another signature, or does not fit the manifest.
    """

    def __init__(self, graph: Graph, manifest: HybridModel) -> None:
        transform = manifest.transform
        samples = manifest.passage.samples
        self.provider = graph.provider
        self.concurrent_runs = graph.concurrent_runs
        self._graph = graph
        match graph.input_shapes, graph.output_shapes:
            case [_, [_, _, int(bins), _]], [[int(stems), *_], _]:
                self.stems = stems
            case _:
                bins = stems = 0
        frames = -(-samples // transform.hop_samples)
        signal = [1, manifest.channels, samples]
        spectrum = [1, PARTS * manifest.channels, bins, frames]
        if graph.input_shapes != [signal, spectrum] or graph.output_shapes != [
            [stems, *signal],
            [stems, *spectrum],
        ]:
            raise WeightsError(
                f"The network of {manifest.name} takes {graph.input_shapes} and gives"
                f" {graph.output_shapes}; its manifest asks for {samples} samples and {frames} time"
                f" frames of {manifest.channels} channels."
            )
        margin = (transform.window_samples - transform.hop_samples) // 2
        filled = frames * transform.hop_samples - samples
        self._planes = Planes(transform, (margin, margin + filled), bins)

    def __call__(self, samples: Signal) -> StemSignals:
        """Return the stems of one passage, as many samples as it was made for."""
        signals, spectra = self._graph.run(samples[np.newaxis], self._planes.forward(samples))
        sums = signals.reshape(self.stems, *samples.shape)
        sums += self._planes.inverse(spectra, samples.shape[1]).reshape(sums.shape)
        return sums
