"""Stems become a remix."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.errors import OptionError
from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.job import Result
from daw_bridge.jobs.render import RenderJob, check_null, watch
from daw_bridge.jobs.running import begin
from daw_bridge.library.stems import REMIX
from daw_bridge.separation.options import make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.jobs.job import IsCancelled, Progress
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.rendering.preset import Preset

_KEPT_FORMAT = OutputFormat("wav", "32f")


@dataclass(frozen=True)
class RemixJob(RenderJob):
    """Remix a file.

    Attributes:
        preset: what becomes of the stems.
        kept_folder: where the stems go, as float WAV files; None: they are not kept.
    """

    preset: Preset
    kept_folder: Path | None = field(default=None, kw_only=True)

    @property
    def asked_stems(self) -> tuple[str, ...]:
        """The stems that the preset names."""
        return self.preset.named

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of the remix, and of each stem that is kept.

        Raises:
            AudioError: there are no stems in their folder.
            PresetError: the preset does not fit the stems.
            OptionError: a stem has the name of the remix.
            OutputError: a stem's name leads out of the folder where they are kept.
        """
        if not self.stems_place:
            self.preset.check_names(manifest.parts)
        self.preset.check(self.stems(manifest))
        kept = self.kept_stems(manifest)
        if REMIX in kept:
            raise OptionError(
                f"A stem in {self.stems_place} is called '{REMIX}', as what is made of it: give it"
                " another name, or keep no stems."
            )
        return {REMIX: self.output, **kept}

    def kept_stems(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of each stem that is kept.

        Raises:
            AudioError: there are no stems in their folder.
            OutputError: a stem's name leads out of it.
        """
        if not self.kept_folder:
            return {}
        return {stem: self.place(self.kept_folder, f"{stem}.wav") for stem in self.stems(manifest)}


@dataclass(frozen=True)
class RemixResult(Result):
    """What came of a remix, whose length tempo and what rings on may change.

    Attributes:
        lufs: integrated loudness before it was turned down for integers; -inf for silence.
        true_peak_db: the highest true peak before that.
    """

    lufs: float
    true_peak_db: float


def run_remix(
    job: RemixJob,
    maker: StemMaker,
    *,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> RemixResult:
    """Run a remix to its end; whatever stops it, no partial file stays.

    Raises:
        DawBridgeError: the source cannot be read, the preset does not fit, …
        Cancelled: ``is_cancelled`` said so.
    """
    from daw_bridge.loudness import check_rate  # slow to load
    from daw_bridge.rendering.remix import Master, mix

    meter = NullMeter()
    with begin(job, maker.manifest, progress, is_cancelled) as running:
        mixture = running.selection.mixture
        check_rate(mixture)
        channels = make_plan(maker.manifest, job.options, mixture).channels
        provider, stems = maker.stems(job, running.selection, channels)
        with (
            closing(stems),
            running.files([job.output], channels) as remix,
            _kept_files(job, maker.manifest, mixture.sample_rate_hz, channels) as kept,
            Master(
                job.preset,
                running.report,
                channels=channels,
                sample_rate_hz=mixture.sample_rate_hz,
                output=job.output.resolve(),
                reach=job.reach,
                room=job.room,
            ) as master,
        ):
            watched = watch(stems, meter, kept if job.kept_folder else None, running.report)
            for block in chain(map(master.push, mix(watched, job.preset)), master.finish()):
                remix.write(block[np.newaxis])
            check_null(job, meter)
            running.commit(kept)
            written = running.commit(remix)
    result = running.result(
        remix,
        written,
        channels=channels,
        provider=provider,
        precision=maker.precision_of(job),
        null_db=meter.null_db(),
    )
    levels = master.levels
    return RemixResult(**vars(result), lufs=levels.lufs, true_peak_db=levels.true_peak_db)


def _kept_files(
    job: RemixJob, manifest: ModelManifest, sample_rate_hz: int, channels: int
) -> StemFiles:
    """Return the files of the stems that a job keeps, which may be none."""
    return StemFiles(
        list(job.kept_stems(manifest).values()),
        _KEPT_FORMAT,
        sample_rate_hz=sample_rate_hz,
        channels=channels,
        reach=job.reach,
        room=job.room,
    )
