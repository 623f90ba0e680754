"""Models of the catalogue, fetched and imported at their first use."""

from __future__ import annotations

import json
import logging
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daw_bridge.conversion.family import ImportWishes
from daw_bridge.conversion.process import convert_apart
from daw_bridge.errors import ManifestError, WeightsError
from daw_bridge.files.download import downloaded
from daw_bridge.files.folders import staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.licences import warn_of_licence
from daw_bridge.library.places import cache_folder, data_folder, find_models
from daw_bridge.weights.importing import changing_model, finish_model
from daw_bridge.weights.installing import weights_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.conversion.child import Described
    from daw_bridge.files.download import Progress
    from daw_bridge.library.manifest import PublishedModel

_CONFIGURATION_BYTES = 1 << 20

_log = logging.getLogger(__name__)


def bring_model(
    model: PublishedModel, progress: Progress | None = None, *, anew: bool = False
) -> None:
    """Fetch and import a published model, unless somebody else does while this process waits.

    Args:
        model: what the catalogue says of it.
        progress: is told bytes that have come and bytes in all.
        anew: take the place of the model of this name that is here.

    Raises:
        WeightsError: its files cannot be had, or are no checkpoint that can be read.
        ManifestError: it makes other stems than the catalogue says.
        OutputError: the model cannot be written.
    """
    folder = weights_folder(model)
    with changing_model(folder):
        if model.name in find_models() and not anew:
            return
        _log.info("Fetching the model %s from %s …", model.name, model.checkpoint.url)
        with _fetched(model, progress) as (checkpoint, configuration):
            _log.info("Converting %s …", model.name)
            _install(model, checkpoint, configuration, folder)
    warn_of_licence(model)


@contextmanager
def _fetched(
    model: PublishedModel, progress: Progress | None
) -> Iterator[tuple[Path, Path | None]]:
    """Give a model's checkpoint and its configuration.

    Raises:
        WeightsError: they cannot be had.
    """
    folder = cache_folder() / "downloads"
    with ExitStack() as cleanup:
        try:
            configuration = cleanup.enter_context(_configuration(model, folder))
            checkpoint = cleanup.enter_context(
                downloaded(
                    model.checkpoint.url,
                    folder,
                    sha256=model.checkpoint.sha256,
                    progress=progress,
                )
            )
        except OSError as error:
            names = " and ".join(each.file for each in model.downloads)
            raise WeightsError(
                f"The model {model.name} is not on this machine and cannot be fetched from"
                f" {model.checkpoint.url}: {error}; get {names} on a machine that can, bring them"
                f" here and run `stemtool models import {_import_line(model)}`."
            ) from error
        yield checkpoint, configuration


def _import_line(model: PublishedModel) -> str:
    configured = f" --config {model.configuration.file}" if model.configuration else ""
    return f"{model.checkpoint.file}{configured} --family {model.family} --name {model.name}"


@contextmanager
def _configuration(model: PublishedModel, folder: Path) -> Iterator[Path | None]:
    """Give the file that a model was trained by, fetched or written; None, where it needs none."""
    if model.configuration:
        url, sha256 = model.configuration.url, model.configuration.sha256
        with downloaded(url, folder, sha256=sha256, limit_bytes=_CONFIGURATION_BYTES) as file:
            yield file
    elif model.settings:
        with tempfile.TemporaryDirectory(prefix="daw-bridge-") as temporary:
            file = Path(temporary) / "settings.json"
            file.write_text(json.dumps(model.settings), "utf-8")
            yield file
    else:
        yield None


def _install(
    model: PublishedModel, checkpoint: Path, configuration: Path | None, folder: Path
) -> None:
    """Convert a checkpoint into a model's folder, whole or not at all."""
    wishes = ImportWishes(configuration=configuration)
    with staged(folder, data_folder()) as staging:
        made = convert_apart(checkpoint, model.family, wishes, folder=staging)
        (source,) = model.sources
        pinned = msgspec.structs.replace(source, sha256=sha256_of(checkpoint))
        finish_model(
            msgspec.structs.replace(
                made,
                name=model.name,
                summary=model.summary,
                stems=_rename(model, made),
                licence=model.licence,
                attribution=model.attribution,
                quality=model.quality,
                sources=(pinned,),
            ),
            staging,
        )


def _rename(model: PublishedModel, made: Described) -> tuple[str, ...]:
    """Return what to call the stems of a converted model, in its own order.

    Raises:
        ManifestError: they are not those that the catalogue promises.
    """
    stems = tuple(model.renames.get(stem, stem) for stem in made.stems)
    if sorted(stems) != sorted(model.stems):
        raise ManifestError(
            f"{model.checkpoint.url} gives a model that makes {', '.join(stems)}, not"
            f" {', '.join(model.stems)} as the catalogue says of {model.name}."
        )
    return stems
