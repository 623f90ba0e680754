"""The models of the library: manifests read, with those of the models that they are made of."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from daw_bridge.errors import ManifestError, ModelError
from daw_bridge.files.flaws import to_struct
from daw_bridge.files.tables import open_toml, to_toml
from daw_bridge.library.catalogue import load_catalogue
from daw_bridge.library.limits import MAX_COMPONENTS, MAX_LEVELS
from daw_bridge.library.manifest import EnsembleModel, MagnitudeModel, ModelManifest, PublishedModel
from daw_bridge.library.places import find_model, find_models, load_all, replaces_shipped, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daw_bridge.library.stages import ManifestTable, Stage

_log = logging.getLogger(__name__)


def load_manifest(name: str) -> ModelManifest:
    """Return the manifest of a model of the library, or what the catalogue says of it.

    Raises:
        ModelError: no model has this name.
        ManifestError: its manifest breaks the rules.
    """
    return _read(_locate(name), _Kin((), {}))


def load_manifests(tell: Callable[[ModelError], None] = warn) -> list[ModelManifest]:
    """Return the manifests of the models of the library, sorted by name.

    Args:
        tell: is told why a model is left out; by default the log is.
    """
    found = find_models()
    for path in found.values():
        _tell_of_replacement(path)
    return list(load_all(found, read_manifest, ModelError, tell))


def load_components(manifest: ModelManifest) -> Iterator[ModelManifest]:
    """Yield a model and the models that it is made of, and theirs."""
    yield manifest
    for name in manifest.components:
        yield from load_components(load_manifest(name))


def read_manifest(path: Path) -> ModelManifest:
    """Parse and validate one manifest, and those of the models that it is made of.

    Raises:
        ManifestError: the file is no TOML; a key is unknown, missing or of the wrong kind; or
            stages do not fit together.
    """
    return _read(path, _Kin((), {}))


def manifest_text(manifest: ManifestTable) -> str:
    """Return a manifest as TOML, without what is as by default."""
    return to_toml(msgspec.to_builtins(manifest))


class _Kin(NamedTuple):
    """Models that are read together.

    Attributes:
        above: those that are made of the one that is read, which it cannot be made of in turn.
        known: those that were read, by name.
    """

    above: tuple[str, ...]
    known: dict[str, ModelManifest]

    def below(self, name: str) -> _Kin:
        """Return what those are that a model is made of."""
        return _Kin((*self.above, name), self.known)

    def count(self, manifest: ModelManifest) -> int:
        """Return how many models are loaded for one that was read."""
        return 1 + sum(self.count(self.known[name]) for name in manifest.components)

    def find(self, name: str) -> ModelManifest:
        """Return the manifest of a model that another is made of.

        Raises:
            ValueError: there is none of this name, or it is in a ring or too deep a pile of models.
            ManifestError: it cannot be read.
        """
        if name in self.above:
            raise ValueError(f"'{name}' would be made of itself: {' → '.join((*self.above, name))}")
        if len(self.above) > MAX_LEVELS:
            raise ValueError(f"models are made of models over more than {MAX_LEVELS} levels")
        if name not in self.known:
            try:
                place = _locate(name)
            except ModelError as error:
                raise ValueError(str(error).removesuffix(".")) from error
            self.known[name] = _read(place, self)
        return self.known[name]


def _locate(name: str) -> Path | PublishedModel:
    """Return where a model's manifest is, or what the catalogue says of one that is not here.

    It is said if the manifest is not the one that a name stands for.
    """
    catalogue = {} if name in find_models() else load_catalogue()
    if name in catalogue:
        return catalogue[name]
    path = find_model(name, catalogue)
    _tell_of_replacement(path)
    return path


@cache
def _tell_of_replacement(manifest: Path) -> None:
    """Say once if a manifest is in the place of one that comes with daw-bridge."""
    folder = manifest.parent
    if replaces_shipped(folder.name):
        _log.warning(
            "The model in %s is used in place of the %s that comes with daw-bridge.",
            folder,
            folder.name,
        )


def _read(place: Path | PublishedModel, kin: _Kin) -> ModelManifest:
    """As :func:`read_manifest`, each of the models that it is made of once."""
    if isinstance(place, PublishedModel):
        return place
    with open_toml(place, ManifestError) as tables:
        manifest: ModelManifest = to_struct(tables, ModelManifest)
        manifest.check(place.parent)
        _check_components(manifest, kin.below(manifest.name))
        if kin.count(manifest) > MAX_COMPONENTS:
            raise ValueError(f"it is made of more than {MAX_COMPONENTS} models, theirs included")
    return manifest


def _check_components(manifest: ModelManifest, kin: _Kin) -> None:
    """Raise :class:`ValueError` unless the models that one is made of do what it asks of them."""
    match manifest:
        case EnsembleModel():
            for name in manifest.components:
                _check_member(manifest, kin.find(name))
        case MagnitudeModel():
            for stage in manifest.stages:
                for name in stage.models:
                    _check_part(manifest, stage, kin.find(name))


def _check_part(manifest: MagnitudeModel, stage: Stage, model: ModelManifest) -> None:
    """Raise :class:`ValueError` unless a model can split what a stage splits."""
    if not _takes_alike(model, manifest):
        raise ValueError(
            f"{model.name} takes another sample rate, transform, feature, segment or bandwidth"
        )
    if len(model.stems) != len(stage.parts) or _is_disordered(stage.parts, model.stems):
        raise ValueError(
            f"{model.name} makes {', '.join(model.stems)}, which the stage names"
            f" {', '.join(stage.parts)}: as many, in the same order"
        )


def _check_member(manifest: EnsembleModel, model: ModelManifest) -> None:
    """Raise :class:`ValueError` unless a model makes an ensemble's stems."""
    if model.kind == manifest.kind:
        raise ValueError(f"{model.name} is an ensemble: name its members instead")
    if (set(model.stems), model.channels) != (set(manifest.stems), manifest.channels):
        raise ValueError(
            f"{model.name} makes {', '.join(model.stems)} of {model.channels} channels, not"
            f" {', '.join(manifest.stems)} of {manifest.channels}"
        )


def _takes_alike(model: ModelManifest, manifest: MagnitudeModel) -> bool:
    """Return whether a model takes every input that another passes on to it."""
    return (
        isinstance(model, MagnitudeModel)
        and (model.sample_rate_hz, model.channels, model.transform, model.features)
        == (manifest.sample_rate_hz, manifest.channels, manifest.transform, manifest.features)
        and manifest.segment.context_frames >= model.segment.context_frames
        and manifest.segment.multiple_frames % model.segment.multiple_frames == 0
        and set(manifest.bandwidths.values()) <= set(model.bandwidths.values())
    )


def _is_disordered(parts: tuple[str, ...], stems: tuple[str, ...]) -> bool:
    """Return whether a part has the name of a stem that it is not."""
    return any(part in stems and part != stem for part, stem in zip(parts, stems, strict=True))
