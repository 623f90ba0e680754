"""Checkpoints of Hybrid Demucs and HT Demucs, and bags of them → one ONNX graph.

The graph of one network is that of hybrid_unet.py; the graph of a bag averages its members' stems.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from daw_bridge.conversion.checkpoints.demucs_packages import find_bag, read_package
from daw_bridge.conversion.family import UNNAMED, Conversion, check_number
from daw_bridge.conversion.graphs.graph import GraphBuilder
from daw_bridge.conversion.graphs.hybrid_unet import Hybrid, add_hybrid
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.recurrent import stack_all_gates
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.manifest import HybridModel, PassageShape, Transform
from daw_bridge.library.stems import rest_last

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.checkpoints.demucs_packages import Package
    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_INPUTS = ("samples", "spectrum")
_OUTPUTS = ("signals", "spectra")
_SEGMENTS = {"HTDemucs": 10, "HDemucs": 40}
"""What passages last by default, in seconds."""
_TAKEN: Mapping[str, Sequence[Any]] = {
    "cac": (True,),
    "hybrid": (True,),
    "hybrid_old": (False,),
    "multi_freqs": (None, []),
    "dconv_depth": range(100),
    "t_emb": ("sin",),
    "t_sin_random_shift": (0,),
    "t_sparse_self_attn": (False,),
    "t_sparse_cross_attn": (False,),
    "t_norm_in": (True,),
    "t_group_norm": (False,),
    "t_norm_first": (True,),
}
"""Settings that are rebuilt in one way only, and the values that mean it."""
_RANGES: Mapping[str, tuple[float, float]] = {
    "segment": (0.01, 600.0),
    "audio_channels": (1, 32),
    "samplerate": (1000, 768_000),
    "nfft": (16, 1 << 16),
    "freq_emb": (0.0, 1000.0),
    "emb_scale": (0.0, 1000.0),
    "stride": (1, 64),
    "time_stride": (1, 64),
    "norm_groups": (1, 4096),
    "t_heads": (1, 1024),
    "t_max_period": (1.0, 1e9),
    "t_weight_pos_embed": (0.0, 1000.0),
}
"""Of the other settings that are numbers: far beyond those of every published network."""
_MARKS = tuple(
    f"demucs.{module}\n{name}\n".encode()
    for module, name in (("htdemucs", "HTDemucs"), ("hdemucs", "HDemucs"), ("wdemucs", "WDemucs"))
)
_HEAD_BYTES = 2**16


def recognises(path: Path) -> bool:
    """Return whether a ``.th`` file, or one of a bag's, begins as a hybrid network's does."""
    return any(map(_is_hybrid, find_bag(path).files))


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the network of a ``.th`` file, or those of a bag.

    Stems that are wished for are names in the checkpoint's own order; ``other`` then becomes the
    last, which the reference has before the vocals.

    Raises:
        WeightsError: a file is damaged, holds what cannot be rebuilt, or does not fit the others.
        OptionError: there are more or fewer stems than are wished for.
    """
    bag = find_bag(path)
    if not bag.files:
        raise WeightsError(f"{path} is neither a .th file nor a bag of them.")
    members = [_read_member(file, bag.segment, trust=wishes.trust) for file in bag.files]
    first = members[0].settings
    sources = wishes.stems or first.sources
    if len(sources) != len(first.sources):
        raise OptionError(f"{path} makes {len(first.sources)} stems, not {', '.join(sources)}.")
    order = rest_last(sources)
    stems = tuple(sources[index] for index in order)
    try:
        network = build_hybrid(members, bag.weights, order)
    except (IndexError, TypeError, ValueError, WeightsError) as error:
        raise WeightsError(f"{path} cannot be rebuilt: {str(error).rstrip('.')}.") from error
    return Conversion(
        network=network.SerializeToString(),
        model=HybridModel(
            **UNNAMED,
            summary=f"{', '.join(stems).capitalize()}, by Hybrid Demucs.",
            stems=stems,
            sample_rate_hz=first.samplerate,
            channels=first.audio_channels,
            overlap=0.25,
            transform=Transform(window_samples=first.nfft, hop_samples=first.hop_samples),
            passage=PassageShape(samples=first.samples, centred=True),
        ),
    )


def read_settings(package: Package, origin: str) -> Hybrid:
    """Return what a package says of its network.

    Raises:
        WeightsError: it says what is not rebuilt here.
        ValueError: a number is out of range; KeyError and TypeError: it says something else.
    """
    for name, taken in _TAKEN.items():
        if name in package.settings and package.settings[name] not in taken:
            raise WeightsError(
                f"{origin} was trained with {name} = {package.settings[name]!r}, which cannot be"
                " rebuilt."
            )
    said: dict[str, Any] = {"segment": _SEGMENTS[package.network]}
    said |= dict(zip(("sources", "audio_channels"), package.args, strict=False))
    said |= {k: v for k, v in package.settings.items() if k in Hybrid.__dataclass_fields__}
    said["sources"] = tuple(map(str, said["sources"]))
    for name, (least, most) in _RANGES.items():
        if name in said:
            check_number(name, said[name], least, most)
    return Hybrid(**said)


class BagMember(NamedTuple):
    """One network of a bag."""

    settings: Hybrid
    arrays: Arrays


def build_hybrid(
    members: Sequence[BagMember], weights: Sequence[Sequence[float]] | None, order: Sequence[int]
) -> onnx.ModelProto:
    """Build one graph of networks that take the same passages.

    Args:
        members: the networks.
        weights: how much each of a network's stems counts, (networks, stems); None: all the same.
        order: the members' stems as the graph is to give them.

    Raises:
        WeightsError: the networks do not fit each other, or one cannot be rebuilt.
    """
    settings = members[0].settings
    if len({(each.settings.sources, *each.settings.shapes) for each in members}) > 1:
        raise WeightsError("These networks are no bag: their stems or passages differ.")
    shares = np.asarray(weights or np.ones((len(members), len(order))))
    if shares.shape != (len(members), len(order)) or not (shares.sum(axis=0) > 0).all():
        raise WeightsError("A bag has a weight for each stem of each network, not all of them 0.")
    shares = shares / shares.sum(axis=0)
    graph = GraphBuilder(
        {
            f"{n}.{name}": array
            for n, each in enumerate(members)
            for name, array in stack_all_gates(each.arrays).items()
        }
    )
    samples, spectrum = map(Value, _INPUTS, settings.shapes)
    given = [
        add_hybrid(Layers(graph, f"{number}."), member.settings, samples, spectrum)
        for number, member in enumerate(members)
    ]
    if graph.unused:
        raise WeightsError(f"It has layers that cannot be rebuilt: {', '.join(graph.unused[:3])} …")
    outputs = {
        name: _mix(Layers(graph), estimates, shares, order, name).shape
        for name, estimates in zip(_OUTPUTS, zip(*given, strict=True), strict=True)
    }
    return graph.model(dict([samples, spectrum]), outputs)


def _mix(
    layers: Layers,
    estimates: Sequence[Value],
    shares: NDArray[Any],
    order: Sequence[int],
    name: str,
) -> Value:
    """Average the networks' stems, (stems, …) each, by shares (networks, stems), and order them."""
    shares = shares.reshape(*shares.shape, *[1] * (len(estimates[0].shape) - 1))
    mixed, *others = (
        layers.apply("Mul", estimate, layers.constant(share)) if len(estimates) > 1 else estimate
        for estimate, share in zip(estimates, shares, strict=True)
    )
    for other in others:
        mixed = layers.apply("Add", mixed, other)
    places = layers.stored(np.array(order))
    return mixed._replace(
        name=layers.graph.add("Gather", [mixed.name, places.name], output=name, axis=0)
    )


def _is_hybrid(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return any(mark in head for mark in _MARKS)


def _read_member(file: Path, segment: float | None, *, trust: bool) -> BagMember:
    package = read_package(file, trust=trust)
    if package.network not in _SEGMENTS:
        raise WeightsError(f"{file} is of the class {package.network}, no Hybrid Demucs.")
    try:
        settings = read_settings(package, str(file))
        if segment:
            check_number("segment", segment, *_RANGES["segment"])
            settings = replace(settings, segment=segment)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{file} is no Hybrid Demucs: {error}.") from error
    return BagMember(settings, package.arrays)
