"""Networks in eight bits, beside the cache's other weights, each with what was measured of it.

    <cache>/int8/<sha256>/measured.toml    of the network that hashes to this: what int8 loses
                          network.onnx     the same in eight bits, where it has products for it

They are made on this machine and can be made again, so they lie in the cache, those of users'
models among them. Nothing is opened that does not hash to what was measured.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import msgspec

from daw_bridge.errors import OutputError, WeightsError
from daw_bridge.files.flaws import to_struct
from daw_bridge.files.folders import locked, staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.tables import Natural, open_toml, to_toml
from daw_bridge.library.models import load_components
from daw_bridge.library.names import Sha256
from daw_bridge.library.places import cache_folder
from daw_bridge.library.stages import ManifestTable
from daw_bridge.weights.installing import own_networks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.library.manifest import ModelManifest

_NETWORK = "network.onnx"
_MEASURED = "measured.toml"
_MAX_NAME = 1000
_MAX_PRODUCTS = 50_000

ProductName = Annotated[str, msgspec.Meta(max_length=_MAX_NAME)]


class Measured(ManifestTable, frozen=True, kw_only=True):
    """What is known of a network in eight bits.

    Attributes:
        source: what the network hashes to that it was made of.
        sha256: what it hashes to; None: there is none, as it would not be faster.
        products: how many of its products are ones of integers, or could be.
        left: those of them that are left in float.
        residual_db: how far below the model's stems lies what int8 changes of them.
        song: the name of the file that this was measured on.
        song_sha256: what that hashes to.
    """

    source: Sha256
    sha256: Sha256 | None = None
    products: Natural = 0
    left: Annotated[tuple[ProductName, ...], msgspec.Meta(max_length=_MAX_PRODUCTS)] = ()
    residual_db: float
    song: str
    song_sha256: Sha256


def find_measured(digest: str) -> Measured | None:
    """Return what was measured of the network of a hash; None, if nothing was.

    Raises:
        WeightsError: what is there cannot be read.
    """
    path = _folder(digest) / _MEASURED
    if not digest or not path.is_file():
        return None
    with open_toml(path, WeightsError) as tables:
        measured = to_struct(tables, Measured)
    return measured if measured.source == digest else None


def measured_of(manifest: ModelManifest) -> Iterator[Measured | None]:
    """Yield what was measured of each network that a model runs; None, where nothing was."""
    for each in load_components(manifest):
        for _, digest in own_networks(each):
            yield find_measured(digest)


def locate_quantised(manifest: ModelManifest, network: Path) -> Path:
    """Return the path of one of a model's own networks in eight bits, verified.

    A network that would not be faster in eight bits is taken as it is.

    Raises:
        WeightsError: it was not made yet, or is damaged.
    """
    digest = dict(own_networks(manifest)).get(network, "")
    measured = find_measured(digest)
    if measured is None:
        raise WeightsError(
            f"{manifest.name} was not brought to int8 on this machine yet: `stemtool models"
            f" quantise {manifest.name} SONG` does so, and measures on a song what is lost;"
            " --precision float does without."
        )
    if not measured.sha256:
        return network
    path = _folder(digest) / _NETWORK
    if not path.is_file() or sha256_of(path) != measured.sha256:
        raise WeightsError(
            f"{path} is missing or damaged: `stemtool models quantise {manifest.name} SONG` makes"
            " it anew."
        )
    return path


def keep_quantised(measured: Measured, network: Path | None) -> None:
    """Keep a network in eight bits, if there is one, and what was measured of it.

    Raises:
        OutputError: it cannot be written.
    """
    folder = _folder(measured.source)
    try:
        with locked(folder, cache_folder()), staged(folder, cache_folder()) as staging:
            if network:
                shutil.copy(network, staging / _NETWORK)
            told = to_toml(msgspec.to_builtins(measured))
            (staging / _MEASURED).write_text(told, "utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error


def _folder(digest: str) -> Path:
    return cache_folder() / "int8" / digest
