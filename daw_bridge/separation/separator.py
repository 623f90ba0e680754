"""The pipeline: blocks of a mixture go in, blocks of its stems come out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from daw_bridge.audio import fold_down, join_stems
from daw_bridge.files.reading import log_warnings, open_audio
from daw_bridge.library.places import DEFAULT_MODEL
from daw_bridge.separation.loading import Loader, settle_precision
from daw_bridge.separation.options import SeparationOptions, make_plan
from daw_bridge.system import usable_cpus
from daw_bridge.weights.obtaining import ensure_model

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from daw_bridge.audio import Audio, Stems
    from daw_bridge.files.blocks import Block
    from daw_bridge.files.reading import Reader
    from daw_bridge.separation.providers import Precision, Provider


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
        self.precision: Precision = settle_precision(precision, provider)
        loader = loader or Loader(provider, threads, self.precision, self._workers)
        self._model = loader.open(self.manifest)

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
        return self._model.provider

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
        yield from self._model.run(plan, read(), read)


def _read(source: Reader, start: int, length: int | None, *, channels: int) -> Iterable[Block]:
    """Read a part of a source from its beginning, folded down if it has more channels."""
    blocks = source.blocks(start, length)
    return fold_down(blocks, source.channels) if source.channels > channels else blocks
