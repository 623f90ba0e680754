"""How long that is which a job is about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from daw_bridge.files.reading import open_channels
from daw_bridge.jobs.sources import Selection

if TYPE_CHECKING:
    from daw_bridge.jobs.job import Job


def claimed_seconds(job: Job) -> float:
    """Return how many seconds of its source a job is about, as far as the source says.

    Raises:
        AudioError: the source cannot be read.
    """
    with open_channels(job.sources, track=job.audio_track, reach=job.reach) as mixture:
        return Selection(mixture, job.start, job.length).frames / mixture.sample_rate_hz


def measure_seconds(job: Job, *, at_most: float) -> float:
    """Return how many seconds of its source a job is about.

    What a file only claims of its length is not believed where it says that it is short: it is
    decoded until more than ``at_most`` has come.

    Raises:
        AudioError: the source cannot be read, or ends before its part begins.
    """
    with open_channels(job.sources, track=job.audio_track, reach=job.reach) as mixture:
        rate = mixture.sample_rate_hz
        most_frames = math.ceil(at_most * rate) + 1
        claimed = Selection(mixture, job.start, job.length).frames
        if mixture.is_exact or claimed >= most_frames:
            return claimed / rate
        if job.length is not None and job.length < most_frames:
            return job.length / rate
        return sum(block.shape[1] for block in mixture.blocks(job.start, most_frames)) / rate
