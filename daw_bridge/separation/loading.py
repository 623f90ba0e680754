"""A model's manifest → the networks that the pipeline runs, and how it runs them on a signal."""

from __future__ import annotations

import logging
import math
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from daw_bridge.errors import ManifestError, OptionError
from daw_bridge.library.manifest import (
    BandedModel,
    ChainModel,
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
from daw_bridge.separation.chains import Chain
from daw_bridge.separation.composition import Blend, Cascade, Split
from daw_bridge.separation.ensembles import Ensemble
from daw_bridge.separation.hybrid import HybridNetwork
from daw_bridge.separation.masking import Masking
from daw_bridge.separation.models import PlainModel
from daw_bridge.separation.network import PlainNetwork, VouchedGraph
from daw_bridge.separation.providers import CPU, PRECISIONS
from daw_bridge.separation.runtime import (
    OnnxGraph,
    choose_provider,
    describe_target,
    write_optimised,
)
from daw_bridge.separation.signals import Overlapping
from daw_bridge.separation.spectral import SpectralNetwork
from daw_bridge.weights.inspecting import ensure_harmless
from daw_bridge.weights.installing import (
    ensure_network,
    ensure_networks,
    locate_network,
    own_networks,
    weights_folder,
)
from daw_bridge.weights.prepared import find_prepared, prepare
from daw_bridge.weights.quantised import locate_quantised

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.library.stages import CommittedNetwork, Filter, Splitter, Stage
    from daw_bridge.separation.models import Model
    from daw_bridge.separation.network import Graph, MaskNetwork, SignalNetwork
    from daw_bridge.separation.providers import Precision, Provider

_LARGE_BYTES = 1 << 27
"""Of a network: MDX-Net's, which is fastest side by side, has half of it."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loader:
    """Loads models for one device.

    Attributes:
        provider: ``auto`` takes a GPU where there is a usable one.
        threads: CPU threads; None: as many as this process may use.
        precision: of products, where networks run on the CPU.
        workers: what models run in.
        prepares: networks of masks, which take little longer to run than to load, are loaded as
            they were prepared for this CPU once.
    """

    provider: Provider = "auto"
    threads: int | None = None
    precision: Precision = "float"
    workers: Executor = field(default_factory=ThreadPoolExecutor)
    prepares: bool = True

    def open(self, manifest: ModelManifest) -> Model:
        """Load a model of any kind, fetching what is not on this machine.

        Raises:
            ModelError: weights are not to be had, or are not what the manifest says.
            ProviderError: the GPU was asked for and cannot be used.
        """
        match manifest:
            case MagnitudeModel():
                masks = self.load(manifest)
                masking = partial(Masking, network=masks, manifest=manifest)
                return PlainModel(manifest, masks, masking, self.workers)
            case BandedModel():
                return self._open_banded(manifest)
            case EnsembleModel():
                return Ensemble(manifest, self._open_components(manifest))
            case ChainModel():
                return Chain(manifest, self._open_components(manifest))
            case PublishedModel():
                raise ManifestError(f"{manifest.name} is not here yet: fetch it first.")
        signals = self._load_signals(manifest)
        overlapping = partial(Overlapping, network=signals, manifest=manifest)
        return PlainModel(manifest, signals, overlapping, self.workers)

    def _open_components(self, manifest: EnsembleModel | ChainModel) -> list[Model]:
        """Load the models that one is made of, each once."""
        names = list(manifest.components)
        models = {name: self.open(load_manifest(name)) for name in dict.fromkeys(names)}
        return [models[name] for name in names]

    def _open_banded(self, manifest: BandedModel) -> Model:
        (path,) = ensure_networks(manifest)
        network = PlainNetwork(self.open_graph(path, manifest, in_turn=True))
        if (network.stems, network.channels) != (1, manifest.channels):
            raise ManifestError(
                f"{path} gives {network.stems} masks of {network.channels} channels, but"
                f" {manifest.name} needs one of {manifest.channels}."
            )
        return PlainModel(
            manifest,
            network,
            partial(Banded, network=network, manifest=manifest),
            self.workers,
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
            ((path, _),) = own_networks(manifest)
            return PlainNetwork(self._open_masks(path, manifest, partial(ensure_network, manifest)))
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
        path = weights_folder(manifest) / committed.file
        locate = partial(locate_network, manifest, committed)
        graph = self._open_masks(path, manifest, locate)
        network = PlainNetwork(graph)
        if network.stems != len(parts):
            raise ManifestError(
                f"{path} makes {network.stems} parts, but the manifest of {manifest.name} names"
                f" {', '.join(parts)}."
            )
        if (planes := graph.input_shapes[0][1]) != manifest.planes:
            raise ManifestError(
                f"{path} takes {planes} planes, but the manifest of"
                f" {manifest.name} gives it {manifest.planes}: magnitudes and features."
            )
        if network.channels != manifest.channels:
            raise ManifestError(
                f"{path} gives {network.channels} channels, but the manifest of {manifest.name}"
                f" names {manifest.channels}."
            )
        return network

    def _open_masks(
        self, path: Path, manifest: MagnitudeModel, locate: Callable[[], Path]
    ) -> Graph:
        """Return what runs one of a model's own networks, prepared for this CPU.

        Where it was prepared before, the network's own file is not opened.

        Args:
            path: where the file is or will be.
            manifest: the model's.
            locate: verifies the file, or fetches it.
        """
        on_cpu = self.precision == "float" and choose_provider(self.provider).name == CPU
        if not (self.prepares and on_cpu):
            return self.open_graph(locate(), manifest)

        def digest() -> str:  # another one once the network is fetched
            return dict(own_networks(manifest))[path]

        target = describe_target()
        prepared = find_prepared(digest(), target)
        ensure_harmless(manifest, path if prepared else locate())
        prepared = prepared or prepare(digest(), target, partial(write_optimised, path))
        if not prepared:
            return self.open_graph(path, manifest)
        graph = OnnxGraph(path, provider=CPU, threads=self.threads, prepared=prepared.graph)
        return VouchedGraph(graph, self.workers.submit(prepared.verify_arrays))

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
