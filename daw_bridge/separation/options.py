"""How to separate: the choices of a user, and the same worked out for one model and source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.audio import Stems
from daw_bridge.bounds import MAX_NAMES, MAX_OVERLAP, MAX_SHIFTS, MAX_WIENER_ITERATIONS
from daw_bridge.errors import AudioError, OptionError
from daw_bridge.library.manifest import BandedModel, SignalModel

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
        stems: the model's stems.
        given: indices of the stems that are given.
        made: indices of the stems that are made by inverse transforms.
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
    made: tuple[int, ...]
    last_is_rest: bool
    channels: int
    shown_channels: int
    overlap: float
    source_hz: int
    model_hz: int
    delay_samples: int = 0
    loudest: float | None = None

    def delayed(self, turn: int) -> Plan:
        """Return the plan of one of the separations that are averaged, from 0 on."""
        delay_s = MAX_SHIFT_S * turn / self.options.shifts
        return replace(self, delay_samples=round(delay_s * self.model_hz))

    def complete(self, made: StemBlock, mixture: Block) -> Stems:
        """Return the stems that are given: those made, and what they leave of the mixture."""
        samples = made
        if self.last_is_rest and self.given != self.made:
            rest = mixture - made.sum(axis=0)
            samples = np.concatenate([made, rest[np.newaxis]])[list(self.given)]
        names = tuple(self.stems[index] for index in self.given)
        return Stems(names, samples, mixture, self.source_hz)


def make_plan(manifest: ModelManifest, options: SeparationOptions, source: Reader) -> Plan:
    """Work options out for one model and source.

    Raises:
        OptionError: the model has no such stem or bandwidth.
        AudioError: there are more channels than the model takes, and no ``downmix``.
    """
    manifest.check_stems(options.stems)
    manifest.check_bandwidth(options.bandwidth)
    manifest.check_overlap(options.overlap)
    if options.wiener_iterations and isinstance(manifest, (SignalModel, BandedModel)):
        raise OptionError(
            f"Wiener refinement is for models of masks over one spectrum; {manifest.name} has none."
        )
    if source.channels > manifest.channels and not options.downmix:
        raise AudioError(
            f"{source.name} has {source.channels} channels and {manifest.name} takes at most"
            f" {manifest.channels}; --downmix folds them down to stereo."
        )
    last = len(manifest.stems) - 1
    wanted = options.stems or manifest.stems
    given = tuple(i for i, stem in enumerate(manifest.stems) if stem in wanted)
    last_is_rest = manifest.last_is_rest or options.extension == "ratio"
    return Plan(
        options=options,
        stems=manifest.stems,
        given=given,
        made=tuple(range(last)) if last_is_rest and last in given else given,
        last_is_rest=last_is_rest,
        channels=min(source.channels, manifest.channels),
        shown_channels=manifest.channels,
        overlap=manifest.overlap if options.overlap is None else options.overlap,
        source_hz=source.sample_rate_hz,
        model_hz=manifest.sample_rate_hz,
    )
