"""A checkpoint of a known family → a model in the user's folder."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daw_bridge.conversion.child import NETWORK
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.process import convert_apart
from daw_bridge.errors import ManifestError, OptionError, OutputError, WeightsError
from daw_bridge.files.download import downloaded
from daw_bridge.files.folders import locked, staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.catalogue import load_catalogue
from daw_bridge.library.licences import warn_of_licence
from daw_bridge.library.models import load_manifest, manifest_text, read_manifest
from daw_bridge.library.names import is_model_name
from daw_bridge.library.places import cache_folder, data_folder, find_models
from daw_bridge.library.sources import Source
from daw_bridge.library.stages import CommittedNetwork, Stage
from daw_bridge.weights.inspecting import inspect_once
from daw_bridge.weights.installing import import_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.conversion.child import Described
    from daw_bridge.files.download import Progress
    from daw_bridge.library.manifest import ModelManifest, PublishedModel

_DIGEST_DIGITS = 12


@dataclass(frozen=True)
class ImportOptions:
    """What is known of a checkpoint, and what becomes of it.

    Attributes:
        family: which it is of; None: the one that recognises it.
        name: the model's; None: that of the file or folder.
        sha256: what the file must hash to; None: anything.
        overwrite: take the place of a model of the same name.
        wishes: what else its converter is to know.
    """

    family: str | None = None
    name: str | None = None
    sha256: str | None = None
    overwrite: bool = False
    wishes: ImportWishes = field(default_factory=ImportWishes)


@dataclass(frozen=True)
class _Checkpoint:
    """A file or a folder, the file's hash, and where it is from."""

    path: Path
    sha256: str | None
    url: str | None

    @property
    def stem(self) -> str:
        name = self.path.resolve().name
        return re.sub(r"(\.tar)?\.\w+$", "", name) if self.sha256 else name

    def is_of(self, published: PublishedModel) -> bool:
        """Return whether it has the name of a published model's checkpoint."""
        return self.path.name == published.checkpoint.file

    @property
    def sources(self) -> tuple[Source, ...]:
        """What a manifest says of it."""
        if not self.sha256:
            return ()
        return (Source(file=self.path.name, sha256=self.sha256, url=self.url),)


def import_checkpoint(
    place: str, options: ImportOptions | None = None, progress: Progress | None = None
) -> ModelManifest:
    """Make a checkpoint a model of the library.

    What a manifest of the library takes, a file or a folder of several, becomes that model's
    weights, unless the options name another model or wish for something; anything else becomes a
    model of its own in the user's folder: the catalogue's, if it has the name and the file of one.

    Args:
        place: the path of a file or a folder, or a URL of http or https.
        options: what is known of it.
        progress: is told bytes that have come and bytes in all.

    Raises:
        WeightsError: it is not to be had, or no checkpoint that can be read.
        OptionError: an option does not fit it, or there is a model of this name.
        OutputError: the model cannot be written.
    """
    options = options or ImportOptions()
    with _opened(place, options, progress) as checkpoint:
        if options.wishes == ImportWishes():
            known = import_source(checkpoint.path, options.name)
            if known:
                return known
        name = _free_name(options.name or checkpoint.stem, overwrite=options.overwrite)
        _write(data_folder() / "models" / name, checkpoint, options)
    manifest = load_manifest(name)
    warn_of_licence(manifest)
    return manifest


@contextmanager
def _opened(place: str, options: ImportOptions, progress: Progress | None) -> Iterator[_Checkpoint]:
    """Find a checkpoint, or fetch it for as long as the block lasts."""
    path, url = Path(place), None
    with ExitStack() as cleanup:
        try:
            if re.match("https?://", place):
                url = place
                download = downloaded(
                    url, cache_folder() / "downloads", sha256=options.sha256, progress=progress
                )
                path = cleanup.enter_context(download)
            digest = None if path.is_dir() else sha256_of(path)
        except OSError as error:
            raise WeightsError(f"{place} cannot be read: {error.strerror or error}.") from error
        if options.sha256 not in (None, digest):
            raise WeightsError(f"{place} has sha256 {digest or 'none'}, not {options.sha256}.")
        yield _Checkpoint(path, digest, url)


def _free_name(name: str, *, overwrite: bool) -> str:
    if not is_model_name(name):
        raise OptionError(f"'{name}' cannot be a model's name; --name gives it another.")
    if name in find_models() and not overwrite:
        raise OptionError(
            f"There is a model '{name}' already; --name gives this one another name, --overwrite"
            " puts it in the other's place."
        )
    return name


def _write(folder: Path, checkpoint: _Checkpoint, options: ImportOptions) -> None:
    """Convert a checkpoint into a model's folder, whole or not at all."""
    published = load_catalogue().get(folder.name)
    with changing_model(folder), staged(folder, data_folder()) as staging:
        if published and checkpoint.is_of(published) and not options.wishes.stems:
            model = convert_published(published, checkpoint.path, options.wishes, folder=staging)
        else:
            model = convert_apart(checkpoint.path, options.family, options.wishes, folder=staging)
            model = msgspec.structs.replace(model, name=folder.name)
        finish_model(msgspec.structs.replace(model, sources=checkpoint.sources), staging)


def convert_published(
    model: PublishedModel, checkpoint: Path, wishes: ImportWishes, *, folder: Path
) -> Described:
    """Convert a checkpoint into a folder, and return what the catalogue and it say together.

    Raises:
        ManifestError: it makes other stems than the catalogue says.
        WeightsError: it cannot be read.
        OptionError: the wishes do not fit.
    """
    with _configured(model, wishes) as configured:
        made = convert_apart(checkpoint, model.family, configured, folder=folder)
    return msgspec.structs.replace(
        made,
        name=model.name,
        summary=model.summary,
        stems=_rename(model, made),
        licence=model.licence,
        attribution=model.attribution,
        quality=model.quality,
    )


@contextmanager
def _configured(model: PublishedModel, wishes: ImportWishes) -> Iterator[ImportWishes]:
    """Give wishes with a file of the catalogue's settings, unless they name a configuration."""
    if wishes.configuration or not model.settings:
        yield wishes
        return
    with tempfile.TemporaryDirectory(prefix="daw-bridge-") as folder:
        file = Path(folder) / "settings.json"
        file.write_text(json.dumps(model.settings), "utf-8")
        yield msgspec.structs.replace(wishes, configuration=file)


def _rename(model: PublishedModel, made: Described) -> tuple[str, ...]:
    """Return what to call the stems of a converted model, in its own order.

    Raises:
        ManifestError: they are not those that the catalogue promises.
    """
    stems = tuple(model.renames.get(stem, stem) for stem in made.stems)
    if sorted(stems) != sorted(model.stems):
        raise ManifestError(
            f"{model.checkpoint.file} makes {', '.join(stems)}, not {', '.join(model.stems)} as the"
            f" catalogue says of {model.name}."
        )
    return stems


@contextmanager
def changing_model(folder: Path) -> Iterator[None]:
    """Let nobody else change a model's folder meanwhile.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with locked(folder, data_folder()):
            yield
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}.") from error


def finish_model(model: Described, folder: Path) -> None:
    """Write the manifest of a network that was converted into a folder, and look at both.

    Raises:
        ManifestError: the manifest breaks the rules.
        WeightsError: the network is not harmless.
        OSError: the manifest cannot be written.
    """
    digest = sha256_of(folder / NETWORK)
    network = CommittedNetwork(file=NETWORK, sha256=digest)
    described = msgspec.structs.replace(
        model,
        version=f"1.0.0+{digest[:_DIGEST_DIGITS]}",  # stems are cached by it
        stages=(Stage(parts=model.stems, network=network),),
    )
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest_text(described), "utf-8")
    read_manifest(manifest)
    inspect_once(described, folder / NETWORK, digest)
