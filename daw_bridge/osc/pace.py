"""How often something may happen."""

from __future__ import annotations

import time


class Pace:
    """Lets so much happen a second, and as much at once where nothing happened before.

    Args:
        per_second: how often it may happen.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._saved = per_second
        self._seen_at = time.monotonic()

    def allows(self) -> bool:
        """Return whether it may happen now, and take it that it does."""
        now = time.monotonic()
        self._saved += (now - self._seen_at) * self._per_second
        self._saved = min(self._saved, self._per_second)
        self._seen_at = now
        if self._saved < 1:
            return False
        self._saved -= 1
        return True
