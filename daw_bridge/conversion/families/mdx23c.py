"""MDX23C's U-Nets (TFC-TDF version 3): ``.ckpt`` files of arrays → ONNX graphs of spectra.

The YAML file that is published beside each tells how the network is laid out, and what its stems
are called; the graph is that of tfc_tdf.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from daw_bridge.conversion import passages
from daw_bridge.conversion.checkpoints.torch_files import mentions, read_state
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers
from daw_bridge.conversion.graphs.spectra import add_spectrum, spectral_model
from daw_bridge.conversion.graphs.tfc_tdf import TfcTdf, add_tfc_tdf
from daw_bridge.errors import OptionError
from daw_bridge.library.limits import Bins, Hop, Window
from daw_bridge.library.manifest import ComplexModel, Transform

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_MARKS = ("first_conv.weight", "encoder_blocks.0.tfc_tdf.blocks.0.tfc1.")
_COUNTED = ".num_batches_tracked"
_IGNORED = ("name", "num_blocks_per_scale", "num_channels", "growth", "bottleneck_factor")
"""Keys of the table ``model`` that arrays tell, or that tell nothing of the network."""
_Size = Annotated[int, msgspec.Meta(ge=1, le=1 << 14)]


class Audio(passages.Audio, frozen=True, kw_only=True):
    """The table ``audio``.

    Attributes:
        dim_f: how many bins the network sees; those above are silent.
    """

    n_fft: Window
    hop_length: Hop
    dim_f: Bins


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``, as far as arrays do not tell it."""

    num_subbands: _Size
    num_scales: Annotated[int, msgspec.Meta(ge=0, le=16)]
    scale: tuple[_Size, _Size]
    act: Annotated[str, msgspec.Meta(pattern=r"^(gelu|relu|elu\d+(\.\d+)?)\Z", max_length=16)]
    norm: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^(BatchNorm|InstanceNorm|GroupNorm[1-9]\d*|Identity)?\Z", max_length=16
            ),
        ]
        | None
    ) = None


class Configuration(passages.Configuration, frozen=True, kw_only=True):
    """All tables that count."""

    audio: Audio
    model: Model

    @property
    def shape(self) -> tuple[int, int, int]:
        """What the network sees: channels, bins and time frames."""
        frames = 1 + self.samples // self.audio.hop_length
        return self.audio.num_channels, self.audio.dim_f, frames

    @property
    def network(self) -> TfcTdf:
        """What the graph is to know beside the arrays."""
        model = self.model
        return TfcTdf(
            subbands=model.num_subbands,
            norm=model.norm or "",
            act=model.act,
            scales=model.num_scales,
            scale=model.scale,
        )


def recognises(path: Path) -> bool:
    """Return whether a file begins as such a network's does."""
    return mentions(path, *_MARKS)


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the network of a ``.ckpt`` file.

    Stems that are wished for are in the network's order, and what is left then goes to the end.

    Raises:
        WeightsError: the file is damaged, or not of the network that the configuration describes.
        OptionError: there is no configuration, or it or the stems do not fit.
    """
    told = passages.read_tables(path, wishes)
    configuration = passages.parse_tables(told, Configuration, wishes, ignored=_IGNORED)
    _check(configuration, wishes)
    stems = passages.choose_stems(path, configuration.training, wishes)
    arrays = read_state(path, trust=wishes.trust)
    with passages.rebuilding(path, wishes):
        network = build_mdx23c(arrays, configuration, stems)
    audio = configuration.audio
    return Conversion(
        network=network.SerializeToString(),
        model=ComplexModel(
            **UNNAMED,
            summary=f"{', '.join(stems.names).capitalize()}, by MDX23C.",
            stems=stems.names,
            sample_rate_hz=audio.sample_rate,
            channels=audio.num_channels,
            last_is_rest=stems.last_is_rest,
            overlap=configuration.overlap,
            transform=Transform(window_samples=audio.n_fft, hop_samples=audio.hop_length),
            passage=configuration.passage,
        ),
    )


def build_mdx23c(
    arrays: Arrays, configuration: Configuration, stems: passages.Stems
) -> onnx.ModelProto:
    """Build the graph of a network from spectra to those of its stems.

    Raises:
        WeightsError: arrays are missing, or left over.
        ValueError: they are not as the configuration has them.
    """
    counted = {name for name in arrays if name.endswith(_COUNTED)}
    graph = GraphBuilder({name: arrays[name] for name in arrays.keys() - counted})
    spectrum = add_spectrum(*configuration.shape)
    given = add_tfc_tdf(Layers(graph), spectrum, configuration.network, stems.order)
    return spectral_model(graph, given, spectrum)


def _check(configuration: Configuration, wishes: ImportWishes) -> None:
    """Raise :class:`OptionError` unless bins and time frames fit the transform."""
    audio, samples = configuration.audio, configuration.samples
    if audio.dim_f > audio.n_fft // 2 + 1:
        raise OptionError(
            f"{wishes.configuration} cannot be rebuilt: the network sees {audio.dim_f} bins, where"
            f" there are {audio.n_fft // 2 + 1}."
        )
    if rest := samples % audio.hop_length:
        raise OptionError(
            f"{wishes.configuration} cannot be rebuilt: the network gives {samples - rest} samples"
            f" of the {samples} that it takes."
        )
