"""A model's manifest → the networks that the pipeline runs, and how it runs them on a signal."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable  # noqa: TC003 - NamedTuple reads annotations
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from daw_bridge.errors import ManifestError, OptionError
from daw_bridge.library.manifest import (
    BandedModel,
    ComplexModel,
    EnsembleModel,
    HybridModel,
    MagnitudeModel,
    PublishedModel,
    WaveformModel,
)
from daw_bridge.library.models import load_manifest
from daw_bridge.library.stages import LowPassFilter
from daw_bridge.separation import filters
from daw_bridge.separation.banded import Banded, find_loudest
from daw_bridge.separation.composition import Blend, Cascade, Split
from daw_bridge.separation.hybrid import HybridNetwork
from daw_bridge.separation.masking import Masking
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.providers import CPU, PRECISIONS
from daw_bridge.separation.runtime import OnnxGraph, choose_provider
from daw_bridge.separation.signals import Overlapping
from daw_bridge.separation.spectral import SpectralNetwork
from daw_bridge.weights.inspecting import ensure_harmless
from daw_bridge.weights.installing import ensure_network, ensure_networks, locate_network
from daw_bridge.weights.quantised import locate_quantised

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.files.blocks import Block
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.library.stages import CommittedNetwork, Filter, Splitter, Stage
    from daw_bridge.separation.network import Device, Graph, MaskNetwork, SignalNetwork
    from daw_bridge.separation.options import Plan
    from daw_bridge.separation.providers import Precision, Provider
    from daw_bridge.separation.synthesis import Estimator

_LARGE_BYTES = 1 << 27
"""Of a network: MDX-Net's, which is fastest side by side, has half of it."""
_log = logging.getLogger(__name__)


class Model(NamedTuple):
    """A model that is ready to run.

    Attributes:
        manifest: what is known of it.
        device: where its networks run.
        estimator: plan → how they are run on one signal.
        survey: plan, signal → the largest magnitude in it, for networks that depend on it.
    """

    manifest: ModelManifest
    device: Device
    estimator: Callable[[Plan], Estimator[Any]]
    survey: Callable[[Plan, Iterable[Block]], float] | None = None

    def prepare(self, plan: Plan, read: Callable[[], Iterable[Block]]) -> Plan:
        """Return a plan that knows what the networks must know of the whole signal.

        Args:
            plan: what is asked for.
            read: reads the signal once more, which takes time: it is done where it is needed.
        """
        if self.survey is None:
            return plan
        return replace(plan, loudest=self.survey(plan, read()))


@dataclass(frozen=True)
class Loader:
    """Loads models for one device.

    Attributes:
        provider: ``auto`` takes a GPU where there is a usable one.
        threads: CPU threads; None: as many as this process may use.
        precision: of products, where networks run on the CPU.
    """

    provider: Provider = "auto"
    threads: int | None = None
    precision: Precision = "float"

    def open(self, manifest: ModelManifest) -> Model:
        """Load a model of any kind but ensembles, fetching what is not on this machine.

        Raises:
            ModelError: it is one; or weights are not to be had, or are not what the manifest says.
            ProviderError: the GPU was asked for and cannot be used.
        """
        match manifest:
            case MagnitudeModel():
                masks = self.load(manifest)
                return Model(manifest, masks, partial(Masking, network=masks, manifest=manifest))
            case BandedModel():
                return self._open_banded(manifest)
            case EnsembleModel():
                raise ManifestError(f"{manifest.name} is an ensemble: open its members instead.")
            case PublishedModel():
                raise ManifestError(f"{manifest.name} is not here yet: fetch it first.")
        signals = self._load_signals(manifest)
        return Model(manifest, signals, partial(Overlapping, network=signals, manifest=manifest))

    def _open_banded(self, manifest: BandedModel) -> Model:
        (path,) = ensure_networks(manifest)
        network = PlainNetwork(self.open_graph(path, manifest, in_turn=True))
        if (network.stems, network.channels) != (1, manifest.channels):
            raise ManifestError(
                f"{path} gives {network.stems} masks of {network.channels} channels, but"
                f" {manifest.name} needs one of {manifest.channels}."
            )
        return Model(
            manifest,
            network,
            estimator=partial(Banded, network=network, manifest=manifest),
            survey=partial(find_loudest, manifest=manifest),
        )

    def _load_signals(self, manifest: ComplexModel | WaveformModel | HybridModel) -> SignalNetwork:
        (path,) = ensure_networks(manifest)
        # Two long passages at a time would take gigabytes, or two of a large network.
        match manifest:
            case ComplexModel():
                is_large = path.stat().st_size > _LARGE_BYTES
                graph = self.open_graph(path, manifest, in_turn=is_large)
                network: SignalNetwork = SpectralNetwork(graph, manifest)
            case HybridModel():
                network = HybridNetwork(
                    self.open_graph(path, manifest, ends=2, in_turn=True), manifest
                )
            case WaveformModel():
                network = PlainNetwork(self.open_graph(path, manifest, in_turn=True))
        if network.stems != len(manifest.stems) - manifest.last_is_rest:
            raise ManifestError(
                f"{path} gives {network.stems} stems, but the manifest of {manifest.name} names"
                f" {', '.join(manifest.stems)}."
            )
        return network

    def load(self, manifest: ModelManifest) -> MaskNetwork:
        """Load a model that gives masks, fetching what is not on this machine.

        Raises:
            ModelError: it gives none; or weights are not to be had, or are not what the manifest
                says.
            ProviderError: the GPU was asked for and cannot be used.
        """
        if not isinstance(manifest, MagnitudeModel):
            raise ManifestError(f"{manifest.name} is of kind '{manifest.kind}': it gives no masks.")
        if not manifest.stages:
            return PlainNetwork(self.open_graph(ensure_network(manifest), manifest))
        splits = [
            Split(stage.of, stage.parts, self._load_stage(manifest, stage))
            for stage in manifest.stages
        ]
        return Cascade(splits, manifest.stems)

    def _load_stage(self, manifest: MagnitudeModel, stage: Stage) -> MaskNetwork:
        networks = [
            self._load_splitter(manifest, splitter, stage.parts) for splitter in stage.splitters
        ]
        if stage.blend:
            return Blend(networks, [voice.weight for voice in stage.blend])
        return networks[0]

    def _load_splitter(
        self, manifest: MagnitudeModel, splitter: Splitter, parts: tuple[str, ...]
    ) -> MaskNetwork:
        if splitter.filter:
            return make_filter(splitter.filter, manifest)
        if splitter.network:
            return self._load_committed(manifest, splitter.network, parts)
        return self.load(load_manifest(str(splitter.model)))

    def _load_committed(
        self, manifest: MagnitudeModel, committed: CommittedNetwork, parts: tuple[str, ...]
    ) -> MaskNetwork:
        path = locate_network(manifest, committed)
        graph = self.open_graph(path, manifest)
        network = PlainNetwork(graph)
        if network.stems != len(parts):
            raise ManifestError(
                f"{path} makes {network.stems} parts, but the manifest of {manifest.name} names"
                f" {', '.join(parts)}."
            )
        if network.channels != manifest.channels:
            raise ManifestError(
                f"{path} gives {network.channels} channels, but the manifest of {manifest.name}"
                f" names {manifest.channels}."
            )
        if (planes := graph.input_shapes[0][1]) != manifest.planes:
            raise ManifestError(
                f"{path} takes {planes} planes, but the manifest of"
                f" {manifest.name} gives it {manifest.planes}: magnitudes and features."
            )
        return network

    def open_graph(
        self,
        path: Path,
        manifest: ModelManifest,
        *,
        ends: Literal[1, 2] = 1,
        in_turn: bool = False,
    ) -> Graph:
        """Return what runs one of a model's own networks; no other line chooses a runtime."""
        ensure_harmless(manifest, path)
        if self.precision == "int8":
            path = locate_quantised(manifest, path)
            ensure_harmless(manifest, path)
        return OnnxGraph(
            path, provider=self.provider, threads=self.threads, ends=ends, in_turn=in_turn
        )


def settle_precision(wanted: Precision, provider: Provider) -> Precision:
    """Return in which precision networks run on what is meant by a provider's name.

    Raises:
        OptionError: there is no such precision.
        ProviderError: there is no such provider, or none that can be used.
    """
    if wanted not in PRECISIONS:
        raise OptionError(f"The precision is {' or '.join(PRECISIONS)}, not '{wanted}'.")
    if wanted == "int8" and (chosen := choose_provider(provider)).name != CPU:
        _log.warning("int8 is for CPUs: on %s, networks run in float.", chosen.title)
        return "float"
    return wanted


def make_filter(table: Filter, manifest: MagnitudeModel) -> MaskNetwork:
    """Return the filter that a stage of a model describes."""
    if isinstance(table, LowPassFilter):
        bin_hz = manifest.sample_rate_hz / manifest.transform.window_samples
        return filters.LowPass(bins=math.ceil(table.cutoff_hz / bin_hz))
    return filters.HarmonicPercussive(frames=table.frames, bins=table.bins, exponent=table.exponent)
