"""``stemtool``, started as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STEMTOOL = Path(sys.executable).with_name("stemtool")


def stemtool(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STEMTOOL, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
