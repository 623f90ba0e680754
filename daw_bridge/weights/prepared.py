"""Networks in the form in which this machine runs them, beside the cache's other weights.

    <cache>/prepared/<key>/network.onnx   the optimised graph
                           arrays.bin     its weights, which are mapped into memory, not read
                           sha256sums     what the two hash to, a file a line

A key is a hash of the network's and of what it was optimised for. Folders can be made again at any
time, and those that nobody made again for long are removed. A graph is verified before it is
opened, its weights, which are numbers and nothing else, before anything that they give is used.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daw_bridge.errors import OutputError, WeightsError
from daw_bridge.files.folders import locked, staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.reach import read_small
from daw_bridge.library.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GRAPH = "network.onnx"
ARRAYS = "arrays.bin"
_DIGESTS = "sha256sums"
_MAX_DIGEST_BYTES = 1 << 12
_KEPT_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True)
class PreparedNetwork:
    """A network that was prepared, whose graph is intact.

    Attributes:
        graph: its file.
        arrays_sha256: what its weights are to hash to.
    """

    graph: Path
    arrays_sha256: str

    def verify_arrays(self) -> None:
        """Make sure that its weights are intact.

        Raises:
            WeightsError: they are not, and were removed.
        """
        folder = self.graph.parent
        with suppress(OSError):
            if sha256_of(folder / ARRAYS) == self.arrays_sha256:
                return
        shutil.rmtree(folder, ignore_errors=True)
        raise WeightsError(f"{folder} was damaged and is removed: once more, and it is made anew.")


def find_prepared(digest: str, target: str) -> PreparedNetwork | None:
    """Return the network of a hash as it was prepared for a target; None, where it was not."""
    folder = _folder(digest, target)
    try:
        told = read_small(folder / _DIGESTS, at_most=_MAX_DIGEST_BYTES).decode("ascii")
        graph_sha256, arrays_sha256 = (line.partition("  ")[0] for line in told.splitlines())
        if sha256_of(folder / GRAPH) != graph_sha256:
            return None
    except (OSError, ValueError):
        return None
    return PreparedNetwork(folder / GRAPH, arrays_sha256)


def prepare(digest: str, target: str, write: Callable[[Path], None]) -> PreparedNetwork | None:
    """Prepare the network of a hash, unless another process does so meanwhile.

    Args:
        digest: the network's.
        target: what it is optimised for.
        write: writes the graph to a path, and its weights beside it.

    Returns:
        None, where it cannot be written.
    """
    folder = _folder(digest, target)
    with suppress(OSError, OutputError, WeightsError), locked(folder, cache_folder()):
        if not find_prepared(digest, target):
            _remove_old(folder.parent)
            with staged(folder, cache_folder()) as staging:
                write(staging / GRAPH)
                (staging / ARRAYS).touch()  # where there are none
                sums = [f"{sha256_of(staging / file)}  {file}\n" for file in (GRAPH, ARRAYS)]
                (staging / _DIGESTS).write_text("".join(sums), "ascii")
    return find_prepared(digest, target)


def _remove_old(home: Path) -> None:
    """Remove what is of earlier networks, runtimes and processors."""
    for folder in home.iterdir():
        with suppress(OSError):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _folder(digest: str, target: str) -> Path:
    key = hashlib.sha256(f"{digest} {target}".encode()).hexdigest()
    return cache_folder() / "prepared" / key
