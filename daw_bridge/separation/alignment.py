"""Several separations side by side, of which some are further ahead than others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daw_bridge.files.blocks import Fifo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daw_bridge.audio import StemBlock, Stems
    from daw_bridge.files.blocks import Block


class Outlet(NamedTuple):
    """Where a separation's stems come out block by block, and which of them are of use."""

    run: Iterator[Stems]
    names: tuple[str, ...]


def in_step(outlets: Sequence[Outlet], channels: int) -> Iterator[tuple[list[StemBlock], Block]]:
    """Yield stems of equally long separations as soon as all have given them.

    None is asked for more before the others have caught up with it.

    Yields:
        of each separation (its names, channels, frames), and the mixture of the first,
        (channels, frames).
    """
    queues = [Fifo(np.empty((len(each.names), channels, 0), np.float32)) for each in outlets]
    mixture = Fifo(np.empty((channels, 0), np.float32))
    while True:
        behind = min(range(len(outlets)), key=lambda index: queues[index].frames)
        run, names = outlets[behind]
        stems = next(run, None)
        if stems is None:
            return
        queues[behind].push(stems.samples[[stems.names.index(name) for name in names]])
        if behind == 0:
            mixture.push(stems.mixture)
        frames = min(queue.frames for queue in queues)
        if frames:
            yield [queue.take(frames) for queue in queues], mixture.take(frames)
