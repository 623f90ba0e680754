"""The file by which programs on this machine find the server, and learn what it can do for them.

It has key=value lines: where the server listens, the folders that clients may use, its inbox, the
models with their stems, those that are yet to be fetched, and the colours of stems.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog

from daw_bridge.files.atomic import write_whole
from daw_bridge.jobs.choosing import bytes_to_fetch
from daw_bridge.library.colours import colour_of
from daw_bridge.library.models import load_manifests
from daw_bridge.library.places import cache_folder, data_folder
from daw_bridge.osc.settings import SERVER_FILE
from daw_bridge.weights.installing import are_fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daw_bridge.osc.settings import ServerSettings
    from daw_bridge.serving.folders import Folders

_SECONDS_BETWEEN_LOOKS = 2.0
_MEGABYTE = 1e6

log = structlog.get_logger()


async def announce(state: Path, describe: Callable[[], str]) -> None:
    """Write the file anew whenever models come or go, whoever fetches or removes them."""
    known = await asyncio.to_thread(_look)
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        with suppress(OSError):  # the next time it may work
            found = await asyncio.to_thread(_look)
            if found != known:
                write_announcement(state, await asyncio.to_thread(describe))
                known = found


def write_announcement(state: Path, text: str) -> None:
    """Write the file, whole.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(state / SERVER_FILE, text.encode(errors="surrogateescape"))


def describe_server(settings: ServerSettings, folders: Folders, port: int) -> str:
    """Return what is in the file; a folder whose name has more than a line is left out."""
    lines = [
        ("version", version("daw-bridge")),
        ("host", settings.host),
        ("port", str(port)),
        ("pid", str(os.getpid())),
        ("inbox", str(folders.inbox)),
        *((f"root:{number}", str(root)) for number, root in enumerate(folders.shared, 1)),
        *_describe_models(settings.models[0]),
    ]
    return "".join(f"{key}={value}\n" for key, value in lines if "\n" not in value)


def _describe_models(default: str) -> Iterator[tuple[str, str]]:
    """Yield the models' lines: the default first, then those that are here, then the others."""
    manifests = load_manifests()
    here = {each.name for each in manifests if are_fetched(each)}
    ordered = sorted(manifests, key=lambda each: (each.name != default, each.name not in here))
    for each in ordered:
        yield f"model:{each.name}", ",".join(each.stems)
    for each in ordered:
        if each.name not in here:
            size = bytes_to_fetch(each)
            yield f"fetch:{each.name}", f"{size / _MEGABYTE:.0f}" if size else ""
    for stem in dict.fromkeys(stem for each in ordered for stem in each.stems):
        yield f"colour:{stem}", str(colour_of(stem))


def _look() -> set[tuple[str, int]]:
    """Return what tells whether models have come or gone."""
    return {
        (entry.path, entry.stat().st_mtime_ns)
        for folder in (cache_folder() / "weights", data_folder() / "models")
        if folder.is_dir()
        for entry in os.scandir(folder)
    }
