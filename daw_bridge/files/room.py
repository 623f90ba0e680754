"""How much may be written to a disk."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daw_bridge.errors import DiskFullError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where there is no room."""

_GIGABYTE = 1 << 30


@dataclass
class Room:
    """What a piece of work may write: so much in all, and nothing of a disk's reserve.

    Attributes:
        limit_bytes: how much it may write in all, of spools and of results.
        reserve_bytes: how much stays free of each disk.
        claimed_bytes: how much it has written, or is about to.
    """

    limit_bytes: int
    reserve_bytes: int
    claimed_bytes: int = field(default=0, init=False)

    def claim(self, size: int, folder: Path) -> None:
        """Count bytes that are about to be written to a folder.

        Raises:
            OutputError: they are too many.
            DiskFullError: too few would stay free.
            OSError: the disk cannot be asked.
        """
        self.check(size, folder)
        self.claimed_bytes += size

    def check(self, size: int, folder: Path) -> None:
        """Find whether there is room for so many bytes, without counting them.

        Raises:
            OutputError: they are too many.
            DiskFullError: too few would stay free.
            OSError: the disk cannot be asked.
        """
        if self.claimed_bytes + size > self.limit_bytes:
            raise OutputError(
                f"The job would write more than {self.limit_bytes / _GIGABYTE:.3g} GiB to {folder},"
                " spools counted; ask for fewer stems or less of the source, or have the server"
                " started with a larger --max-job-size."
            )
        check_reserve(folder, size, self.reserve_bytes)


def check_reserve(folder: Path, size: int, reserve_bytes: int) -> None:
    """Find whether enough of a disk stays free where so many bytes are written to a folder.

    Raises:
        DiskFullError: too few would stay free.
        OSError: the disk cannot be asked.
    """
    if shutil.disk_usage(folder).free < size + reserve_bytes:
        raise DiskFullError(
            f"There is no room left in {folder}: {size:,} bytes would leave less than"
            f" {reserve_bytes:,} free; free some."
        )
