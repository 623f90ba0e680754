"""``models/<name>/manifest.toml`` → a frozen, validated :data:`ModelManifest`, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

import msgspec

from daw_bridge.errors import ManifestError, ModelError, OptionError, suggestion
from daw_bridge.files.flaws import to_struct
from daw_bridge.files.tables import Natural, Positive, open_toml, to_toml
from daw_bridge.library.members import Member, Rule, check_members
from daw_bridge.library.places import find_model, find_models
from daw_bridge.library.sources import Origin, Source
from daw_bridge.library.stages import CommittedNetwork, ManifestTable, Stage, check_stages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.library.stages import Splitter

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
    """How many samples a network that gives signals sees at once.

    ``context_samples`` at either end are seen only; what the network gives there is not used. The
    last passage, which is too short, is followed by silence; if ``centred``, it is the middle of
    what is seen, after as much of what precedes it.
    """

    samples: Positive
    context_samples: Natural = 0
    centred: bool = False


class _Model(ManifestTable, frozen=True, kw_only=True, tag_field="kind"):
    """What is known of a model of any kind before its weights are opened.

    Attributes:
        overlap: the share of a segment that the next one sees again, if the user does not say.
    """

    name: str
    version: str
    summary: str
    stems: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    sample_rate_hz: Positive
    channels: Positive
    licence: str
    attribution: str
    transform: Transform = Transform(4096, 1024)
    overlap: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.125

    @property
    def kind(self) -> str:
        """What its manifest calls it."""
        return str(self.__struct_config__.tag)

    def check_bandwidth(self, bandwidth: str | None) -> None:
        """Raise :class:`OptionError` unless the network has this bandwidth; None is the default."""
        if bandwidth is not None:
            raise OptionError(f"{self.name} has no bandwidth '{bandwidth}'; it has one only.")

    def check_stems(self, stems: tuple[str, ...]) -> None:
        """Raise :class:`OptionError` unless the model makes each of these stems."""
        for stem in stems:
            if stem not in self.stems:
                raise OptionError(
                    f"{self.name} makes no stem '{stem}'{suggestion(stem, self.stems)};"
                    f" it makes {', '.join(self.stems)}."
                )

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        if self.name != folder.name:
            raise ValueError(f"name '{self.name}' is not the name of its folder")


class NetworkModel(_Model, frozen=True, kw_only=True):
    """One ``network`` whose weights are fetched from ``sources``, or what ``stages`` make.

    Sources of stages only tell where these are from.
    """

    network: Origin | None = None
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

    @property
    def components(self) -> Iterator[str]:
        """The names of the models that its stages are made of."""
        return (name for stage in self.stages for name in stage.models)

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        super().check(folder)
        if bool(self.network) == bool(self.stages):
            raise ValueError("a model has either a network and its sources, or stages")
        if self.network:
            self.network.check()
            if not self.sources:
                raise ValueError("a network has sources of its weights")
        for source in self.sources:
            source.check(folder, is_fetched=self.network is not None)
        if self.stages:
            check_stages(self.stages, self.stems)


class MagnitudeModel(NetworkModel, frozen=True, kw_only=True, tag="magnitude"):
    """From magnitudes to masks.

    Attributes:
        bandwidths: name → number of bins that the network sees; the first is the default.
        features: what it sees beside the magnitudes, after those of all channels: a plane for each
            feature and channel.
        wiener_epsilon: the energy of what Wiener refinement takes for noise, by default norbert's.
    """

    bandwidths: Annotated[dict[str, Positive], msgspec.Meta(min_length=1)]
    segment: SegmentShape
    features: tuple[Feature, ...] = ()
    wiener_epsilon: Annotated[float, msgspec.Meta(gt=0)] = 2**-23
    last_is_rest: ClassVar[bool] = False

    @property
    def planes(self) -> int:
        """How many planes of bins and time frames the network is shown."""
        return self.channels * (1 + len(self.features))

    def bins(self, bandwidth: str | None) -> int:
        """Return how many bins the network sees for a bandwidth's name (None: the default)."""
        self.check_bandwidth(bandwidth)
        return self.bandwidths[bandwidth or next(iter(self.bandwidths))]

    def check_bandwidth(self, bandwidth: str | None) -> None:
        """Raise :class:`OptionError` unless the network has this bandwidth; None is the default."""
        if bandwidth is not None and bandwidth not in self.bandwidths:
            known = ", ".join(self.bandwidths)
            raise OptionError(f"{self.name} has no bandwidth '{bandwidth}'; it has {known}.")

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        if self.transform.window_samples % self.transform.hop_samples:
            raise ValueError("hop_samples must divide window_samples")
        if self.segment.frames <= 2 * self.segment.context_frames:
            raise ValueError("context_frames at both ends leave nothing of a segment's frames")
        is_network = [splitter.network is not None for splitter in self.splitters]
        if self.features and (len(self.stages) > 1 or not all(is_network)):
            raise ValueError("features are for a network that splits the mixture at once")
        super().check(folder)


class SignalModel(NetworkModel, frozen=True, kw_only=True):
    """From a passage to the signals of its stems, by one network.

    Attributes:
        last_is_rest: the network does not give the last stem, which is what the others leave.
    """

    passage: PassageShape
    last_is_rest: bool = False

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        if self.passage.samples <= 2 * self.passage.context_samples:
            raise ValueError("a passage is longer than the context at its ends")
        splits = [(stage.parts, stage.network is not None) for stage in self.stages]
        if splits not in ([], [(self.stems, True)]):
            raise ValueError(f"kind '{self.kind}' has one stage: a network from mixture to stems")
        super().check(folder)


class ComplexModel(SignalModel, frozen=True, kw_only=True, tag="complex"):
    """From spectra whose real and imaginary parts are channels to the same of stems.

    Attributes:
        compensation: a gain for what the network gives.
    """

    compensation: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class WaveformModel(SignalModel, frozen=True, kw_only=True, tag="waveform"):
    """From samples to samples of stems."""


class HybridModel(SignalModel, frozen=True, kw_only=True, tag="hybrid"):
    """From samples and spectra, as channels, to both of stems, whose sum counts."""


class EnsembleModel(_Model, frozen=True, kw_only=True, tag="ensemble"):
    """The consensus of other models; it has no network.

    Attributes:
        consensus: what the members' stems become.
    """

    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1)]
    consensus: Rule = "mean"
    network: ClassVar[Origin | None] = None
    sources: ClassVar[tuple[Source, ...]] = ()
    stages: ClassVar[tuple[Stage, ...]] = ()
    committed: ClassVar[tuple[CommittedNetwork, ...]] = ()
    last_is_rest: ClassVar[bool] = False

    @property
    def components(self) -> Iterator[str]:
        """The names of its members."""
        return (member.model for member in self.members)

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        super().check(folder)
        check_members(self.members, self.stems, self.consensus)


ModelManifest: TypeAlias = (
    MagnitudeModel | ComplexModel | WaveformModel | HybridModel | EnsembleModel
)
"""A model of any kind; its type is what the key ``kind`` says."""


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
    """Yield a model and the models that it is made of, and theirs."""
    yield manifest
    for name in manifest.components:
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
        manifest: ModelManifest = to_struct(tables, ModelManifest)
        manifest.check(path.parent)
        _check_components(manifest, (*above, manifest.name))
    return manifest


def manifest_text(manifest: _Model) -> str:
    """Return a manifest as TOML, without what is as by default."""
    return to_toml(msgspec.to_builtins(manifest))


def _check_components(manifest: ModelManifest, above: tuple[str, ...]) -> None:
    """Raise :class:`ValueError` unless the models that one is made of do what it asks of them."""
    match manifest:
        case EnsembleModel():
            for name in manifest.components:
                _check_member(manifest, _read_part(name, above))
        case MagnitudeModel():
            for stage in manifest.stages:
                for name in stage.models:
                    _check_part(manifest, stage, _read_part(name, above))


def _check_part(manifest: MagnitudeModel, stage: Stage, model: ModelManifest) -> None:
    """Raise :class:`ValueError` unless a model can split what a stage splits."""
    if not _takes_alike(model, manifest):
        raise ValueError(
            f"{model.name} takes another sample rate, transform, feature, segment or bandwidth"
        )
    if len(model.stems) != len(stage.parts) or _is_disordered(stage.parts, model.stems):
        raise ValueError(
            f"{model.name} makes {', '.join(model.stems)}, which the stage names"
            f" {', '.join(stage.parts)}: as many, in the same order"
        )


def _check_member(manifest: EnsembleModel, model: ModelManifest) -> None:
    """Raise :class:`ValueError` unless a model makes an ensemble's stems."""
    if model.kind == manifest.kind:
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


def _takes_alike(model: ModelManifest, manifest: MagnitudeModel) -> bool:
    """Return whether a model takes every input that another passes on to it."""
    return (
        isinstance(model, MagnitudeModel)
        and (model.sample_rate_hz, model.channels, model.transform, model.features)
        == (manifest.sample_rate_hz, manifest.channels, manifest.transform, manifest.features)
        and manifest.segment.context_frames >= model.segment.context_frames
        and manifest.segment.multiple_frames % model.segment.multiple_frames == 0
        and set(manifest.bandwidths.values()) <= set(model.bandwidths.values())
    )


def _is_disordered(parts: tuple[str, ...], stems: tuple[str, ...]) -> bool:
    """Return whether a part has the name of a stem that it is not."""
    return any(part in stems and part != stem for part, stem in zip(parts, stems, strict=True))
