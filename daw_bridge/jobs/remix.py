"""Stems become a remix."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from daw_bridge.evaluation.nulls import NullMeter
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.reading import open_channels
from daw_bridge.files.writing import StemFiles
from daw_bridge.jobs.job import Result, claim_outputs, report
from daw_bridge.jobs.render import RenderJob, check_null, watch
from daw_bridge.jobs.sources import Selection
from daw_bridge.separation.options import make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.jobs.job import IsCancelled, Progress
    from daw_bridge.jobs.render import StemMaker
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.rendering.preset import Preset

REMIX = "remix"
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

    def outputs(self, manifest: ModelManifest) -> dict[str, Path]:
        """Return the path of the remix, and of each stem that is kept.

        Raises:
            AudioError: there are no stems in their folder.
            PresetError: the preset does not fit the stems.
        """
        stems = self.stems(manifest)
        self.preset.check(stems)
        folder = self.kept_folder
        kept = {stem: folder / f"{stem}.wav" for stem in stems} if folder else {}
        return {REMIX: self.output, **kept}


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
    from daw_bridge.rendering.remix import Master, mix  # slow to load

    began = time.perf_counter()
    outputs = claim_outputs(job, maker.manifest)
    meter = NullMeter()
    with open_channels(job.sources) as reader:
        selection = Selection(reader, job.start, job.length)
        channels = make_plan(maker.manifest, job.options, reader).channels
        sound: dict[str, Any] = {"sample_rate_hz": reader.sample_rate_hz, "channels": channels}
        provider, stems = maker.stems(job, selection, channels)
        tell = partial(report, job, selection.frames, progress, is_cancelled)
        with (
            closing(stems),
            StemFiles([job.output], job.output_format, tags_from=job.source, **sound) as remix,
            StemFiles(list(outputs.values())[1:], _KEPT_FORMAT, **sound) as kept,
            Master(job.preset, tell, output=job.output.resolve(), **sound) as master,
        ):
            watched = watch(stems, meter, kept if job.kept_folder else None, tell)
            for block in chain(map(master.push, mix(watched, job.preset)), master.finish()):
                remix.write(block[np.newaxis])
            check_null(job, meter)
            kept.commit()
            written = remix.commit()
    return RemixResult(
        source=job.source,
        outputs=outputs,
        frames=remix.frames,
        provider=provider,
        elapsed_s=time.perf_counter() - began,
        gain_db=20 * math.log10(written.gain),
        null_db=meter.null_db(),
        **sound,
        **master.levels._asdict(),
    )
