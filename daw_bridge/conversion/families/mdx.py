"""MDX-Net's U-Nets as they are published, ``.onnx`` from complex spectra to complex spectra.

M. Kim et al., "KUIELab-MDX-Net: a two-stream neural network for music demixing", MDX Workshop at
ISMIR 2021. The file runs unchanged. It does not tell the length of its transform; the configuration
does, by the names that Ultimate Vocal Remover's table of models uses; it may be that table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from daw_bridge.conversion.checkpoints.configurations import read_configuration_of
from daw_bridge.conversion.family import UNNAMED, Conversion
from daw_bridge.conversion.inspection import check_graph, read_network
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.manifest import ComplexModel, PassageShape, Transform
from daw_bridge.library.stems import complement

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.family import ImportWishes

_HOP_SAMPLES = 1024
_DIMENSIONS = 4  # batch, planes, bins, time frames
_PLANES = 4  # two channels, real and imaginary


class Settings(msgspec.Struct, frozen=True):
    """What a graph does not tell, by the names of UVR's table.

    Attributes:
        mdx_n_fft_scale_set: the length of the transform, in samples.
        compensate: a gain for what the network gives.
        primary_stem: what it gives.
    """

    mdx_n_fft_scale_set: Annotated[int, msgspec.Meta(ge=2, le=1 << 16)]
    compensate: Annotated[float, msgspec.Meta(gt=0, le=100)] = 1.0
    primary_stem: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "vocals"


def recognises(path: Path) -> bool:
    """Return whether a file is a graph from planes of bins and frames to the same."""
    return path.suffix == ".onnx" and _signature(read_network(path)) is not None


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Tell what a manifest says of a network, which stays as it is.

    What the file's metadata do not tell comes from the configuration, a JSON object.

    Raises:
        WeightsError: the graph has another signature.
        OptionError: nobody tells how long the transform is; or there are not two stems.
    """
    graph = read_network(path)
    settings = _read_settings(path, graph, wishes)
    window = settings.mdx_n_fft_scale_set
    signature = _signature(graph)
    if signature is None:
        raise WeightsError(f"{path} does not take and give planes of bins and time frames.")
    planes, bins, frames = signature
    if planes != _PLANES or not (0 < bins <= window // 2 + 1 and frames > 1):
        raise WeightsError(f"{path} takes {planes} planes of {bins} bins and {frames} frames.")
    check_graph(graph, [(1, planes, bins, frames)], str(path))
    primary = settings.primary_stem.lower()
    stems = wishes.stems or (primary, complement(primary))
    if len(stems) != 2:
        raise OptionError(f"{path} makes one stem and leaves one, not {', '.join(stems)}.")
    return Conversion(
        network=path.read_bytes(),
        model=ComplexModel(
            **UNNAMED,
            summary=f"{stems[0].capitalize()} and what they leave, by an MDX-Net.",
            stems=stems,
            sample_rate_hz=44_100,
            channels=2,
            last_is_rest=True,
            compensation=settings.compensate,
            transform=Transform(window_samples=window, hop_samples=_HOP_SAMPLES),
            passage=PassageShape(samples=(frames - 1) * _HOP_SAMPLES, context_samples=window // 2),
        ),
    )


def _signature(graph: onnx.ModelProto) -> tuple[int, int, int] | None:
    """Return the planes, bins and frames that a graph takes and gives; 0 stands for any number."""
    constants = {tensor.name for tensor in graph.graph.initializer}
    shapes = [
        [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
        if value.name not in constants
    ]
    if [len(shape) for shape in shapes] != [_DIMENSIONS] * 2 or shapes[0][1:] != shapes[1][1:]:
        return None
    _, planes, bins, frames = shapes[0]
    return planes, bins, frames


def _read_settings(path: Path, graph: onnx.ModelProto, wishes: ImportWishes) -> Settings:
    """Return what the configuration tells, or the file's own metadata where that does not."""
    told: dict[str, Any] = {prop.key: prop.value for prop in graph.metadata_props}
    if wishes.configuration:
        told |= read_configuration_of(path, wishes.configuration)
    if "mdx_n_fft_scale_set" not in told:
        raise OptionError(
            f"{path} does not tell the length of its transform: --config takes a JSON file like"
            ' {"mdx_n_fft_scale_set": 6144, "compensate": 1.035, "primary_stem": "Vocals"}.'
        )
    try:
        return msgspec.convert(told, Settings, strict=False)  # metadata are texts
    except msgspec.ValidationError as error:
        raise OptionError(f"The configuration of {path} is of no MDX-Net: {error}.") from error
