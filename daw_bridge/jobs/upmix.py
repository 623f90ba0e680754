"""Stems become surround."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from daw_bridge.errors import OptionError
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.evaluation.surround import (
    ChannelMeter,
    SurroundReport,
    check_stereo,
    measure_surround,
)
from daw_bridge.files.reading import open_channels, open_sum
from daw_bridge.jobs.job import Result
from daw_bridge.jobs.render import RenderJob, check_null, watch
from daw_bridge.jobs.running import begin
from daw_bridge.rendering.layout import DEFAULT_LAYOUT, Layout, load_layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daw_bridge.audio import StemBlock
    from daw_bridge.jobs.job import IsCancelled, Progress
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.library.manifest import ModelManifest

UpmixOutput: TypeAlias = Literal["mix", "stems", "channels"]


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

    @property
    def asked_stems(self) -> tuple[str, ...]:
        """The stems that the layout names."""
        return self.layout.placed_stems

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of each file by what it holds: a layout, stems or channels.

        Raises:
            AudioError: there are no stems in their folder.
            OutputError: a stem's name leads out of the output folder.
        """
        if self.parts == "mix":
            return {self.layout.name: self.output}
        names = self.stems(manifest) if self.parts == "stems" else self.layout.channels
        container = self.output_format.container
        return {name: self.place(self.output, f"{name}.{container}") for name in names}


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
    from daw_bridge.loudness import check_rate  # slow to load
    from daw_bridge.rendering.upmix import upmix

    speakers = job.layout.speakers
    meter = NullMeter() if job.stems_folder else None  # others are sure to be the mixture's
    channels, tagged = (1, ()) if job.parts == "channels" else (len(speakers), speakers)
    with begin(job, maker.manifest, progress, is_cancelled) as running:
        check_stereo(running.selection.mixture)
        check_rate(running.selection.mixture)
        provider, stems = maker.stems(job, running.selection, 2)
        with (
            closing(stems),
            running.files(running.outputs.values(), channels, speakers=tagged) as files,
        ):
            watched = watch(stems, meter, None, running.report)
            for placed in upmix(watched, job.layout, apart=job.parts == "stems"):
                files.write(_arrange(placed, job.parts))
            check_null(job, meter)
            written = running.commit(files)
    measured = _measure_files(job, list(running.outputs.values()), gain=written.gain)
    result = running.result(
        files,
        written,
        channels=len(speakers),
        provider=provider,
        precision=maker.precision_of(job),
        null_db=measured.null_db,
    )
    return UpmixResult(**vars(result), report=measured)


def _measure_files(job: UpmixJob, files: Sequence[Path], *, gain: float) -> SurroundReport:
    """Measure what was written, beside the stereo that was turned down by a gain."""
    open_files = open_channels if job.parts == "channels" else open_sum
    with (
        open_channels(job.sources, track=job.audio_track, reach=job.reach) as stereo,
        open_files(files, reach=job.reach) as surround,
    ):
        meter = ChannelMeter(job.layout.speakers, stereo.sample_rate_hz)
        return measure_surround(surround, job.select(stereo).blocks(2), meter, gain=gain)


def _arrange(placed: StemBlock, parts: UpmixOutput) -> StemBlock:
    """Return what is written of stems and rest, or of a mix: (files, channels of each, frames)."""
    if parts == "stems":  # what stems leave is next to nothing, and goes with the last
        return np.concatenate([placed[:-2], placed[-2:].sum(axis=0, keepdims=True)])
    return placed.swapaxes(0, 1) if parts == "channels" else placed
