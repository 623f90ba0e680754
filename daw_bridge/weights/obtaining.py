"""Models by their names: all that one needs is here, or is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from daw_bridge.library.catalogue import load_catalogue
from daw_bridge.library.manifest import PublishedModel
from daw_bridge.library.models import load_components, load_manifest
from daw_bridge.library.places import data_folder
from daw_bridge.weights.installing import are_fetched, are_intact, weights_folder

if TYPE_CHECKING:
    from daw_bridge.files.download import Progress
    from daw_bridge.library.manifest import ModelManifest


Whereabouts: TypeAlias = Literal["here", "shipped", "not fetched yet"]


def locate_model(manifest: ModelManifest) -> Whereabouts:
    """Return whether all that a model needs is here, and whether it came with the package."""
    if not are_fetched(manifest):
        return "not fetched yet"
    is_own = weights_folder(manifest).is_relative_to(data_folder())
    fetches = any(each.network for each in load_components(manifest))
    return "here" if is_own or fetches else "shipped"


def ensure_model(name: str, progress: Progress | None = None) -> ModelManifest:
    """Return the manifest of a model, once all published models that it needs are in the library.

    Args:
        name: the model's.
        progress: is told bytes that have come and bytes in all of each file.

    Raises:
        ModelError: there is no such model, or it cannot be read, had or written.
    """
    for each in load_components(load_manifest(name)):
        if isinstance(each, PublishedModel):
            from daw_bridge.weights.publishing import bring_model  # slow to load, seldom needed

            bring_model(each, progress)
    return load_manifest(name)


def mend_model(name: str, progress: Progress | None = None) -> ModelManifest:
    """As :func:`ensure_model`; what came of the catalogue and is damaged is fetched anew.

    The checkpoint must be the one that the model was made from.
    """
    from daw_bridge.weights.publishing import bring_model

    catalogue = load_catalogue()
    for each in load_components(ensure_model(name, progress)):
        published = catalogue.get(each.name)
        if published and _is_of(each, published) and not are_intact(each):
            pinned = msgspec.structs.replace(published.checkpoint, sha256=each.sources[0].sha256)
            bring_model(msgspec.structs.replace(published, checkpoint=pinned), progress, anew=True)
    return load_manifest(name)


def _is_of(manifest: ModelManifest, published: PublishedModel) -> bool:
    return [source.url for source in manifest.sources] == [published.checkpoint.url]
