"""The pipeline: blocks of a mixture go in, blocks of its stems come out.

    read → resample → cut │ STFT → network │ cross-fade → mask → inverse STFT → resample → last stem
    the caller's thread   │ worker threads │ the caller's thread

A network that gives signals goes without the transforms and the mask.

A bounded number of segments is under way, so the stages overlap in time and memory does not grow
with the length of the signal. What a segment is never depends on how the signal came in, so results
are the same to the bit for any block size.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import starmap, tee
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.audio import fold_down, join_stems
from daw_bridge.files.reading import log_warnings, open_audio
from daw_bridge.library.manifest import EnsembleModel
from daw_bridge.library.members import Member
from daw_bridge.library.models import load_manifest
from daw_bridge.library.places import DEFAULT_MODEL
from daw_bridge.separation.ensembles import combine
from daw_bridge.separation.framing import cut_segments
from daw_bridge.separation.loading import Loader, settle_precision
from daw_bridge.separation.options import SeparationOptions, make_plan
from daw_bridge.separation.providers import join_providers
from daw_bridge.separation.synthesis import Synthesis
from daw_bridge.stft import fft
from daw_bridge.system import usable_cpus
from daw_bridge.weights.obtaining import ensure_model

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from concurrent.futures import Future

    from daw_bridge.audio import Audio, Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reading import Reader
    from daw_bridge.library.members import Rule
    from daw_bridge.separation.framing import Segment
    from daw_bridge.separation.loading import Model
    from daw_bridge.separation.options import Plan
    from daw_bridge.separation.providers import Precision, Provider
    from daw_bridge.separation.synthesis import Estimate, Estimator


class Separator:
    """Separates music with one model, which is loaded once.

    Args:
        model: a model's name; ``stemtool models list --available`` shows them. Weights that are
            not on this machine yet are fetched.
        provider: ``auto`` runs on a GPU where there is a usable one, else on the CPU; ``gpu``
            insists on one; docs/providers.md has all names.
        threads: CPU threads; None: as many as this process may use.
        precision: ``int8`` is faster on CPUs, and exact to what ``stemtool models quantise``
            measured; where networks run on something else they run in ``float``, which is logged.
        loader: opens its networks, whatever else is said of them.

    Raises:
        ModelError: the model is unknown, or its weights are not to be had, or not in ``int8``.
        ProviderError: what is asked for cannot be used; the message says why.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        provider: Provider = "auto",
        threads: int | None = None,
        precision: Precision = "float",
        loader: Loader | None = None,
    ) -> None:
        self.manifest = ensure_model(model)
        self.threads = threads or usable_cpus()
        self._workers = ThreadPoolExecutor()
        self._workers.submit(fft)  # loads while the network does
        self.precision = settle_precision(precision, provider)
        loader = loader or Loader(provider, threads, self.precision)
        self._members: Sequence[Member] = [Member(model=self.manifest.name)]
        self._rule: Rule = "mean"
        manifests = [self.manifest]
        if isinstance(self.manifest, EnsembleModel):
            self._members, self._rule = self.manifest.members, self.manifest.consensus
            manifests = [load_manifest(member.model) for member in self._members]
        self._models = [loader.open(manifest) for manifest in manifests]

    def __enter__(self) -> Separator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the worker threads."""
        self._workers.shutdown(cancel_futures=True)

    @property
    def provider(self) -> str:
        """Where the network really runs, such as ``cpu``."""
        return join_providers(model.device.provider for model in self._models)

    def separate(self, audio: Audio, options: SeparationOptions | None = None) -> Stems:
        """Separate audio that is in memory.

        Raises:
            OptionError: the model has no such stem or bandwidth.
            AudioError: there are more than two channels and no ``downmix``.
        """
        return join_stems(self.stream(audio, options))

    def stream(
        self,
        source: Reader | str | os.PathLike[str],
        options: SeparationOptions | None = None,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> Generator[Stems, None, None]:
        """Separate audio of any length, block by block, in flat memory.

        Args:
            source: the path of a file, an open file, or :class:`~daw_bridge.Audio`.
            options: how to separate.
            start: the first frame to separate.
            length: how many frames; None: to the end.

        Yields:
            consecutive blocks of stems, together as long as the source.

        Raises:
            OptionError: the model has no such stem or bandwidth.
            AudioError: the source cannot be read, or has more than two channels and no ``downmix``.
        """
        if isinstance(source, (str, os.PathLike)):
            with open_audio(Path(source)) as reader:
                yield from self.stream(reader, options, start=start, length=length)
                log_warnings(reader)
            return
        plan = make_plan(self.manifest, options or SeparationOptions(), source)
        read = partial(_read, source, start, length, channels=plan.channels)
        if isinstance(self.manifest, EnsembleModel) or plan.options.shifts > 1:
            yield from self._vote(plan, source, read)
        else:
            model = self._models[0]
            yield from self._run(model, model.prepare(plan, read), read())

    def _vote(
        self, plan: Plan, source: Reader, read: Callable[[], Iterable[Block]]
    ) -> Generator[Stems, None, None]:
        """Run all members, as often as there are shifts, and yield what they agree on."""
        stems = tuple(plan.stems[index] for index in plan.made)
        options = replace(plan.options, stems=stems)
        plans, models, weights = [], [], []
        for model, member in zip(self._models, self._members, strict=True):
            counts = [member.weight_of(stem) for stem in stems]
            if not any(counts):
                continue
            prepared = model.prepare(make_plan(model.manifest, options, source), read)
            for turn in range(options.shifts):
                plans.append(prepared.delayed(turn))
                models.append(model)
                weights.append(counts)
        runs = list(map(self._run, models, plans, tee(read(), len(plans))))
        yield from combine(runs, plan, self._rule, np.array(weights, np.float32))

    def _run(
        self, model: Model, plan: Plan, blocks: Iterable[Block]
    ) -> Generator[Stems, None, None]:
        """Run one model over a signal."""
        estimator = model.estimator(plan)
        segments = cut_segments(blocks, plan, estimator.cut)
        ahead = self._estimate_ahead(estimator, segments, runs=model.device.concurrent_runs)
        with closing(ahead) as estimated:
            # A loop variable would keep a segment's estimate while the next are waited for.
            yield from starmap(Synthesis(plan, estimator).push, estimated)

    def _estimate_ahead(
        self, estimator: Estimator[Estimate], segments: Iterable[Segment], *, runs: int
    ) -> Generator[tuple[Segment, Estimate], None, None]:
        """Yield segments and what the network makes of them while it is busy with the next."""
        under_way: deque[tuple[Segment, Future[Estimate]]] = deque()
        try:
            for segment in segments:
                future = self._workers.submit(estimator.estimate, segment)
                under_way.append((segment, future))
                if len(under_way) >= runs:
                    yield _result(*under_way.popleft())
            while under_way:
                yield _result(*under_way.popleft())
        finally:
            futures = [future for _, future in under_way]
            for future in futures:
                future.cancel()
            wait(futures)


def _read(source: Reader, start: int, length: int | None, *, channels: int) -> Iterable[Block]:
    """Read a part of a source from its beginning, folded down if it has more channels."""
    blocks = source.blocks(start, length)
    return fold_down(blocks, source.channels) if source.channels > channels else blocks


def _result(segment: Segment, future: Future[Estimate]) -> tuple[Segment, Estimate]:
    return segment, future.result()
