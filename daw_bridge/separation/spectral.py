"""Networks from complex spectra to those of stems, as MDX-Net's U-Nets are.

M. Kim et al., "KUIELab-MDX-Net: a two-stream neural network for music demixing", MDX Workshop at
ISMIR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import WeightsError
from daw_bridge.fft import rfft
from daw_bridge.stft import Stft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daw_bridge.library.manifest import ComplexModel, Transform
    from daw_bridge.separation.network import Graph, StemSignals
    from daw_bridge.stft import Signal

PARTS = 2  # real and imaginary
_MORE_FRAMES = 3
"""How many frames a passage may have beyond its whole hops: networks may need an odd number."""
_ROUNDING = 1e-5  # of windows that add up to 1


class Planes:
    """Passages as spectra whose real and imaginary parts follow each other as channels, and back.

    A passage is filled up with zeros, then mirrored at its ends.

    Args:
        transform: the model's.
        margins: samples that are mirrored before and after a passage.
        bins: how many are kept; those above are silent.
        zeros: how many follow a passage.
    """

    def __init__(
        self, transform: Transform, margins: tuple[int, int], bins: int, zeros: int = 0
    ) -> None:
        self._stft = Stft(transform.window_samples, transform.hop_samples, transform.window)
        self._margins = margins
        self._bins = bins
        self._zeros = zeros

    def forward(self, samples: Signal) -> NDArray[np.float32]:
        """Transform a passage: float32 (1, channels · 2, bins, time_frames)."""
        filled = np.pad(samples, ((0, 0), (0, self._zeros)))
        around = np.pad(filled, ((0, 0), self._margins), mode="reflect")
        shown = self._stft.forward(around)[..., : self._bins].transpose(0, 2, 1)
        return np.stack([shown.real, shown.imag], axis=1).reshape(1, -1, *shown.shape[1:])

    def inverse(self, planes: NDArray[np.float32], count: int) -> Signal:
        """Transform (…, channels · 2, bins, time_frames) back: (all channels, count samples)."""
        parts = planes.reshape(-1, PARTS, *planes.shape[-2:])
        spectra = np.zeros((len(parts), planes.shape[-1], self._stft.bins), np.complex64)
        spectra[..., : self._bins] = (parts[:, 0] + 1j * parts[:, 1]).transpose(0, 2, 1)
        before = self._margins[0]
        return self._stft.inverse(spectra)[:, before : before + count]

    def window_sum(self, time_frames: int, count: int) -> Signal:
        """Return what the windows of so many frames add up to: (count samples,), mostly 1.

        At the ends of a passage, frames are missing that would make it 1.
        """
        window = rfft(self._stft.window)
        frames = np.broadcast_to(window, (1, time_frames, len(window)))
        before = self._margins[0]
        return self._stft.inverse(frames)[0, before : before + count]


class SpectralNetwork:
    """A graph from (1, channels · 2, bins, time_frames) to (1, stems · channels · 2, …).

    Frames are centred on multiples of the hop.

    Args:
        graph: takes a fixed number of bins and of time frames.
        manifest: of the model.

    Raises:
        WeightsError: the graph is of another signature, or does not fit the manifest.
    """

    def __init__(self, graph: Graph, manifest: ComplexModel) -> None:
        self.provider = graph.provider
        self.concurrent_runs = graph.concurrent_runs
        self._graph = graph
        self._channels = manifest.channels
        (taken,), (given,) = graph.input_shapes, graph.output_shapes
        samples, hop = manifest.passage.samples, manifest.transform.hop_samples
        planes = PARTS * self._channels
        match taken, given:
            case [_, int(shown), int(bins), int(frames)], [_, int(made), *given_shape] if (
                shown == planes
                and made % planes == 0
                and samples // hop < frames <= samples // hop + _MORE_FRAMES
                and given_shape == [bins, frames]
            ):
                self.stems = made // planes
            case _:
                raise WeightsError(
                    f"The network of {manifest.name} takes {taken} and gives {given}; its manifest"
                    f" asks for {planes} planes of {1 + samples // hop} time frames."
                )
        margin = manifest.transform.window_samples // 2
        zeros = max((frames - 1) * hop - samples, 0)
        self._planes = Planes(manifest.transform, (margin, margin), bins, zeros)
        windows = self._planes.window_sum(frames, samples)
        windows[np.abs(windows - 1) < _ROUNDING] = 1
        self._gain: Signal = np.float32(manifest.compensation) / windows

    def __call__(self, samples: Signal) -> StemSignals:
        """Return the stems of one passage, as many samples as it was made for."""
        (spectra,) = self._graph.run(self._planes.forward(samples))
        signals = self._planes.inverse(spectra, samples.shape[1]) * self._gain
        return signals.reshape(self.stems, *samples.shape)
