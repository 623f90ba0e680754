"""The addresses that models are fetched from: whether their files are still there."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from daw_bridge.files.download import check_url
from daw_bridge.library.catalogue import load_catalogue
from daw_bridge.library.models import load_manifests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daw_bridge.files.download import Progress

_AT_ONCE = 4
"""Requests under way; most addresses are of two servers."""


def known_addresses() -> dict[str, list[str]]:
    """Return each address of the catalogue and of the manifests, with its models' names."""
    addresses: dict[str, list[str]] = defaultdict(list)
    for url, name in _addresses():
        if name not in addresses[url]:
            addresses[url].append(name)
    return dict(addresses)


def _addresses() -> Iterator[tuple[str, str]]:
    for published in load_catalogue().values():
        for download in published.downloads:
            yield download.url, published.name
    for manifest in load_manifests():
        for source in manifest.sources:
            if source.url:
                for part in source.parts:
                    yield source.url_of(part), manifest.name


def find_dead(urls: Iterable[str], progress: Progress | None = None) -> dict[str, str]:
    """Return the addresses that do not answer with a file, and why, a clause each.

    Args:
        urls: of http or https.
        progress: is told how many have been asked, and how many there are.
    """
    waiting = list(urls)
    obstacles: dict[str, str] = {}
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        asked = {pool.submit(_obstacle, url): url for url in waiting}
        for future in as_completed(asked):
            obstacles[asked[future]] = future.result()
            if progress:
                progress(len(obstacles), len(waiting))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {url: obstacles[url] for url in waiting if obstacles[url]}


def _obstacle(url: str) -> str:
    """Return why an address does not answer with a file; empty, if it does."""
    try:
        check_url(url)
    except OSError as error:
        return str(error)
    return ""
