"""Whose turn it is.

Clients take turns, each with its oldest job first, so that a hundred jobs of one client do not
hold up the one of another. A worker may be kept for short jobs, so that a selection need not wait
for an hour-long set.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.serving.store import Record

SHORT_SECONDS = 60.0
"""Up to here a job is short."""


class FairQueue:
    """Jobs that wait."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[Record]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def __iter__(self) -> Iterator[Record]:
        for records in self._clients.values():
            yield from records

    def count(self, client: str) -> int:
        """Return how many jobs of a client wait."""
        return len(self._clients.get(client, ()))

    def push(self, record: Record, *, first: bool = False) -> None:
        """Add a job; ``first``: before the others of its client."""
        records = self._clients.setdefault(record.client, deque())
        if first:
            records.appendleft(record)
        else:
            records.append(record)

    def put_back(self, record: Record) -> None:
        """Add a job where it was taken out."""
        self.push(record, first=True)
        self._clients.move_to_end(record.client, last=False)

    def pop(self, *, only_short: bool = False) -> Record | None:
        """Take the next job out, and put its client to the end of the line.

        Args:
            only_short: pass over those that are known to be long.
        """
        for client, records in self._clients.items():
            for record in records:
                if only_short and (record.seconds or 0) > SHORT_SECONDS:
                    continue
                self.remove(record)
                if client in self._clients:
                    self._clients.move_to_end(client)
                return record
        return None

    def remove(self, record: Record) -> bool:
        """Take a job out; return whether it was there."""
        records = self._clients.get(record.client, deque())
        if record not in records:
            return False
        records.remove(record)
        if not records:
            del self._clients[record.client]
        return True
