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
        host_upload_bytes: size of those from one machine.
        uploads: their number.
        host_uploads: the number of those from one machine.
        job_bytes: what a job may write, spools and results.
        reserve_bytes: what stays free of every disk that is written to.
        job_seconds: time that a job may take.
        keep_days: how long what is over is remembered.
    """

    queue: int = 1_000
    queue_per_client: int = 200
    upload_bytes: int = 16 << 30
    host_upload_bytes: int = 8 << 30
    uploads: int = 1_000
    host_uploads: int = 500
    job_bytes: int = 64 << 30
    reserve_bytes: int = 256 << 20
    job_seconds: float = 6 * 3600
    keep_days: float = 7
