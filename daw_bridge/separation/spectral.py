"""Networks from complex spectra to those of stems, as MDX-Net's U-Nets are.

M. Kim et al., "KUIELab-MDX-Net: a two-stream neural network for music demixing", MDX Workshop at
ISMIR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from daw_bridge.errors import WeightsError
from daw_bridge.stft import Stft

if TYPE_CHECKING:
    from daw_bridge.separation.manifest import ModelManifest, Passage
    from daw_bridge.separation.network import OnnxGraph, StemSignals
    from daw_bridge.stft import Signal, Spectra

_PARTS = 2  # real and imaginary


class SpectralNetwork:
    """A graph from (1, channels · 2, bins, time_frames) to (1, stems · channels · 2, …).

    Real and imaginary parts of each channel follow each other. Frames are centred on multiples of
    the hop and the passage is reflected at its ends; bins above those that the graph takes are
    silent in its stems.

    Args:
        graph: takes a fixed number of bins and of time frames.
        manifest: of the model.

    Raises:
        WeightsError: the graph is of another signature, or does not fit the manifest.
    """

    def __init__(self, graph: OnnxGraph, manifest: ModelManifest) -> None:
        passage = cast("Passage", manifest.passage)
        self.provider = graph.provider
        self.concurrent_runs = graph.concurrent_runs
        self._graph = graph
        self._stft = Stft(manifest.transform.window_samples, manifest.transform.hop_samples)
        self._margin = manifest.transform.window_samples // 2
        self._channels = manifest.channels
        self._gain = np.float32(manifest.compensation)
        frames = 1 + passage.samples // manifest.transform.hop_samples
        planes = _PARTS * self._channels
        match graph.input_shape, graph.output_shape:
            case [_, int(shown), int(bins), int(shown_frames)], [_, int(given), *_] if (
                shown == planes and given % planes == 0 and shown_frames == frames
            ):
                self._bins = bins
                self.stems = given // planes
            case _:
                raise WeightsError(
                    f"The network of {manifest.name} takes {graph.input_shape} and gives"
                    f" {graph.output_shape}; its manifest asks for {planes} planes of {frames} time"
                    " frames."
                )

    def __call__(self, samples: Signal) -> StemSignals:
        """Return stems of one passage."""
        count = samples.shape[1]
        around = np.pad(samples, ((0, 0), (self._margin, self._margin)), mode="reflect")
        signals = self._stft.inverse(self._stem_spectra(self._stft.forward(around)))
        within = signals[:, self._margin : self._margin + count] * self._gain
        return within.reshape(self.stems, self._channels, count)

    def _stem_spectra(self, mixture: Spectra) -> Spectra:
        """Run the graph: complex64 (channels, time_frames, bins) → (stems · channels, …)."""
        shown = mixture[..., : self._bins].transpose(0, 2, 1)
        planes = np.stack([shown.real, shown.imag], axis=1).reshape(1, -1, *shown.shape[1:])
        parts = self._graph.run(planes).reshape(-1, _PARTS, *shown.shape[1:])
        spectra = np.zeros((len(parts), *mixture.shape[1:]), np.complex64)
        spectra[..., : self._bins] = (parts[:, 0] + 1j * parts[:, 1]).transpose(0, 2, 1)
        return spectra
