"""What clients can use up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What clients can use up; who asks for more gets an error.

    Attributes:
        queue: jobs that wait.
        queue_per_client: jobs of one client that wait.
        upload_bytes: size of all uploads together.
        job_seconds: time that a job may take.
        keep_days: how long what is over is remembered.
    """

    queue: int = 1_000
    queue_per_client: int = 200
    upload_bytes: int = 8 << 30
    job_seconds: float = 6 * 3600
    keep_days: float = 7
