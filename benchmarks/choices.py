"""What the default overlap and the ratio extension are chosen by.

python -m benchmarks.choices SONGS

SONGS holds a folder a song, with mixture.flac and vocals.flac at 44.1 kHz. Two tables:

* Around the seams between segments (16 frames either side), with the grid of segments at many
  offsets: how much worse the vocals are than those of one segment as long as the song. Energies of
  all places are pooled; overlap costs network time.
* Above 11 kHz: vocals by the share of several parts of the band.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy.signal import butter, sosfiltfilt

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.files.blocks import energy
from daw_bridge.library.manifest import SegmentShape
from daw_bridge.separation import masks as masking
from daw_bridge.separation.loading import Loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

HOP = 1024
LEADING_FRAMES = 4
SEGMENT_FRAMES = 512
OVERLAPS = (0, 32, 64, 96, 128, 256)
AROUND_FRAMES = 16
OFFSETS = range(0, 10 * 44_100, 33_000)
ABOVE_HZ = 11_100


def sdr_db(reference: Samples, estimate: Samples) -> float:
    """Return the signal-to-distortion ratio of the whole signal."""
    return float(10 * np.log10(energy(reference) / energy(reference - estimate)))


def vocals(separator: Separator, mixture: Audio, **options: float) -> Samples:
    """Return the vocals of a mixture."""
    choices = SeparationOptions(stems=("vocals",), **options)  # type: ignore[arg-type]
    return separator.separate(mixture, choices).samples[0]


def seams(frames: int, overlap: int) -> Iterator[slice]:
    """Yield the samples around each seam that has a whole segment on either side."""
    stride = SEGMENT_FRAMES - overlap
    last_start = frames // HOP - SEGMENT_FRAMES
    for start in range(stride, last_start, stride):
        middle = start + overlap // 2 - LEADING_FRAMES
        yield slice((middle - AROUND_FRAMES) * HOP, (middle + AROUND_FRAMES) * HOP)


def measure_overlaps(separator: Separator, songs: list[tuple[Audio, Samples]]) -> None:
    """Print the first table."""
    shape = SegmentShape(frames=4096, multiple_frames=64)
    with Separator(separator.manifest.name) as whole:
        whole.manifest = msgspec.structs.replace(separator.manifest, segment=shape)
        whole._model = Loader().open(whole.manifest)
        seamless = [vocals(whole, mixture, overlap=0) for mixture, _ in songs]
    print("overlap   network   SDR at seams   SDR there without seams   loss")
    for overlap in OVERLAPS:
        signal = error = seamless_error = 0.0
        for (mixture, reference), ideal in zip(songs, seamless, strict=True):
            for offset in OFFSETS:
                part = Audio(mixture.samples[:, offset:], mixture.sample_rate_hz)
                estimate = vocals(separator, part, overlap=overlap / SEGMENT_FRAMES)
                for seam in seams(part.frames, overlap):
                    truth = reference[:, offset:][:, seam]
                    signal += energy(truth)
                    error += energy(truth - estimate[:, seam])
                    seamless_error += energy(truth - ideal[:, offset:][:, seam])
        here, there = (10 * np.log10(signal / each) for each in (error, seamless_error))
        cost = SEGMENT_FRAMES / (SEGMENT_FRAMES - overlap)
        print(
            f"{overlap / SEGMENT_FRAMES:7.4f}   x {cost:.2f} {here:11.2f} dB {there:22.2f} dB"
            f" {there - here:6.2f} dB"
        )


def measure_extensions(separator: Separator, songs: list[tuple[Audio, Samples]]) -> None:
    """Print the second table."""
    high = butter(8, ABOVE_HZ, "high", fs=44_100, output="sos")

    def high_pass(samples: Samples) -> Samples:
        return sosfiltfilt(high, samples).astype(np.float32)

    def shares(first_bin: int, *, by_energy: bool) -> Callable[[Samples, Samples], Samples]:
        def share(masks: Samples, mixture: Samples) -> Samples:
            band = slice(first_bin, masks.shape[-1])
            weights = np.square(np.abs(mixture[..., band])) + np.float32(1e-20)
            if not by_energy:
                weights = np.ones_like(weights)
            kept = np.einsum("sctf,ctf->sct", masks[..., band], weights)
            return (kept / weights.sum(axis=-1))[..., np.newaxis]

        return share

    shipped = masking._upper_share
    print("share of          weighted by   SDR above 11 kHz")
    for name, first_bin in (("the band", 0), ("its upper half", 512), ("its upper quarter", 768)):
        for by_energy in (False, True):
            masking._upper_share = shares(first_bin, by_energy=by_energy)  # type: ignore[assignment]
            sdrs = [
                sdr_db(*(high_pass(samples) for samples in (reference, vocals(separator, mixture))))
                for mixture, reference in songs
            ]
            weight = "energy" if by_energy else "nothing"
            print(f"{name:18}{weight:12}{np.mean(sdrs):8.2f} dB")
    masking._upper_share = shipped


def read_songs(folder: Path) -> dict[str, tuple[Audio, Samples]]:
    """Return each song's mixture and vocals, by the name of its folder."""
    return {
        path.parent.name: (Audio.read(path.with_name("mixture.flac")), Audio.read(path).samples)
        for path in sorted(folder.glob("*/vocals.flac"))
    }


def main() -> None:
    """Print both tables."""
    songs = list(read_songs(Path(sys.argv[1])).values())
    print(f"{len(songs)} songs, {sum(mixture.frames for mixture, _ in songs) / 44_100:.0f} s")
    with Separator("spleeter-2stems") as separator:
        measure_extensions(separator, songs)
        measure_overlaps(separator, songs)


if __name__ == "__main__":
    main()
