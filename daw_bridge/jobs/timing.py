"""How long models take on this machine: measured on noise, and noted when songs are done."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.audio import Audio
from daw_bridge.library.costs import Conditions, Cost, keep_cost
from daw_bridge.library.manifest import BandedModel, MagnitudeModel, SignalModel
from daw_bridge.library.models import load_components
from daw_bridge.separation.options import SeparationOptions

if TYPE_CHECKING:
    from collections.abc import Generator

    from daw_bridge.audio import Stems
    from daw_bridge.jobs.sources import Selection
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.separator import Separator

_LEAST_MEASURED_S = 10.0
_LEAST_NOTED_S = 30.0
_LEVEL = 0.1


def time_model(separator: Separator) -> Cost:
    """Measure what a model costs on this machine, and keep it.

    The pipeline separates noise: a passage, to warm up, and then two passages or ten seconds.
    """
    passage_s = passage_seconds(separator.manifest)
    measured_s = max(2 * passage_s, _LEAST_MEASURED_S)
    separator.separate(_noise(separator.manifest, passage_s))
    noise = _noise(separator.manifest, measured_s)
    began = time.perf_counter()
    separator.separate(noise)
    cost = _cost_of(separator, (time.perf_counter() - began) / measured_s)
    keep_cost(cost)
    return cost


def separate_and_note(
    separator: Separator, selection: Selection, options: SeparationOptions
) -> Generator[Stems, None, None]:
    """Yield the stems of a selection, and keep what they took when all have come.

    What they took is not what others have to do with them. It says nothing of the model where the
    options are not the usual ones, or the song is short.
    """
    spent_s, done_s = 0.0, 0.0
    stream = separator.stream(
        selection.mixture, options, start=selection.start, length=selection.length
    )
    with closing(stream) as blocks:
        while True:
            began = time.perf_counter()
            stems = next(blocks, None)
            spent_s += time.perf_counter() - began
            if stems is None:
                break
            done_s += stems.mixture.shape[1] / stems.sample_rate_hz
            yield stems
    if done_s >= _LEAST_NOTED_S and _is_usual(options):
        keep_cost(_cost_of(separator, spent_s / done_s), is_average=True)


def conditions_of(separator: Separator) -> Conditions:
    """Return what a loaded model really runs on."""
    return Conditions(separator.provider, separator.threads, separator.precision)


def passage_seconds(manifest: ModelManifest) -> float:
    """Return how much a model sees at once, or that of the models that it is made of."""
    return max(map(_own_passage_seconds, load_components(manifest)))


def _own_passage_seconds(manifest: ModelManifest) -> float:
    match manifest:
        case MagnitudeModel():
            hop_s = manifest.transform.hop_samples / manifest.sample_rate_hz
            return manifest.segment.frames * hop_s
        case BandedModel():
            highest = manifest.bands[-1]
            return manifest.segment.frames * highest.hop_samples / highest.sample_rate_hz
        case SignalModel():
            return manifest.passage.samples / manifest.sample_rate_hz
    return 0.0


def _is_usual(options: SeparationOptions) -> bool:
    """Return whether the options are those that a cost is measured with, or take as long."""
    usual = SeparationOptions()
    return replace(options, extension=usual.extension, downmix=usual.downmix) == usual


def _cost_of(separator: Separator, seconds: float) -> Cost:
    return Cost.of(separator.manifest, conditions_of(separator), seconds)


def _noise(manifest: ModelManifest, seconds: float) -> Audio:
    """Return quiet noise as the model takes it, so that nothing is resampled."""
    shape = (manifest.channels, round(seconds * manifest.sample_rate_hz))
    samples = _LEVEL * np.random.default_rng(0).standard_normal(shape, np.float32)
    return Audio(samples, manifest.sample_rate_hz)
