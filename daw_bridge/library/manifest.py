"""What ``models/<name>/manifest.toml`` says: a frozen, validated :data:`ModelManifest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from daw_bridge.bounds import MAX_CROSS_FADE, MAX_OVERLAP
from daw_bridge.errors import OptionError, suggestion
from daw_bridge.library.bands import MAX_BANDS, Band, RollOff, Sharpening, Slope, check_bands
from daw_bridge.library.figures import Quality, check_figures
from daw_bridge.library.limits import (
    MAX_OVERLAPS,
    MAX_SEEN,
    MAX_STEMS,
    Bins,
    Channels,
    Context,
    Frames,
    Gain,
    Hop,
    NoiseEnergy,
    SampleRate,
    Samples,
    Window,
)
from daw_bridge.library.members import Member, Rule, check_members
from daw_bridge.library.names import (
    BandwidthName,
    Line,
    ModelName,
    StemName,
    Text,
    Version,
    is_file_name,
)
from daw_bridge.library.sources import Download, FamilyName, Origin, Source
from daw_bridge.library.stages import CommittedNetwork, ManifestTable, Stage, check_stages
from daw_bridge.library.stems import check_names
from daw_bridge.stft import WindowShape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daw_bridge.library.stages import Splitter

_MAX_SOURCES = 16
_MAX_BANDWIDTHS = 16
_MAX_MEMBERS = 16

Feature: TypeAlias = Literal["time-derivative", "frequency-derivative"]
"""Of the phase: what a network may be shown beside magnitudes."""


class Transform(ManifestTable, frozen=True):
    """The short-time Fourier transform that the network was trained on."""

    window_samples: Window
    hop_samples: Hop
    window: WindowShape = "hann"

    @property
    def bins(self) -> int:
        """How many bins there are from 0 Hz to half the sample rate."""
        return self.window_samples // 2 + 1

    def check(self) -> None:
        """Raise :class:`ValueError` unless its windows overlap, and not more than they may."""
        if not 1 <= self.window_samples / self.hop_samples <= MAX_OVERLAPS:
            raise ValueError(
                f"hop_samples is at most window_samples, and at least a {MAX_OVERLAPS}th of it"
            )


class SegmentShape(ManifestTable, frozen=True):
    """How many time frames the network sees at once.

    ``frames`` is what it was trained on or runs well on; it takes any multiple of
    ``multiple_frames``. Its masks are right only ``context_frames`` away from a cut.
    """

    frames: Frames
    multiple_frames: Frames
    context_frames: Context = 0


class PassageShape(ManifestTable, frozen=True):
    """How many samples a network that gives signals sees at once.

    ``context_samples`` at either end are seen only; what the network gives there is not used. The
    last passage, which is too short, is followed by silence; if ``centred``, it is the middle of
    what is seen, after as much of what precedes it. If ``mirrored``, mirror images of a signal's
    ends are around it, as long as passages overlap, and one of the last passage follows that.

    Neighbours are cross-faded where they overlap; with ``fade_samples``, all that overlap are
    averaged, and each passage fades in and out so fast.
    """

    samples: Samples
    context_samples: Context = 0
    centred: bool = False
    mirrored: bool = False
    fade_samples: Context = 0

    def check(self) -> None:
        """Raise :class:`ValueError` unless a passage has room for what is at its ends."""
        if self.samples <= 2 * max(self.context_samples, self.fade_samples):
            raise ValueError("a passage is longer than the context at its ends, and than two fades")
        if self.mirrored and (self.centred or self.context_samples):
            raise ValueError("a mirrored passage is not centred, and has no context")


class _Model(ManifestTable, frozen=True, kw_only=True, tag_field="kind"):
    """What is known of a model of any kind before its weights are opened.

    Attributes:
        overlap: the share of a segment that the next one sees again, if the user does not say.
        quality: what was measured of its stems, where that was published.
    """

    name: ModelName
    version: Version
    summary: Line
    stems: Annotated[tuple[StemName, ...], msgspec.Meta(min_length=2, max_length=MAX_STEMS)]
    sample_rate_hz: SampleRate
    channels: Channels
    licence: Line
    attribution: Text
    transform: Transform = Transform(4096, 1024)
    overlap: Annotated[float, msgspec.Meta(ge=0, le=MAX_OVERLAP)] = 0.125
    quality: Quality = ()

    @property
    def kind(self) -> str:
        """What its manifest calls it."""
        return str(self.__struct_config__.tag)

    @property
    def max_overlap(self) -> float:
        """The largest overlap that a user may ask for."""
        return MAX_CROSS_FADE

    def check_overlap(self, overlap: float | None) -> None:
        """Raise :class:`OptionError` unless segments may overlap so much; None is the default."""
        if overlap is not None and overlap > self.max_overlap:
            raise OptionError(
                f"{self.name} takes an overlap of {self.max_overlap} at most, not {overlap}."
            )

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
        check_names(self.stems)
        check_figures(self.quality, self.stems)
        self.transform.check()
        if self.overlap > self.max_overlap:
            raise ValueError(f"overlap is {self.max_overlap} at most, not {self.overlap}")
        if self.seen > MAX_SEEN:
            raise ValueError(
                f"its network would be shown, or give, {self.seen:,} numbers at once; there may be"
                f" {MAX_SEEN:,}"
            )

    @property
    def seen(self) -> int:
        """How many numbers go into its network, or come out of it, at once."""
        return 0


class NetworkModel(_Model, frozen=True, kw_only=True):
    """One ``network`` whose weights are fetched from ``sources``, or what ``stages`` make.

    Sources of stages only tell where these are from.
    """

    network: Origin | None = None
    sources: Annotated[tuple[Source, ...], msgspec.Meta(max_length=_MAX_SOURCES)] = ()
    stages: Annotated[tuple[Stage, ...], msgspec.Meta(max_length=MAX_STEMS)] = ()

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

    bandwidths: Annotated[
        dict[BandwidthName, Bins], msgspec.Meta(min_length=1, max_length=_MAX_BANDWIDTHS)
    ]
    segment: SegmentShape
    features: Annotated[tuple[Feature, ...], msgspec.Meta(max_length=2)] = ()
    wiener_epsilon: NoiseEnergy = 2**-23
    last_is_rest: ClassVar[bool] = False

    @property
    def planes(self) -> int:
        """How many planes of bins and time frames the network is shown."""
        return self.channels * (1 + len(self.features))

    @property
    def seen(self) -> int:
        """How many numbers go into its network, or come out of it, at once."""
        planes = max(self.planes, self.channels * len(self.stems))
        frames = max(self.segment.frames, self.segment.multiple_frames)
        return planes * frames * max(self.bandwidths.values())

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
        if self.transform.window != "hann":
            raise ValueError(f"a network of magnitudes sees no window '{self.transform.window}'")
        for name, bins in self.bandwidths.items():
            if bins > self.transform.bins:
                raise ValueError(
                    f"bandwidth '{name}' has {bins} bins, and the transform {self.transform.bins}"
                )
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

    @property
    def max_overlap(self) -> float:
        """The largest overlap that a user may ask for: more than half where all are averaged."""
        return MAX_OVERLAP if self.passage.fade_samples else MAX_CROSS_FADE

    @property
    def seen(self) -> int:
        """How many numbers go into its network, or come out of it, at once."""
        frames = self.passage.samples // self.transform.hop_samples + 1
        spectrum = 2 * self.transform.bins * frames
        return self.channels * len(self.stems) * max(self.passage.samples, spectrum)

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        self.passage.check()
        _check_single_network(self)
        super().check(folder)


class ComplexModel(SignalModel, frozen=True, kw_only=True, tag="complex"):
    """From spectra whose real and imaginary parts are channels to the same of stems.

    Attributes:
        compensation: a gain for what the network gives.
    """

    compensation: Gain = 1.0


class WaveformModel(SignalModel, frozen=True, kw_only=True, tag="waveform"):
    """From samples to samples of stems."""


class HybridModel(SignalModel, frozen=True, kw_only=True, tag="hybrid"):
    """From samples and spectra, as channels, to both of stems, whose sum counts."""


class BandedModel(NetworkModel, frozen=True, kw_only=True, tag="banded"):
    """From the magnitudes of joined bands to the mask of the first of two stems.

    The second is what the first leaves. Magnitudes are divided by the largest of the whole signal.

    Attributes:
        bands: from the lowest to the highest.
        bins: how many the network sees; those that no band fills are silent.
        slopes: filters of what is joined.
        roll_off: another.
        sharpening: of the masks.
    """

    bands: Annotated[tuple[Band, ...], msgspec.Meta(min_length=1, max_length=MAX_BANDS)]
    bins: Bins
    segment: SegmentShape
    slopes: Annotated[tuple[Slope, ...], msgspec.Meta(max_length=2)] = ()
    roll_off: RollOff | None = None
    sharpening: Sharpening | None = None
    overlap: Annotated[float, msgspec.Meta(ge=0, le=0)] = 0
    last_is_rest: ClassVar[bool] = False

    @property
    def max_overlap(self) -> float:
        """The largest overlap that a user may ask for: segments only share context."""
        return 0

    @property
    def seen(self) -> int:
        """How many numbers go into its network, or come out of it, at once."""
        return self.channels * self.segment.frames * self.bins

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError` unless its tables fit each other and its folder."""
        check_bands(self.bands, self.sample_rate_hz, self.bins)
        for slope in self.slopes:
            slope.check()
        if (len(self.stems), self.channels) != (2, 2):
            raise ValueError(f"kind '{self.kind}' makes two stems of two channels")
        if self.segment.frames <= 2 * self.segment.context_frames:
            raise ValueError("context_frames at both ends leave nothing of a segment's frames")
        if self.segment.multiple_frames != self.segment.frames:
            raise ValueError("the network sees as many frames as it was made for: multiple_frames")
        _check_single_network(self)
        super().check(folder)


class EnsembleModel(_Model, frozen=True, kw_only=True, tag="ensemble"):
    """The consensus of other models; it has no network.

    Attributes:
        consensus: what the members' stems become.
    """

    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1, max_length=_MAX_MEMBERS)]
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


class PublishedModel(_Model, frozen=True, kw_only=True, tag="published"):
    """One that can be had: the arguments of an import, and what is known of what it gives.

    Attributes:
        family: of its checkpoint.
        checkpoint: where that is.
        configuration: where the file is that it was trained by, if there is one.
        settings: what such a file would say, where there is none.
        renames: what to call stems that its configuration calls otherwise; not all need come up.
    """

    family: FamilyName
    checkpoint: Download
    configuration: Download | None = None
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    renames: Annotated[dict[StemName, StemName], msgspec.Meta(max_length=MAX_STEMS)] = (
        msgspec.field(default_factory=dict)
    )
    version: Version = "0"
    sample_rate_hz: SampleRate = 44_100
    channels: Channels = 2
    network: ClassVar[Origin | None] = None
    stages: ClassVar[tuple[Stage, ...]] = ()
    committed: ClassVar[tuple[CommittedNetwork, ...]] = ()
    components: ClassVar[tuple[str, ...]] = ()
    last_is_rest: ClassVar[bool] = False

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the manifest of the model that it becomes says of its checkpoint."""
        known = self.checkpoint
        return (
            Source(
                file=known.file, sha256=known.sha256, url=known.url, size_bytes=known.size_bytes
            ),
        )

    @property
    def downloads(self) -> tuple[Download, ...]:
        """What is fetched for it."""
        return (self.checkpoint, self.configuration) if self.configuration else (self.checkpoint,)

    def check(self, folder: Path) -> None:
        """Raise :class:`ValueError`: it is no model of the folder."""
        raise ValueError(f"kind '{self.kind}' is for catalogue.toml, not for {folder.name}")

    def check_entry(self) -> None:
        """Raise :class:`ValueError` unless its keys go together."""
        check_names(self.stems)
        check_figures(self.quality, self.stems)
        if self.configuration and self.settings:
            raise ValueError(f"{self.name} has either a configuration or settings")
        for download in self.downloads:
            if not is_file_name(download.file):
                raise ValueError(f"{download.url} does not end in the name of a file")
        for stem in self.renames.values():
            if stem not in self.stems:
                raise ValueError(f"{self.name} renames to '{stem}', which is none of its stems")


ModelManifest: TypeAlias = (
    MagnitudeModel
    | ComplexModel
    | WaveformModel
    | HybridModel
    | BandedModel
    | EnsembleModel
    | PublishedModel
)
"""A model of any kind; its type is what the key ``kind`` says."""


def _check_single_network(manifest: NetworkModel) -> None:
    """Raise :class:`ValueError` if stages are anything but one network that makes all stems."""
    splits = [(stage.parts, stage.network is not None) for stage in manifest.stages]
    if splits not in ([], [(manifest.stems, True)]):
        raise ValueError(f"kind '{manifest.kind}' has one stage: a network from mixture to stems")
