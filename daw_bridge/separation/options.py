"""How to separate: the choices of a user, and the same worked out for one model and source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.audio import Stems
from daw_bridge.bounds import MAX_NAMES, MAX_OVERLAP, MAX_SHIFTS, MAX_WIENER_ITERATIONS
from daw_bridge.errors import AudioError, OptionError
from daw_bridge.library.manifest import BandedModel, ChainModel, SignalModel

if TYPE_CHECKING:
    from daw_bridge.audio import StemBlock
    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reading import Reader
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.masks import Extension

MAX_SHIFT_S = 0.5


@dataclass(frozen=True)
class SeparationOptions:
    """How to separate. The defaults suit music; :meth:`spleeter` is what Spleeter does.

    Attributes:
        stems: which stems to give, in the model's order; empty: all.
        extension: what becomes of the band above the network's: ``ratio`` shares it so that stems
            sum to the mixture, ``zeros`` drops it.
        bandwidth: the name of one of the model's bandwidths; None: its default.
        overlap: the share of a segment that it has in common with the next, 0 … 0.5; estimates are
            cross-faded there. None: the model's own. A model whose segments need context has as
            much in common at least; one that averages segments takes up to 0.95.
        wiener_iterations: rounds of multichannel Wiener refinement, up to 20.
        shifts: how many separations are averaged, up to 20, each of the signal after some more
            silence, of less than half a second, so that segments are cut elsewhere. It takes as
            many times as long. A. Défossez et al., "Music source separation in the waveform
            domain", 2019, 4.3.
        whole_segments: fill the last segment up with silence, as in training, where a shorter
            one would do.
        downmix: fold more than two channels down to stereo.
    """

    stems: tuple[str, ...] = ()
    extension: Extension = "ratio"
    bandwidth: str | None = None
    overlap: float | None = None
    wiener_iterations: int = 0
    shifts: int = 1
    whole_segments: bool = False
    downmix: bool = False

    def __post_init__(self) -> None:
        if len(self.stems) > MAX_NAMES:
            raise OptionError(f"There are at most {MAX_NAMES} stems, not {len(self.stems)}.")
        if not 0 <= (self.overlap or 0) <= MAX_OVERLAP:
            raise OptionError(f"The overlap is from 0 to {MAX_OVERLAP}, not {self.overlap}.")
        if not 0 <= self.wiener_iterations <= MAX_WIENER_ITERATIONS:
            raise OptionError(
                f"Wiener iterations are 0 to {MAX_WIENER_ITERATIONS}, not {self.wiener_iterations}."
            )
        if not 1 <= self.shifts <= MAX_SHIFTS:
            raise OptionError(f"Shifts are 1 to {MAX_SHIFTS}, not {self.shifts}.")

    @classmethod
    def spleeter(cls, stems: tuple[str, ...] = ()) -> SeparationOptions:
        """Return Spleeter's own choices."""
        return cls(stems=stems, extension="zeros", overlap=0, whole_segments=True)


@dataclass(frozen=True)
class Plan:
    """Options, model and source, worked out.

    Attributes:
        options: the user's choices.
        stems: all that the model can give.
        given: indices of the stems that are given.
        is_exact: stems are to sum to the mixture, whatever models make of the last one.
        last_is_rest: the last stem is what the others leave of the mixture, so that nothing that
            resampling, framing or rounding lose is ever missing.
        channels: channels of the stems.
        shown_channels: channels that the network is shown.
        overlap: the share of a segment that the next one sees again.
        source_hz: sample rate of the source and of the stems.
        model_hz: sample rate of the model.
        delay_samples: how much silence at the model's rate precedes the signal.
        loudest: the largest magnitude of the whole signal, where the model's network depends on it.
    """

    options: SeparationOptions
    stems: tuple[str, ...]
    given: tuple[int, ...]
    is_exact: bool
    last_is_rest: bool
    channels: int
    shown_channels: int
    overlap: float
    source_hz: int
    model_hz: int
    delay_samples: int = 0
    loudest: float | None = None

    @property
    def made(self) -> tuple[int, ...]:
        """Indices of the stems that are made by inverse transforms, or by other models."""
        last = len(self.stems) - 1
        return tuple(range(last)) if self.last_is_rest and last in self.given else self.given

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stems that are given."""
        return tuple(self.stems[index] for index in self.given)

    @property
    def made_names(self) -> tuple[str, ...]:
        """The names of the stems that are made."""
        return tuple(self.stems[index] for index in self.made)

    def delayed(self, turn: int) -> Plan:
        """Return the plan of one of the separations whose average the stems that are made are."""
        delay_s = MAX_SHIFT_S * turn / self.options.shifts
        return replace(self, given=self.made, delay_samples=round(delay_s * self.model_hz))

    def below(self, manifest: ModelManifest, stems: tuple[str, ...]) -> Plan:
        """Return the plan of a model that the model is made of, and that gives some stems to it.

        Raises:
            OptionError: it cannot be run so.
        """
        return _work_out(
            manifest,
            replace(self.options, stems=stems),
            channels=self.channels,
            source_hz=self.source_hz,
            is_exact=self.is_exact,
        )

    def complete(self, made: StemBlock, mixture: Block) -> Stems:
        """Return the stems that are given: those made, and what they leave of the mixture."""
        samples = made
        if self.last_is_rest and self.given != self.made:
            stems = (*made, mixture - made.sum(axis=0))
            samples = np.stack([stems[index] for index in self.given])
        return Stems(self.names, samples, mixture, self.source_hz)


def make_plan(manifest: ModelManifest, options: SeparationOptions, source: Reader) -> Plan:
    """Work options out for one model and source.

    Raises:
        OptionError: the model has no such stem or bandwidth.
        AudioError: there are more channels than the model takes, and no ``downmix``.
    """
    manifest.check_stems(options.stems)
    manifest.check_bandwidth(options.bandwidth)
    if source.channels > manifest.channels and not options.downmix:
        raise AudioError(
            f"{source.name} has {source.channels} channels and {manifest.name} takes at most"
            f" {manifest.channels}; --downmix folds them down to stereo."
        )
    return _work_out(
        manifest,
        options,
        channels=min(source.channels, manifest.channels),
        source_hz=source.sample_rate_hz,
        is_exact=options.extension == "ratio",
    )


def _work_out(
    manifest: ModelManifest,
    options: SeparationOptions,
    *,
    channels: int,
    source_hz: int,
    is_exact: bool,
) -> Plan:
    """Work options out for one model and a signal.

    Raises:
        OptionError: they are not for such a model.
    """
    manifest.check_overlap(options.overlap)
    if options.wiener_iterations and isinstance(manifest, (SignalModel, BandedModel)):
        raise OptionError(
            f"Wiener refinement is for models of masks over one spectrum; {manifest.name} has none."
        )
    wanted = manifest.choose(options.stems)
    return Plan(
        options=options,
        stems=tuple(manifest.parts),
        given=tuple(i for i, part in enumerate(manifest.parts) if part in wanted),
        is_exact=is_exact,
        last_is_rest=manifest.last_is_rest or (is_exact and not isinstance(manifest, ChainModel)),
        channels=channels,
        shown_channels=manifest.channels,
        overlap=manifest.overlap if options.overlap is None else options.overlap,
        source_hz=source_hz,
        model_hz=manifest.sample_rate_hz,
    )
