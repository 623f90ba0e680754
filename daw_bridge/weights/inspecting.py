"""Networks that users brought are inspected before they are opened, once.

    <cache>/inspected/<key>    the network of this hash is harmless on inputs of these shapes

Those of the package, and those that its own models fetch, are known.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from daw_bridge.errors import WeightsError
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.manifest import (
    BandedModel,
    ComplexModel,
    CompositeModel,
    HybridModel,
    MagnitudeModel,
    PublishedModel,
)
from daw_bridge.library.places import cache_folder, data_folder, find_model
from daw_bridge.weights.installing import own_networks

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.library.manifest import ModelManifest

_RULES = 1
"""Which edition of the rules of :mod:`~daw_bridge.conversion.inspection` a key is of."""
_PARTS = 2  # real and imaginary


def ensure_harmless(manifest: ModelManifest, network: Path) -> None:
    """Make sure that one of a model's own networks may be opened.

    Raises:
        WeightsError: it may not.
    """
    if data_folder() / "models" not in find_model(manifest.name).parents:
        return
    pinned = dict(own_networks(manifest))
    inspect_once(manifest, network, pinned.get(network) or sha256_of(network))


def inspect_once(manifest: ModelManifest, network: Path, digest: str) -> None:
    """Inspect a network of a hash, unless one that was the same was found harmless before.

    Raises:
        WeightsError: it cannot be run safely as the manifest has it.
    """
    shapes = _shown_shapes(manifest)
    key = hashlib.sha256(f"{_RULES} {digest} {shapes}".encode()).hexdigest()
    known = cache_folder() / "inspected" / key
    if known.is_file():
        return
    if sha256_of(network) != digest:
        raise WeightsError(f"{network} is damaged: its sha256 is to be {digest}.")
    from daw_bridge.conversion.process import inspect_apart  # slow to load and seldom needed

    inspect_apart(network, shapes)
    with suppress(OSError):  # where the cache cannot be written, it is inspected again
        known.parent.mkdir(parents=True, exist_ok=True)
        known.touch()


def _shown_shapes(manifest: ModelManifest) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of what a network is shown at most; 0 is a length that it tells itself."""
    if isinstance(manifest, (CompositeModel, PublishedModel)):
        return ()  # it has no network
    if isinstance(manifest, MagnitudeModel):
        segment = manifest.segment
        frames = -(-segment.frames // segment.multiple_frames) * segment.multiple_frames
        return ((1, manifest.planes, frames, max(manifest.bandwidths.values())),)
    if isinstance(manifest, BandedModel):
        return ((1, manifest.channels, manifest.bins, manifest.segment.frames),)
    samples, hop_samples = manifest.passage.samples, manifest.transform.hop_samples
    signal = (1, manifest.channels, samples)
    if isinstance(manifest, ComplexModel):
        return ((1, _PARTS * manifest.channels, 0, 0),)
    if isinstance(manifest, HybridModel):
        return (signal, (1, _PARTS * manifest.channels, 0, -(-samples // hop_samples)))
    return (signal,)
