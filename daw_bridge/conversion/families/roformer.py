"""Checkpoints of BS-RoFormer and Mel-Band RoFormer → one ONNX graph of complex spectra.

A file holds a network's arrays; how long its transform is, how bands lie and what comes out is in
the configuration that it was trained by. Settings are named as in the package BS-RoFormer and its
forks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from daw_bridge.conversion import passages
from daw_bridge.conversion.checkpoints.torch_files import read_torch_file
from daw_bridge.conversion.family import Conversion
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers
from daw_bridge.conversion.graphs.roformer import (
    Roformer,
    add_roformer,
    find_bands,
    find_mel_bands,
)
from daw_bridge.conversion.graphs.spectra import add_spectrum, spectral_model
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.limits import Bins, Hop, SampleRate, Window
from daw_bridge.library.manifest import Transform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_MARK = re.compile(
    rb"layers\.0\.0\.layers\.0\.0\.(?:branch\.)?(?:rotary_embed|norm|to_qkv|temperature)"
)
_HEAD_BYTES = 1 << 16
_WRAPPERS = ("state_dict", "model_state_dict", "state", "model")
_TOLD_BY_ARRAYS = (
    "depth", "dim", "dim_head", "linear_transformer_depth", "time_transformer_depth",
    "freq_transformer_depth", "mask_estimator_depth", "mlp_expansion_factor", "num_stems",
    "ff_mult", "add_value_residual", "use_value_residual_learning",
)  # fmt: skip
_OF_TRAINING = (
    "attn_dropout", "ff_dropout", "flash_attn", "sage_attention", "use_torch_checkpoint",
    "dim_freqs_in", "match_input_audio_length", "multi_stft_resolution_loss_weight",
    "multi_stft_resolutions_window_sizes", "multi_stft_hop_size", "multi_stft_normalized",
)  # fmt: skip
"""What changes nothing of what a trained network gives, or its speed alone."""
_IGNORED = (*_TOLD_BY_ARRAYS, *_OF_TRAINING)
_UNIFORM_BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)

_BUFFERS = ("freq_indices", "freqs_per_band", "num_freqs_per_band", "num_bands_per_freq")
"""What some files keep of a mel filter bank, which follows from its settings."""
Widths = Annotated[tuple[Bins, ...], msgspec.Meta(min_length=2, max_length=1024)]
Only = Annotated[int, msgspec.Meta(ge=1, le=1)]
"""Of what is rebuilt in one way only."""


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``model``: what a network's arrays do not tell.

    That a spectrum is normalised changes nothing, as the network normalises each band of it.

    Attributes:
        freqs_per_bands: the widths of bands that follow each other, in bins.
        num_bands: how many bands of a mel filter bank there are instead.
        zero_dc: stems have nothing at 0 Hz.
        skip_connection: each pair of transformers sees the sum of what those before it gave.
    """

    freqs_per_bands: Widths | None = None
    num_bands: Annotated[int, msgspec.Meta(ge=2, le=1024)] | None = None
    sample_rate: SampleRate = 44_100
    stereo: bool = False
    heads: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 8
    stft_n_fft: Window = 2048
    stft_hop_length: Hop = 512
    stft_win_length: Window = 2048
    stft_normalized: bool = False
    zero_dc: bool = False
    skip_connection: bool = False
    use_pope: bool = False
    num_residual_streams: Only = 1
    num_residual_fracs: Only = 1

    @property
    def channels(self) -> int:
        """Of the audio."""
        return 2 if self.stereo else 1

    @property
    def bins(self) -> int:
        """From 0 Hz to half the sample rate."""
        return self.stft_n_fft // 2 + 1

    @property
    def bands(self) -> list[range]:
        """The bins of each band.

        Raises:
            WeightsError: bands do not cover all bins.
        """
        if self.num_bands:
            return find_mel_bands(self.num_bands, self.stft_n_fft, self.sample_rate)
        widths = self.freqs_per_bands or _UNIFORM_BANDS
        if sum(widths) != self.bins:
            raise WeightsError(f"its bands have {sum(widths)} bins, the transform {self.bins}")
        return find_bands(widths)


class Configuration(passages.Configuration, frozen=True, kw_only=True):
    """All tables that count."""

    model: Network

    @property
    def channels(self) -> int:
        """Of the audio."""
        return self.model.channels

    @property
    def frames(self) -> int:
        """How many time frames the network sees at once."""
        return 1 + self.samples // self.model.stft_hop_length


def recognises(path: Path) -> bool:
    """Return whether a file begins with the arrays of transformers in lists of lists."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return _MARK.search(stream.read(_HEAD_BYTES)) is not None


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild a network as its configuration says.

    Stems that are wished for are names in the checkpoint's own order; what is left then comes last.

    Raises:
        WeightsError: the file is damaged, or of a network that cannot be rebuilt.
        OptionError: there is no configuration, or it is of another network, or there are more or
            fewer stems than are wished for.
    """
    told = passages.read_tables(path, wishes)
    configuration = passages.parse_tables(told, Configuration, wishes, ignored=_IGNORED)
    _check(configuration, wishes)
    stems = passages.choose_stems(path, configuration.training, wishes)
    arrays = read_arrays(path, trust=wishes.trust)
    with passages.rebuilding(path, wishes):
        network = build_roformer(arrays, configuration, stems.order)
    settings = configuration.model
    transform = Transform(window_samples=settings.stft_n_fft, hop_samples=settings.stft_hop_length)
    return Conversion(
        network=network.SerializeToString(),
        model=configuration.describe(stems, "a RoFormer", transform),
    )


def _check(configuration: Configuration, wishes: ImportWishes) -> None:
    """Raise :class:`OptionError` if a configuration asks for what is not rebuilt here."""
    model = configuration.model
    not_rebuilt = {
        "model.use_pope": model.use_pope,
        "model.stft_win_length": model.stft_win_length != model.stft_n_fft,
        "inference.normalize": configuration.inference.normalize,
    }
    for key, is_set in not_rebuilt.items():
        if is_set:
            raise OptionError(f"{wishes.configuration} cannot be rebuilt as it sets {key}.")


def read_arrays(path: Path, *, trust: bool = False) -> Arrays:
    """Return a network's arrays by their names, whatever they are wrapped in.

    Raises:
        WeightsError: the file is damaged or holds something else.
    """
    held = read_torch_file(path.read_bytes(), str(path), trust=trust)
    for wrapper in _WRAPPERS:
        if isinstance(held.get(wrapper), dict):
            held = held[wrapper]
    arrays = {
        name.removeprefix("module.").removeprefix("model.").replace(".branch.", "."): array
        for name, array in held.items()
        if isinstance(array, np.ndarray)
    }
    if not any(name.startswith("band_split.") for name in arrays):
        raise WeightsError(f"{path} is no RoFormer: it splits no bands.")
    return arrays


def build_roformer(
    arrays: Arrays, configuration: Configuration, order: Sequence[int]
) -> onnx.ModelProto:
    """Build the graph of a network, which gives its own stems in an order.

    Raises:
        WeightsError: arrays are missing, left over, or do not fit the configuration.
    """
    settings, frames = configuration.model, configuration.frames
    wanted = {name: array for name, array in arrays.items() if not name.endswith(_BUFFERS)}
    graph = GraphBuilder(wanted)
    network = Roformer(
        bands=settings.bands,
        channels=settings.channels,
        bins=settings.bins,
        frames=frames,
        heads=settings.heads,
        sums_blocks=settings.skip_connection,
        silences_dc=settings.zero_dc,
    )
    spectrum = add_spectrum(settings.channels, settings.bins, frames)
    given = add_roformer(Layers(graph), network, spectrum, order)
    return spectral_model(graph, given, spectrum)
