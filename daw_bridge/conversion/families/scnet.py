"""SCNet's networks, as they are and masking: ``.ckpt`` and ``.th`` files → ONNX graphs of spectra.

The YAML file that is published beside each tells how its bands lie, and what its stems are called:
one of the authors' own training, or one of Music-Source-Separation-Training. The graph is that of
sparse_bands.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from daw_bridge.conversion import passages
from daw_bridge.conversion.checkpoints.torch_files import mentions, read_state
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers
from daw_bridge.conversion.graphs.recurrent import stack_all_gates
from daw_bridge.conversion.graphs.sparse_bands import SparseBands, add_sparse_bands
from daw_bridge.conversion.graphs.spectra import add_spectrum, spectral_model
from daw_bridge.errors import OptionError
from daw_bridge.library.limits import Hop, SampleRate, Window
from daw_bridge.library.manifest import ComplexModel, Transform

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_MARKS = ("encoder.0.SDlayer.convs.0.", "encoder.0.conv_modules.0.")
_MASK = "mask_layer.0.weight"
_IGNORED = (
    "sources",
    "audio_channels",
    "dims",
    "band_kernel",
    "conv_depths",
    "compress",
    "conv_kernel",
    "num_dplayer",
    "expand",
)
"""Keys of the table ``model`` that arrays tell, or the table ``training``."""
_Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
_Stride = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``, as far as arrays do not tell it."""

    nfft: Window = 4096
    hop_size: Hop = 1024
    win_size: Window = 4096
    normalized: bool = True
    band_SR: tuple[_Share, _Share, _Share] = (0.175, 0.392, 0.433)  # noqa: N815 - its name there
    band_stride: tuple[_Stride, _Stride, _Stride] = (1, 4, 16)


class Configuration(passages.Configuration, frozen=True, kw_only=True):
    """All tables that count."""

    model: Model

    @property
    def shape(self) -> tuple[int, int, int]:
        """What the network sees: channels, bins and time frames, these of an even number.

        A passage is followed by silence for as long as need be, and at least for a sample.
        """
        hops = self.samples // self.model.hop_size + 1
        frames = 1 + hops + (hops + 1) % 2
        return self.audio.num_channels, self.model.nfft // 2 + 1, frames

    @property
    def network(self) -> SparseBands:
        """What the graph is to know beside the arrays."""
        return SparseBands(
            shares=self.model.band_SR,
            strides=self.model.band_stride,
            gain=self.model.nfft**-0.5 if self.model.normalized else 1,
            normalises=self.inference.normalize,
        )


class Authors(msgspec.Struct, frozen=True, kw_only=True):
    """The table ``data`` of the authors' own training, in seconds and by other names."""

    samplerate: SampleRate = 44_100
    segment: Annotated[float, msgspec.Meta(gt=0, le=600)] = 11
    channels: Annotated[int, msgspec.Meta(ge=1, le=32)] = 2


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of the authors' own training."""

    data: Authors
    model: dict[str, Any]

    def translate(self) -> dict[str, Any]:
        """Return the tables of Music-Source-Separation-Training that mean the same."""
        data = self.data
        sources = self.model.get("sources", ["drums", "bass", "other", "vocals"])
        return {
            "audio": {
                "chunk_size": round(data.segment * data.samplerate),
                "sample_rate": data.samplerate,
                "num_channels": data.channels,
            },
            "training": {"instruments": sources},
            "inference": {"num_overlap": 2, "normalize": True},
            "model": self.model,
        }


def recognises(path: Path) -> bool:
    """Return whether a file begins as such a network's does."""
    return mentions(path, *_MARKS)


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the network of a ``.ckpt`` or ``.th`` file.

    Stems that are wished for are in the network's order, and what is left then goes to the end.

    Raises:
        WeightsError: the file is damaged, or not of the network that the configuration describes.
        OptionError: there is no configuration, or it or the stems do not fit.
    """
    told = passages.read_tables(path, wishes)
    if "data" in told:
        training = passages.parse_tables(told, Training, wishes)
        told = training.translate()
    configuration = passages.parse_tables(told, Configuration, wishes, ignored=_IGNORED)
    stems = passages.choose_stems(path, configuration.training, wishes)
    arrays = read_state(path, trust=wishes.trust)
    _check(configuration, wishes, is_masking=_MASK in arrays)
    with passages.rebuilding(path, wishes):
        network = build_scnet(arrays, configuration, stems)
    model, audio = configuration.model, configuration.audio
    return Conversion(
        network=network.SerializeToString(),
        model=ComplexModel(
            **UNNAMED,
            summary=f"{', '.join(stems.names).capitalize()}, by SCNet.",
            stems=stems.names,
            sample_rate_hz=audio.sample_rate,
            channels=audio.num_channels,
            last_is_rest=stems.last_is_rest,
            overlap=configuration.overlap,
            transform=Transform(
                window_samples=model.nfft,
                hop_samples=model.hop_size,
                window="hann" if _MASK in arrays else "rectangular",
            ),
            passage=configuration.passage,
        ),
    )


def build_scnet(
    arrays: Arrays, configuration: Configuration, stems: passages.Stems
) -> onnx.ModelProto:
    """Build the graph of a network from spectra to those of its stems.

    Raises:
        WeightsError: arrays are missing, or left over.
        ValueError: they are not as the configuration has them.
    """
    graph = GraphBuilder(stack_all_gates(arrays))
    spectrum = add_spectrum(*configuration.shape)
    given = add_sparse_bands(Layers(graph), spectrum, configuration.network, stems.order)
    return spectral_model(graph, given, spectrum)


def _check(configuration: Configuration, wishes: ImportWishes, *, is_masking: bool) -> None:
    """Raise :class:`OptionError` if a configuration asks for what is not rebuilt here."""
    model = configuration.model
    if model.win_size != model.nfft:
        raise OptionError(
            f"{wishes.configuration} cannot be rebuilt: win_size is not nfft, {model.nfft}."
        )
    if is_masking and configuration.inference.normalize:
        raise OptionError(
            f"{wishes.configuration} cannot be rebuilt: networks that mask are not rebuilt with"
            " normalize."
        )
