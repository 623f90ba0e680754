"""stemtool upmix against ffmpeg's surround filter: the same songs, in alternation, in one run.

python -m benchmarks.upmix SONGS

SONGS holds a folder a song, with mixture.flac and, where somebody sings, vocals.flac. Both write
5.1 in floats. Of the columns,

- null is how far below the song lies what the fold-down of ITU-R BS.775 does not add up to; fitted
  is the same once the best delay and the best gain are applied, which a listener would not mind;
- center is how much more of the centre's energy is vocals than of the mixture's. Vocals are what a
  fixed filter makes of the true vocals; all else, artefacts too, counts as accompaniment;
- Ls/Rs is the correlation of the surrounds, and surround their level below the fronts'; both are
  left out of songs that are mono, where there is no ambience.
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.cost import Cost, measure
from daw_bridge import Audio
from daw_bridge.evaluation.surround import check_surround
from daw_bridge.files.blocks import energy
from daw_bridge.files.speakers import find_speakers, fold_matrix
from daw_bridge.stft import Stft

CENTER = 2
FRONTS, SURROUNDS = [0, 1, 2], [4, 5]
MAX_DELAY_FRAMES = 8192
SILENT_DB = -90
STEMTOOL, FFMPEG = CONTESTANTS = ("stemtool", "ffmpeg")


class Row(NamedTuple):
    """What was measured of one upmix; each field is a column."""

    speed: float
    memory_mb: float
    null_db: float
    fitted_db: float
    loudness_lu: float
    center_db: float
    correlation: float
    surround_db: float
    peak_db: float


HEADINGS = ("x real time", "MB", "null dB", "fitted dB", "loudness LU", "center dB", "Ls/Rs",
            "surround dB", "peak dB")  # fmt: skip
BETTER = {"x real time": max, "MB": min, "null dB": min, "fitted dB": min, "center dB": max,
          "Ls/Rs": min}  # fmt: skip


def main() -> None:
    """Print a table for each song, and who is ahead in what."""
    if not shutil.which("ffmpeg"):
        raise SystemExit("This needs ffmpeg; install it first.")
    songs = sorted(Path(sys.argv[1]).glob("*/mixture.flac"))
    print(f"{'':32}" + "".join(f"{heading:>13}" for heading in HEADINGS))
    rows: dict[str, list[Row]] = {name: [] for name in CONTESTANTS}
    for song in songs:
        with tempfile.TemporaryDirectory() as temporary:
            target = Path(temporary) / "surround.wav"
            for name, command in _commands(song, target).items():
                row = measure_row(song, target, measure(command))
                rows[name].append(row)
                _print_row(f"{song.parent.name} {name}", row)
    means = {name: Row(*np.nanmean(rows[name], axis=0)) for name in CONTESTANTS}
    for name, row in means.items():
        _print_row(f"mean {name}", row)
    for heading, ours, theirs in zip(HEADINGS, *means.values(), strict=True):
        if heading in BETTER and BETTER[heading](ours, theirs) == theirs:
            print(f"ffmpeg is ahead in {heading}: {theirs:.1f}, and stemtool has {ours:.1f}.")


def measure_row(song: Path, surround: Path, cost: Cost) -> Row:
    """Measure one upmix of a song."""
    report, _ = check_surround(surround, song)
    mixture, mix = Audio.read(song), Audio.read(surround)
    folded = fold_matrix(find_speakers(surround, mix.channels)) @ mix.samples
    vocals = song.with_name("vocals.flac")
    surround_db = _db(energy(mix.samples[SURROUNDS]) / energy(mix.samples[FRONTS]))
    is_mono = surround_db < SILENT_DB
    return Row(
        speed=mixture.frames / mixture.sample_rate_hz / cost.wall_s,
        memory_mb=cost.peak_mb,
        null_db=report.null_db,
        fitted_db=fitted_null_db(folded, mixture.samples),
        loudness_lu=report.surround_lufs - report.stereo_lufs,
        center_db=center_isolation_db(mix.samples[CENTER], mixture, Audio.read(vocals))
        if vocals.exists()
        else math.nan,
        correlation=math.nan if is_mono else list(report.correlations.values())[1],
        surround_db=math.nan if is_mono else surround_db,
        peak_db=max(report.peaks_db.values()),
    )


def fitted_null_db(folded: np.ndarray, song: np.ndarray) -> float:
    """Return the null that is left when the best delay and gain are applied."""
    size = 1 << (song.shape[1] + MAX_DELAY_FRAMES).bit_length()
    spectra = np.fft.rfft(folded, size) * np.fft.rfft(song, size).conj()
    correlation = np.fft.irfft(spectra.sum(axis=0))
    delays = np.r_[0:MAX_DELAY_FRAMES, -MAX_DELAY_FRAMES:0]
    delay = int(delays[np.argmax(correlation[delays])])
    aligned = np.roll(folded, -delay, axis=1)
    gain = float(np.einsum("cn,cn->", aligned, song)) / max(energy(aligned), 1e-30)
    return _db(energy(song - gain * aligned) / energy(song))


def center_isolation_db(center: np.ndarray, mixture: Audio, vocals: Audio) -> float:
    """Return the centre's vocals over all else in it, relative to the mixture's."""
    stft = Stft(4096, 1024)
    voice = stft.forward(vocals.samples).transpose(2, 1, 0)  # (bins, time_frames, channels)
    heard = stft.forward(center[np.newaxis]).transpose(2, 1, 0)
    sung = voice @ (np.linalg.pinv(voice, rcond=1e-3) @ heard)
    in_center = np.sum(np.abs(sung) ** 2) / np.sum(np.abs(heard - sung) ** 2)
    in_mixture = energy(vocals.samples) / energy(mixture.samples - vocals.samples)
    return _db(in_center / in_mixture)


def _commands(song: Path, target: Path) -> dict[str, list[str | Path]]:
    stemtool = Path(sys.executable).with_name("stemtool")
    ours: list[str | Path] = [stemtool, "upmix", song, "-o", target, "--bits", "32f"]
    theirs: list[str | Path] = ["ffmpeg", "-v", "error", "-y", "-i", song, "-af", "surround"]
    return {
        STEMTOOL: [*ours, "--overwrite", "--quiet", "--cache-limit", "0"],
        FFMPEG: [*theirs, "-c:a", "pcm_f32le", target],
    }


def _print_row(name: str, row: Row) -> None:
    print(f"{name:32}" + "".join(f"{value:13.1f}" for value in row[:6]), end="")
    print(f"{row.correlation:13.2f}{row.surround_db:13.1f}{row.peak_db:13.1f}", flush=True)


def _db(ratio: float) -> float:
    return 10 * math.log10(ratio) if ratio else -math.inf


if __name__ == "__main__":
    main()
