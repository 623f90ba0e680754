"""Models of the catalogue, fetched and imported at their first use."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import UnfetchedError
from daw_bridge.files.download import describe_failure, downloaded
from daw_bridge.files.folders import staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.licences import warn_of_licence
from daw_bridge.library.places import cache_folder, data_folder, find_models
from daw_bridge.weights.importing import changing_model, convert_published, finish_model
from daw_bridge.weights.installing import weights_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from daw_bridge.files.download import Progress
    from daw_bridge.library.manifest import PublishedModel
    from daw_bridge.library.sources import Download

_CONFIGURATION_BYTES = 1 << 20
_LARGE_BYTES = 50_000_000
"""Of which the log is told how much is here."""

_log = logging.getLogger(__name__)


def bring_model(
    model: PublishedModel, progress: Progress | None = None, *, anew: bool = False
) -> None:
    """Fetch and import a published model, unless somebody else does while this process waits.

    Args:
        model: what the catalogue says of it.
        progress: is told bytes that have come and bytes in all; None: the log is, now and then.
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
        tell = progress or _tell_tenths(model.name)
        with _fetched(model, tell) as (checkpoint, configuration):
            _log.info("Converting %s …", model.name)
            _install(model, checkpoint, configuration, folder)
    warn_of_licence(model)


def _tell_tenths(name: str) -> Progress:
    """Return what tells the log of each tenth of a large file."""
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if total >= _LARGE_BYTES and (tenths := 10 * done // total) > told:
            told = tenths
            _log.info("%s: %d %% of %.0f MB are here.", name, 10 * tenths, total / 1e6)

    return tell


@contextmanager
def _fetched(model: PublishedModel, progress: Progress) -> Iterator[tuple[Path, Path | None]]:
    """Give a model's checkpoint and its configuration.

    Raises:
        UnfetchedError: they cannot be had.
    """
    with ExitStack() as cleanup:
        try:
            configuration = None
            if model.configuration:
                configuration = cleanup.enter_context(
                    _downloaded(model.configuration, limit_bytes=_CONFIGURATION_BYTES)
                )
            checkpoint = cleanup.enter_context(_downloaded(model.checkpoint, progress=progress))
        except OSError as error:
            names = " and ".join(each.file for each in model.downloads)
            raise UnfetchedError.of(
                model.name,
                [describe_failure(model.checkpoint.url, error)],
                f"The model {model.name} is not on this machine and cannot be fetched from"
                f" {model.checkpoint.url}: {error}; get {names} on a machine that can, bring them"
                f" here and run `stemtool models import {_import_line(model)}`.",
            ) from error
        yield checkpoint, configuration


def _downloaded(known: Download, **options: Any) -> AbstractContextManager[Path]:
    return downloaded(known.url, cache_folder() / "downloads", sha256=known.sha256, **options)


def _import_line(model: PublishedModel) -> str:
    configured = f" --config {model.configuration.file}" if model.configuration else ""
    return f"{model.checkpoint.file}{configured} --name {model.name}"


def _install(
    model: PublishedModel, checkpoint: Path, configuration: Path | None, folder: Path
) -> None:
    """Convert a checkpoint into a model's folder, whole or not at all."""
    wishes = ImportWishes(configuration=configuration)
    (source,) = model.sources
    pinned = msgspec.structs.replace(source, sha256=sha256_of(checkpoint))
    with staged(folder, data_folder()) as staging:
        made = convert_published(model, checkpoint, wishes, folder=staging)
        finish_model(msgspec.structs.replace(made, sources=(pinned,)), staging)
