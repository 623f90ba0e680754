"""Stems become surround."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from daw_bridge.errors import AudioError, OptionError
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.evaluation.surround import ChannelMeter
from daw_bridge.files.reading import open_audio, open_channels, open_sum
from daw_bridge.files.speakers import find_speakers, fold_matrix, loudness_weights
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.job import Result, claim_outputs, report
from daw_bridge.jobs.render import RenderJob, check_null, watch
from daw_bridge.rendering.layout import DEFAULT_LAYOUT, Layout, load_layout
from daw_bridge.rendering.sources import Passage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daw_bridge.audio import StemBlock
    from daw_bridge.files.reading import Reader
    from daw_bridge.files.speakers import Speakers
    from daw_bridge.jobs.job import IsCancelled, Progress
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.separation.manifest import ModelManifest

UpmixOutput: TypeAlias = Literal["mix", "stems", "channels"]

UPMIX_OUTPUTS: tuple[UpmixOutput, ...] = get_args(UpmixOutput)


@dataclass(frozen=True)
class UpmixJob(RenderJob):
    """Mix a stereo file up to a loudspeaker layout.

    ``output`` is the file of a mix, or the folder of stems or channels.

    Attributes:
        parts: ``mix``: one file; ``stems``: one in the layout for each stem, which sum to the mix;
            ``channels``: a mono file for each channel.
        layout: the loudspeakers, and where stems go.
    """

    parts: UpmixOutput = "mix"
    layout: Layout = field(default_factory=lambda: load_layout(DEFAULT_LAYOUT))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_format.integer_bits is None and not self.output_format.is_float:
            raise OptionError(
                f"Surround is written as wav or flac, not {self.output_format.container}."
            )

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of each file by what it holds: a layout, stems or channels.

        Raises:
            AudioError: there are no stems in their folder.
        """
        if self.parts == "mix":
            return {self.layout.name: self.output}
        names = self.stems(manifest) if self.parts == "stems" else self.layout.channels
        return {name: self.output / f"{name}.{self.output_format.container}" for name in names}


@dataclass(frozen=True)
class SurroundReport:
    """What was measured of a surround mix, beside the stereo that it is for.

    Attributes:
        null_db: how far below the stereo lies what its fold-down does not add up to.
        stereo_lufs: integrated loudness of the stereo.
        surround_lufs: integrated loudness of the surround mix.
        levels_db: the level of each channel.
        peaks_db: the highest sample of each channel.
        correlations: of left and right, by pair.
        lfe_excess_db: what the LFE has above 120 Hz, relative to all of it.
    """

    null_db: float
    stereo_lufs: float
    surround_lufs: float
    levels_db: dict[str, float]
    peaks_db: dict[str, float]
    correlations: dict[str, float]
    lfe_excess_db: float | None


@dataclass(frozen=True)
class UpmixResult(Result):
    """What came of an upmix; ``null_db``, of the fold-down, was measured on its files.

    Attributes:
        report: what is in the channels.
    """

    report: SurroundReport


def run_upmix(
    job: UpmixJob,
    maker: StemMaker,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> UpmixResult:
    """Run an upmix to its end, as :func:`run_remix` does; whatever stops it, no partial file stays.

    Raises:
        DawBridgeError: the source cannot be read, is not stereo, or the files cannot be written.
        Cancelled: ``is_cancelled`` said so.
    """
    from daw_bridge.rendering.upmix import upmix  # slow to load

    began = time.perf_counter()
    outputs = claim_outputs(job, maker.manifest)
    speakers = job.layout.speakers
    meter = NullMeter()
    with open_channels(job.sources) as reader:
        _check_stereo(reader)
        passage = Passage(reader, job.start, job.length)
        provider, stems = maker.stems(job, passage, 2)
        tell = partial(report, job, passage.frames, progress, is_cancelled)
        with (
            closing(stems),
            StemFiles(
                list(outputs.values()),
                job.output_format,
                sample_rate_hz=reader.sample_rate_hz,
                channels=1 if job.parts == "channels" else len(speakers),
                tags_from=job.source,
                speakers=() if job.parts == "channels" else speakers,
            ) as files,
        ):
            for placed in upmix(watch(stems, meter, None, tell), job.layout):
                files.write(_arrange(placed, job.parts))
            check_null(job, meter)
            written = files.commit()
    measured = _measure_files(job, list(outputs.values()), gain=written.gain)
    return UpmixResult(
        source=job.source,
        outputs=outputs,
        sample_rate_hz=reader.sample_rate_hz,
        channels=len(speakers),
        frames=files.frames,
        provider=provider,
        elapsed_s=time.perf_counter() - began,
        gain_db=20 * math.log10(written.gain),
        null_db=measured.null_db,
        report=measured,
    )


def _measure_files(job: UpmixJob, files: Sequence[Path], *, gain: float) -> SurroundReport:
    """Measure what was written, beside the stereo that was turned down by a gain."""
    open_files = open_channels if job.parts == "channels" else open_sum
    with open_channels(job.sources) as stereo, open_files(files) as surround:
        speakers = job.layout.speakers
        meter = ChannelMeter(speakers, stereo.sample_rate_hz)
        passage = Passage(stereo, job.start, job.length)
        return _measure(surround, passage, speakers, meter, gain=gain)


def check_surround(surround: Path, stereo: Path) -> tuple[SurroundReport, ChannelMeter]:
    """Measure a surround file, whoever made it, beside the stereo that it is for.

    Raises:
        AudioError: a file cannot be read, which loudspeakers its channels are for is not known, or
            the two are not equally long.
    """
    with open_audio(surround) as mix, open_audio(stereo) as original:
        _check_stereo(original)
        if mix.sample_rate_hz != original.sample_rate_hz:
            raise AudioError(f"{mix.name} has not the sample rate of {original.name}.")
        speakers = find_speakers(surround, mix.channels)
        meter = ChannelMeter(speakers, mix.sample_rate_hz)
        return _measure(mix, Passage(original), speakers, meter), meter


def _measure(
    surround: Reader, stereo: Passage, speakers: Speakers, meter: ChannelMeter, *, gain: float = 1.0
) -> SurroundReport:
    """Show a surround mix and its stereo, turned down by a gain, to all meters."""
    from daw_bridge.rendering.loudness import LoudnessMeter  # slow to load

    rate = surround.sample_rate_hz
    null, fold = NullMeter(), fold_matrix(speakers).astype(np.float64)
    stereo_loudness = LoudnessMeter(rate, [1, 1])
    surround_loudness = LoudnessMeter(rate, loudness_weights(speakers))
    for block, original in zip_longest(surround.blocks(), stereo.blocks(2)):
        if block is None or original is None or block.shape[1] != original.shape[1]:
            raise AudioError(f"{surround.name} is not as long as {stereo.mixture.name}.")
        null.add(original * gain, original * gain - np.einsum("fc,cn->fn", fold, block))
        stereo_loudness.add(original)
        surround_loudness.add(block)
        meter.add(block)
    return SurroundReport(
        null_db=null.null_db(),
        stereo_lufs=stereo_loudness.integrated_lufs,
        surround_lufs=surround_loudness.integrated_lufs,
        levels_db=meter.levels_db,
        peaks_db=meter.peaks_db,
        correlations=meter.correlations,
        lfe_excess_db=meter.lfe_excess_db,
    )


def _check_stereo(reader: Reader) -> None:
    if reader.channels != 2:
        raise AudioError(
            f"{reader.name} has {reader.channels} channel{'s' * (reader.channels != 1)};"
            " only stereo can be mixed up."
        )


def _arrange(placed: StemBlock, parts: UpmixOutput) -> StemBlock:
    """Return what is written of stems and rest: (files, channels of each, frames)."""
    if parts == "stems":  # what stems leave is next to nothing, and goes with the last
        return np.concatenate([placed[:-2], placed[-2:].sum(axis=0, keepdims=True)])
    mix = placed.sum(axis=0)
    return mix[:, np.newaxis] if parts == "channels" else mix[np.newaxis]
