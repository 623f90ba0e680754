"""How long nobody has had anything to do with the server, so that it may leave by itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.serving.dispatcher import Dispatcher

_SECONDS_BETWEEN_LOOKS = 1.0


class Idleness:
    """Who asks for something interrupts it, and so do jobs that run or wait.

    Args:
        dispatcher: has the jobs run.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._since = time.monotonic()
        self._under_way = 0

    def interrupt(self) -> None:
        """Begin anew: somebody has asked for something."""
        self._since = time.monotonic()

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Begin anew when the block ends."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.interrupt()

    async def lasts(self, seconds: float) -> None:
        """Return once it has lasted so long from now; from then on, no job is taken in."""
        self.interrupt()
        while True:
            if self._under_way or self._dispatcher.active():
                self.interrupt()
            left = self._since + seconds - time.monotonic()
            if left <= 0 and await self._dispatcher.retire():
                return
            await asyncio.sleep(min(max(left, 0.0), _SECONDS_BETWEEN_LOOKS))
