"""A model's networks in eight bits, as far as what that loses, measured on a song, allows.

    song → excerpts → stems in float, and what each product would lose
                    → stems in int8 → how far they are from those → fewer products, until it is near

What products lose adds up, about, to what the stems lose. So after the first try, which is with all
products, as many are left in float as leave a sum that would do: first those that lose most for the
time that they take.
"""

from __future__ import annotations

import logging
import math
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from daw_bridge.audio import Audio
from daw_bridge.conversion.child import NETWORK
from daw_bridge.conversion.process import quantise_apart
from daw_bridge.errors import ModelError, OptionError, OutputError
from daw_bridge.files.hashing import sha256_of
from daw_bridge.files.reading import count_frames, open_audio
from daw_bridge.library.models import load_components
from daw_bridge.library.places import cache_folder
from daw_bridge.separation.loading import Loader
from daw_bridge.separation.options import SeparationOptions
from daw_bridge.separation.providers import CPU
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.separation.separator import Separator
from daw_bridge.weights.inspecting import ensure_harmless
from daw_bridge.weights.installing import ensure_networks, own_networks, weights_folder
from daw_bridge.weights.obtaining import ensure_model
from daw_bridge.weights.quantised import Measured, keep_quantised

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from daw_bridge.audio import Stems
    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.separation.network import Graph

    Left = Mapping[Path, tuple[str, ...]]
    """Network → the products that are left in float."""

WANTED_DB = -35.0
"""How far below the stems lies, at most, what int8 changes of them, unless more is asked for."""
_EXCERPTS = 3
_EXCERPT_S = 5
_QUIET_DB = -40.0
"""Below the mixture: what is lost of a stem that is quieter is held against this level."""
_MARGIN_DB = 1.0
_TRIES = 8
_SILENCE_DB = -200.0

_log = logging.getLogger(__name__)


class Quantised(NamedTuple):
    """What came of a model.

    Attributes:
        products: how many products of its networks could be ones of integers.
        left: how many of these are left in float.
        share: of what all of them multiply, what is ones of integers.
        residual_db: how far below the stems lies what int8 changes of them.
        song: what that was measured on.
    """

    products: int
    left: int
    share: float
    residual_db: float
    song: Path


class Loss(NamedTuple):
    """What a product of a network loses in eight bits, as a share of its own energy.

    ``cost`` is how many numbers it multiplies.
    """

    network: Path
    product: str
    share: float
    cost: float


def find_example(manifest: ModelManifest) -> Path:
    """Return the song that came with a model's weights.

    Raises:
        OptionError: none did.
    """
    for each in load_components(manifest):
        for path in sorted(weights_folder(each).glob("example.*")):
            return path
    raise OptionError(
        f"No song came with the weights of {manifest.name}: name one to measure int8 on, `stemtool"
        f" models quantise {manifest.name} SONG`."
    )


def quantise_model(
    name: str,
    song: Path | None = None,
    *,
    at_most_db: float = WANTED_DB,
    threads: int | None = None,
) -> Quantised:
    """Bring a model's networks to eight bits, as far as its stems do not suffer, and keep them.

    Args:
        name: the model's.
        song: what to measure on; None: the song that came with the weights.
        at_most_db: how far below the stems may lie what changes.
        threads: CPU threads; None: as many as this process may use.

    Raises:
        OptionError: no song is named, and none came with the weights.
        AudioError: the song cannot be read.
        ModelError: the model is unknown, or would not be faster, or loses too much.
    """
    manifest = ensure_model(name)
    ensure_networks(manifest)
    song = song or find_example(manifest)
    with _workplace() as folder:
        study = _Study(manifest, folder, threads)
        products = study.gauge(_cut(song))
        left, residual_db = study.search(at_most_db)
        study.keep(left, residual_db, song)
    count = sum(map(len, left.values()))
    return Quantised(products, count, study.share_without(left), residual_db, song)


@contextmanager
def _workplace() -> Iterator[Path]:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".int8-") as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(f"{cache_folder()} cannot be written: {error.strerror}.") from error


def _cut(song: Path) -> list[Audio]:
    """Return some seconds of a song, from several places."""
    frames = count_frames(song)
    with open_audio(song) as reader:
        rate = reader.sample_rate_hz
    length = max(1, min(frames, _EXCERPT_S * rate))
    count = max(1, min(_EXCERPTS, frames // length))
    middles = ((2 * place + 1) * frames // (2 * count) for place in range(count))
    return [_read(song, middle - length // 2, length) for middle in middles]


def _read(song: Path, start: int, length: int) -> Audio:
    with open_audio(song) as reader:
        samples = np.concatenate(list(reader.blocks(start, length)), axis=1)
        return Audio(samples, reader.sample_rate_hz)


class _Study:
    """Tries of one model's networks on excerpts of a song."""

    def __init__(self, manifest: ModelManifest, folder: Path, threads: int | None) -> None:
        self._manifest = manifest
        self._folder = folder
        self._threads = threads
        self._digests = {
            path: digest
            for each in load_components(manifest)
            for path, digest in own_networks(each)
        }
        self._products: dict[Path, tuple[str, ...]] = {}
        self._losses: list[Loss] = []
        self._excerpts: list[Audio] = []
        self._stems: list[Stems] = []

    def gauge(self, excerpts: list[Audio]) -> int:
        """Separate excerpts in float; return how many products could be ones of integers.

        Raises:
            OptionError: none.
        """
        gauged = self._make(dict.fromkeys(self._digests))
        meters = {path: _Meter(self._products[path]) for path in gauged}
        if not gauged:
            raise OptionError(
                f"{self._manifest.name} has no matrix products, which int8 makes faster: it runs in"
                " float."
            )
        count = sum(map(len, self._products.values()))
        _log.info("Measuring what %d products of %s lose …", count, self._manifest.name)
        self._excerpts = excerpts
        self._stems = self._separate(gauged, meters)
        self._losses = [
            Loss(path, product, share, cost)
            for path, meter in meters.items()
            for product, share, cost in meter.losses()
        ]
        return count

    def search(self, at_most_db: float) -> tuple[Left, float]:
        """Return which products are to be left, and what then changes of the stems, in dB.

        Raises:
            ModelError: too much does, even with few products.
        """
        budget = math.inf
        for _ in range(_TRIES):
            left, sum_kept = choose_left(self._losses, budget)
            if not sum_kept:
                break
            residual_db = measure_residual_db(self._stems, self._separate(self._make(left)))
            count = sum(map(len, left.values()))
            _log.info("With %d products left in float: %.1f dB.", count, residual_db)
            if residual_db <= at_most_db:
                return left, residual_db
            budget = sum_kept * 10 ** ((at_most_db - residual_db - _MARGIN_DB) / 10)
        raise ModelError(
            f"{self._manifest.name} cannot be brought to int8: on this song its stems would change"
            f" by more than {at_most_db:.0f} dB, whichever products are left in float;"
            " --at-most allows more."
        )

    def share_without(self, left: Left) -> float:
        """Return what part of all that is multiplied is in products that are not left."""
        costs = {(loss.network, loss.product): loss.cost for loss in self._losses}
        lost = sum(costs[path, name] for path, names in left.items() for name in names)
        return 1 - lost / sum(costs.values())

    def keep(self, left: Left, residual_db: float, song: Path) -> None:
        """Keep the networks that were made last."""
        song_digest = sha256_of(song)
        for path, digest in self._digests.items():
            network = self._place(path) / NETWORK
            is_made = network.is_file()
            measured = Measured(
                source=digest,
                sha256=sha256_of(network) if is_made else None,
                products=len(self._products[path]),
                left=left.get(path, ()),
                residual_db=round(residual_db, 1),
                song=song.name,
                song_sha256=song_digest,
            )
            keep_quantised(measured, network if is_made else None)

    def _make(self, left: Mapping[Path, tuple[str, ...] | None]) -> dict[Path, Path]:
        """Return what becomes of networks, of those that have such products."""
        made = {}
        for path in self._digests:
            folder = self._place(path)
            folder.mkdir(exist_ok=True)
            self._products[path] = quantise_apart(path, folder=folder, left=left.get(path, ()))
            if self._products[path]:
                made[path] = folder / NETWORK
        return made

    def _place(self, network: Path) -> Path:
        return self._folder / self._digests[network]

    def _separate(
        self, networks: Mapping[Path, Path], meters: Mapping[Path, _Meter] | None = None
    ) -> list[Stems]:
        loader = _TrialLoader(
            CPU, self._threads, prepares=False, networks=networks, meters=meters or {}
        )
        with Separator(self._manifest.name, loader=loader) as separator:
            options = SeparationOptions(downmix=True)
            return [separator.separate(excerpt, options) for excerpt in self._excerpts]


def choose_left(losses: Sequence[Loss], budget: float) -> tuple[Left, float]:
    """Leave products until what the rest lose is no more than a budget.

    Those that lose most for what they cost are left first.

    Returns:
        for each network those that are left; and the sum of what the rest lose.
    """
    left: dict[Path, tuple[str, ...]] = {loss.network: () for loss in losses}
    total = 0.0
    for loss in sorted(losses, key=lambda loss: loss.share / max(loss.cost, 1)):
        if total + loss.share <= budget:
            total += loss.share
        else:
            left[loss.network] = (*left[loss.network], loss.product)
    return left, total


def measure_residual_db(wanted: Sequence[Stems], given: Sequence[Stems]) -> float:
    """Return how far below a stem lies what is changed of it, of the one that is changed most."""
    energies = sum(_energies(each.samples) for each in wanted)
    changes = sum(
        _energies(others.samples.astype(np.float64) - each.samples)
        for each, others in zip(wanted, given, strict=True)
    )
    mixture = sum(_energies(each.mixture[np.newaxis])[0] for each in wanted)
    levels = np.maximum(energies, mixture * 10 ** (_QUIET_DB / 10))
    shares = np.divide(changes, levels, out=np.zeros_like(levels), where=levels > 0)
    return float(10 * np.log10(max(shares.max(), 10 ** (_SILENCE_DB / 10))))


def _energies(signals: NDArray[Any]) -> NDArray[np.float64]:
    """Return the energy of each signal: (signals, channels, samples) → (signals,)."""
    return np.square(signals, dtype=np.float64).sum(axis=(1, 2))


class _Meter:
    """Adds up what products tell over all runs of a network, which may be in several threads."""

    def __init__(self, products: Sequence[str]) -> None:
        self._products = products
        self._sums = np.zeros((len(products), 3))
        self._lock = threading.Lock()

    def add(self, gauges: NDArray[np.float32]) -> None:
        """Add what a run tells: (elements,), three of each product."""
        with self._lock:
            self._sums += gauges.reshape(-1, 3)

    def losses(self) -> Iterator[tuple[str, float, float]]:
        """Yield each product, what it loses as a share of its energy, and what it multiplies."""
        for product, (signal, lost, cost) in zip(self._products, self._sums, strict=True):
            yield product, float(lost / signal) if signal else 0.0, float(cost)


class _MeteredGraph:
    """A graph that tells a meter what its products would lose, and else is as it was."""

    def __init__(self, graph: Graph, meter: _Meter) -> None:
        self.provider = graph.provider
        self.concurrent_runs = graph.concurrent_runs
        self.input_shapes = graph.input_shapes
        self.output_shapes = graph.output_shapes[:-1]
        self._graph, self._meter = graph, meter

    def run(self, *inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return its outputs for its inputs, of any shape."""
        *outputs, gauges = self._graph.run(*inputs)
        self._meter.add(gauges)
        return outputs


@dataclass(frozen=True)
class _TrialLoader(Loader):
    """Opens other networks in the place of a model's own.

    Attributes:
        networks: the model's network → the one that is opened.
        meters: those of the networks that tell what products lose.
    """

    networks: Mapping[Path, Path] = field(default_factory=dict)
    meters: Mapping[Path, _Meter] = field(default_factory=dict)

    def open_graph(
        self,
        path: Path,
        manifest: ModelManifest,
        *,
        ends: Literal[1, 2] = 1,
        in_turn: bool = False,
    ) -> Graph:
        """Return what runs the network that is tried."""
        if path not in self.networks:
            return super().open_graph(path, manifest, ends=ends, in_turn=in_turn)
        ensure_harmless(manifest, path)
        graph = OnnxGraph(
            self.networks[path],
            provider=self.provider,
            threads=self.threads,
            ends=ends,
            in_turn=in_turn,
            measured=path in self.meters,
        )
        return _MeteredGraph(graph, self.meters[path]) if path in self.meters else graph
