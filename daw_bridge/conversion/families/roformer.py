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

from daw_bridge.conversion.checkpoints.configurations import read_configuration
from daw_bridge.conversion.checkpoints.torch_files import read_torch_file
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.roformer import (
    Roformer,
    add_roformer,
    find_bands,
    find_mel_bands,
)
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.limits import Bins, Hop, SampleRate, Samples, Window
from daw_bridge.library.manifest import ComplexModel, PassageShape, Transform
from daw_bridge.library.stems import complement, rest_last

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_INPUT = "spectrum"
_MARK = re.compile(
    rb"layers\.0\.0\.layers\.0\.0\.(?:branch\.)?(?:rotary_embed|norm|to_qkv|temperature)"
)
_HEAD_BYTES = 1 << 16
_WRAPPERS = ("state_dict", "model_state_dict", "state", "model")
_TOLD_BY_ARRAYS = {
    "depth", "dim", "dim_head", "linear_transformer_depth", "time_transformer_depth",
    "freq_transformer_depth", "mask_estimator_depth", "mlp_expansion_factor", "num_stems",
    "ff_mult", "add_value_residual", "use_value_residual_learning",
}  # fmt: skip
_OF_TRAINING = {
    "attn_dropout", "ff_dropout", "flash_attn", "sage_attention", "use_torch_checkpoint",
    "dim_freqs_in", "match_input_audio_length", "multi_stft_resolution_loss_weight",
    "multi_stft_resolutions_window_sizes", "multi_stft_hop_size", "multi_stft_normalized",
}  # fmt: skip
"""What changes nothing of what a trained network gives, or its speed alone."""
_IN_ONE_WAY = {"use_pope": False, "num_residual_streams": 1, "num_residual_fracs": 1}
"""What is rebuilt in one way only."""
_UNIFORM_BANDS = (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129)

_BUFFERS = ("freq_indices", "freqs_per_band", "num_freqs_per_band", "num_bands_per_freq")
"""What some files keep of a mel filter bank, which follows from its settings."""
_FADES = 10
"""A fade is this part of a passage, whatever the overlap."""
_UNFIT = re.compile(r"[^\w.+&()-]+")

Widths = Annotated[tuple[Bins, ...], msgspec.Meta(min_length=2, max_length=1024)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Network(msgspec.Struct, frozen=True):
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


class Sound(msgspec.Struct, frozen=True):
    """The table ``audio``."""

    chunk_size: Samples | None = None
    sample_rate: SampleRate = 44_100


class Training(msgspec.Struct, frozen=True):
    """The table ``training``: what comes out, in its order, or the one part that does."""

    instruments: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=64)]
    target_instrument: Name | None = None


class Inference(msgspec.Struct, frozen=True):
    """The table ``inference``.

    Attributes:
        chunk_size: of passages, in samples, if not that of training.
        dim_t: the same in time frames.
        num_overlap: how many passages see each sample.
        normalize: the whole song is brought to one loudness first.
    """

    chunk_size: Samples | None = None
    dim_t: Annotated[int, msgspec.Meta(ge=2, le=1 << 16)] | None = None
    num_overlap: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    normalize: bool = False


class Settings(msgspec.Struct, frozen=True):
    """What a configuration says."""

    model: Network
    training: Training
    audio: Sound = Sound()
    inference: Inference = Inference()

    @property
    def passage_samples(self) -> int:
        """How many samples the network sees at once."""
        if self.inference.chunk_size or self.audio.chunk_size:
            return self.inference.chunk_size or self.audio.chunk_size or 0
        return self.model.stft_hop_length * ((self.inference.dim_t or 801) - 1)

    @property
    def passage(self) -> PassageShape:
        """How the network sees a song."""
        samples, overlaps = self.passage_samples, self.inference.num_overlap
        fade_samples = samples // _FADES if overlaps > 1 else 0
        return PassageShape(samples=samples, mirrored=True, fade_samples=fade_samples)

    @property
    def made(self) -> tuple[str, ...]:
        """The names of what the network gives, as the configuration has them."""
        target = self.training.target_instrument
        return (target,) if target else self.training.instruments


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
    if wishes.configuration is None:
        raise OptionError(
            f"{path} does not tell how its transform and its bands lie: --config takes the YAML"
            " file that it is published with."
        )
    settings = read_settings(wishes.configuration)
    arrays = read_arrays(path, trust=wishes.trust)
    stems, order = _name_stems(path, settings, wishes.stems)
    try:
        network = build_roformer(arrays, settings.model, settings.passage_samples, order)
    except (IndexError, TypeError, ValueError, ZeroDivisionError, WeightsError) as error:
        reason = str(error).rstrip(".")
        raise WeightsError(
            f"{path} cannot be rebuilt as {wishes.configuration} says: {reason}."
        ) from error
    network_table = settings.model
    return Conversion(
        network=network.SerializeToString(),
        model=ComplexModel(
            **UNNAMED,
            summary=f"{', '.join(stems).capitalize()}, by a RoFormer.",
            stems=stems,
            sample_rate_hz=settings.audio.sample_rate,
            channels=network_table.channels,
            last_is_rest=len(settings.made) == 1,
            overlap=1 - 1 / settings.inference.num_overlap,
            transform=Transform(
                window_samples=network_table.stft_n_fft, hop_samples=network_table.stft_hop_length
            ),
            passage=settings.passage,
        ),
    )


def read_settings(path: Path) -> Settings:
    """Return what a configuration says of a network.

    Raises:
        OptionError: it cannot be read, or is of another network, or of one that is not rebuilt.
    """
    told = read_configuration(path)
    table = told.get("model")
    if not isinstance(table, dict):
        raise OptionError(f"{path} is of no RoFormer: it has no table 'model'.")
    known = {field.name for field in msgspec.structs.fields(Network)}
    for key, value in table.items():
        if key in known | _TOLD_BY_ARRAYS | _OF_TRAINING or _IN_ONE_WAY.get(key, ...) == value:
            continue
        raise OptionError(f"{path} sets model.{key} to {value!r:.80}, which cannot be rebuilt.")
    try:
        settings = msgspec.convert(told, Settings)
    except msgspec.ValidationError as error:
        raise OptionError(f"{path} is of no RoFormer: {error}.") from error
    if settings.model.stft_win_length != settings.model.stft_n_fft:
        raise OptionError(
            f"{path} sets model.stft_win_length, of another length than model.stft_n_fft, which"
            " cannot be rebuilt."
        )
    if settings.inference.normalize:
        raise OptionError(f"{path} sets inference.normalize, which cannot be rebuilt.")
    return settings


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
    arrays: Arrays, settings: Network, passage_samples: int, order: Sequence[int]
) -> onnx.ModelProto:
    """Build the graph of a network.

    Args:
        arrays: by their names.
        settings: what they do not tell.
        passage_samples: how long a passage is.
        order: the network's stems as the graph is to give them.

    Raises:
        WeightsError: arrays are missing, left over, or do not fit the settings.
    """
    wanted = {name: array for name, array in arrays.items() if not name.endswith(_BUFFERS)}
    graph = GraphBuilder(wanted)
    frames = 1 + passage_samples // settings.stft_hop_length
    network = Roformer(
        bands=settings.bands,
        channels=settings.channels,
        bins=settings.bins,
        frames=frames,
        heads=settings.heads,
        sums_blocks=settings.skip_connection,
        silences_dc=settings.zero_dc,
    )
    spectrum = Value(_INPUT, (1, network.planes, network.bins, frames))
    given = add_roformer(Layers(graph), network, spectrum, order)
    if graph.unused:
        raise WeightsError(f"it has layers that cannot be rebuilt, {', '.join(graph.unused[:3])} …")
    return graph.model(dict([spectrum]), dict([given]))


def _name_stems(
    path: Path, settings: Settings, wished: tuple[str, ...]
) -> tuple[tuple[str, ...], list[int]]:
    """Return the stems' names, and the network's own stems in their order."""
    made = settings.made
    if len(made) > 1:
        names = wished or tuple(map(_as_stem, made))
        if len(names) != len(made):
            raise OptionError(f"{path} makes {len(made)} stems, not {', '.join(names)}.")
        order = rest_last(names)
        return tuple(names[index] for index in order), order
    others = [each for each in settings.training.instruments if each != made[0]]
    primary = _as_stem(made[0])
    rest = _as_stem(others[0]) if len(others) == 1 else complement(primary)
    stems = wished or (primary, rest)
    if len(stems) != 2:
        raise OptionError(f"{path} makes one stem and leaves one, not {', '.join(stems)}.")
    return stems, [0]


def _as_stem(instrument: str) -> str:
    """Return a name that files can have."""
    return _UNFIT.sub("-", instrument.lower()).strip("-. ") or "stem"
