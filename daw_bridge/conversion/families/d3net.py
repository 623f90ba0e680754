"""D3Net's checkpoints → one ONNX graph from magnitudes to the masks of all stems.

Each stem has a network of its own, which gives magnitudes; over the mixture's, they are a mask.
Each of its bands, and all of them together, go down some scales and up again by way of nested
dense blocks. The arrays tell all widths and depths, but not where the bands meet.

Takahashi and Mitsufuji, "D3Net: densely connected multidilated DenseNet for music source
separation", arXiv:2010.01733, 2020, and "Densely connected multidilated convolutional networks for
dense prediction tasks", CVPR 2021; names and layers as in d3net/music-source-separation/model.py of
sony/ai-research-code.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from daw_bridge.conversion.checkpoints.configurations import read_configuration
from daw_bridge.conversion.checkpoints.nnabla_files import has_names, read_parameters
from daw_bridge.conversion.family import UNNAMED, Conversion, expecting
from daw_bridge.conversion.graphs.graph import MAGNITUDES, GraphBuilder
from daw_bridge.errors import OptionError
from daw_bridge.library.manifest import MagnitudeModel, SegmentShape, Transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from daw_bridge.conversion.family import ImportWishes
    from daw_bridge.conversion.graphs.graph import Arrays

_SPLITS = {"vocals": 256, "drums": 128, "bass": 192, "other": 256}
"""Where the two bands of the published networks meet, in bins."""
_NORM_EPSILON = 1e-5
_SILENCE = np.float32(1e-10)


class Net(NamedTuple):
    """A stem's arrays by the reference's names, and the bins where its bands meet.

    Kernels of convolutions are (filters, channels, time_frames, bins), statistics of the input
    (1, 1, 1, bins).
    """

    arrays: Arrays
    splits: Sequence[int]

    @property
    def edges(self) -> list[int]:
        """Where its bands begin, and where the last ends."""
        return [0, *self.splits, self.bins]

    @property
    def channels(self) -> int:
        """Of magnitudes and masks."""
        return self.arrays["features_init_full/conv/W"].shape[1]

    @property
    def bins(self) -> int:
        """How many, from 0 Hz, it sees."""
        return self.arrays["decode_scale"].size

    @property
    def window_samples(self) -> int:
        """Of the transform that it was trained on."""
        return 2 * (self.arrays["in_offset"].size - 1)

    @property
    def depth(self) -> int:
        """How often the number of time frames is halved."""
        parts = {name.partition("/us_layers/")[0] for name in self.arrays if "/us_layers/" in name}
        return max((self.count_scopes(f"{part}/us_layers/upsample") for part in parts), default=0)

    def count_scopes(self, prefix: str) -> int:
        """Return how many scopes have names of a prefix and a number."""
        names = (name for name in self.arrays if name.startswith(prefix))
        return len({name[len(prefix) :].partition("/")[0] for name in names})


def recognises(path: Path) -> bool:
    """Return whether this is D3Net's ``.h5`` file, or a folder or a zip archive of such."""
    return has_names(path, b"decode_scale", b"features_init_full")


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the networks of all stems, or of those that the wishes name.

    Where the bands meet is told by the YAML file that the wishes give, for all stems; else by the
    one of a stem's name in the folder; else it is as in the published networks.

    Raises:
        WeightsError: a file is damaged or no D3Net.
        OptionError: a stem that is wished for is not there, there are fewer than two, or nobody
            tells where the bands meet.
    """
    found = read_d3nets(path)
    stems = wishes.choose_stems(path, found)
    nets = [_cut(found[stem], path, stem, wishes) for stem in stems]
    with expecting("D3Net", path):
        return Conversion(
            network=build_d3net(nets).SerializeToString(),
            model=MagnitudeModel(
                **UNNAMED,
                summary=f"{', '.join(stems).capitalize()}, by D3Net.",
                stems=stems,
                sample_rate_hz=44_100,
                channels=nets[0].channels,
                wiener_epsilon=1e-10,
                bandwidths={"full": nets[0].bins},
                transform=Transform(
                    window_samples=nets[0].window_samples,
                    hop_samples=nets[0].window_samples // 4,
                ),
                segment=SegmentShape(
                    frames=256,
                    multiple_frames=2 ** max(net.depth for net in nets),
                    context_frames=32,
                ),
            ),
        )


def read_d3nets(path: Path) -> dict[str, Arrays]:
    """Return the arrays of each stem by the reference's names, which begin after the stem's.

    Raises:
        WeightsError: a file is damaged, or two are of the same stem.
    """
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, array in read_parameters(path).items():
        stem, _, rest = name.partition("/")
        found.setdefault(stem, {})[rest] = array
    return {stem: arrays for stem, arrays in found.items() if "decode_scale" in arrays}


def build_d3net(nets: Sequence[Net]) -> onnx.ModelProto:
    """Build a network of all stems, which takes time frames that can be halved as often as it does.

    Raises:
        ValueError: arrays, bands or nets do not fit each other.
        KeyError: an array is missing.
    """
    if len({(net.channels, net.bins, net.window_samples) for net in nets}) > 1:
        raise ValueError("its stems differ in channels or bins")
    graph = GraphBuilder({})
    mixture = graph.add("Max", [MAGNITUDES, graph.constant("silence", np.array(_SILENCE))])
    masks = [
        graph.add("Div", [_Layers(graph, net, f"stem{number}").estimate(), mixture])
        for number, net in enumerate(nets)
    ]
    return graph.mask_model(masks, channels=nets[0].channels)


def _cut(arrays: Arrays, path: Path, stem: str, wishes: ImportWishes) -> Net:
    """Find out where a stem's bands meet."""
    net = Net(arrays, _read_splits(path, stem, wishes))
    bands = net.count_scopes("features_init/")
    if len(net.edges) != bands + 1 or net.edges != sorted(set(net.edges)):
        raise OptionError(
            f"The {bands} bands of {stem} in {path} cannot meet at bins {net.splits}: --config"
            " takes the YAML file that it was trained by."
        )
    return net


def _read_splits(path: Path, stem: str, wishes: ImportWishes) -> list[int]:
    recipe = wishes.configuration or path / f"{stem}.yaml"
    if not recipe.is_file():
        return [_SPLITS[stem]] if stem in _SPLITS else []
    try:
        return [int(each) for each in read_configuration(recipe)["band_split_idxs"]]
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(f"{recipe} has no list of numbers band_split_idxs.") from error


class _Signal(NamedTuple):
    """A signal of the graph, (1, planes, time_frames, bins)."""

    name: str
    planes: int


class _Layers:
    """Adds a net's layers to a graph, by the names of their arrays.

    Args:
        graph: gets them.
        net: what they are made of.
        scope: the net's name in the graph.
    """

    def __init__(self, graph: GraphBuilder, net: Net, scope: str) -> None:
        self._graph = graph
        self._net = net
        self._scope = scope
        self._left = set(net.arrays)

    def estimate(self) -> str:
        """Add all layers; return the stem's magnitudes (1, channels, time_frames, bins)."""
        bins, window_bins = self._net.bins, self._net.window_samples // 2 + 1
        centred = self._scale(MAGNITUDES, "Sub", "in_offset", window_bins)
        seen = _Signal(self._scale(centred, "Div", "in_scale", window_bins), self._net.channels)
        bands = [*self._bands(seen)]
        if len({band.planes for band in bands}) > 1:
            raise ValueError("its bands differ in planes")
        full = self._scales(self._convolve(seen, "features_init_full"), "dense_full", bins)
        final = self._dense(self._join([self._join(bands, axis=3), full], axis=1), "final_dense")
        shown = self._norm(final, "out_gate/bn")
        gate = self._graph.add("Sigmoid", [self._convolve(shown, "out_gate/conv_gate/conv").name])
        through = self._convolve(shown, "out_gate/conv_filt/conv").name
        decoded = self._scale(self._graph.add("Mul", [gate, through]), "Mul", "decode_scale", bins)
        estimate = self._graph.add("Relu", [self._scale(decoded, "Add", "decode_bias", bins)])
        if self._left:
            raise ValueError(f"{min(self._left)} belongs to no layer")
        return estimate

    def _bands(self, seen: _Signal) -> Iterator[_Signal]:
        """Add the bands' layers; bands of fewer planes are brought to as many as the others."""
        for number, (start, end) in enumerate(pairwise(self._net.edges)):
            band = _Signal(self._graph.slice(seen.name, 3, start, end), seen.planes)
            band = self._convolve(band, f"features_init/{number}")
            band = self._scales(band, f"dense_band/{number}", end - start)
            match = f"match_fm_conv/{number}"
            if self._net.count_scopes(f"{match}/"):
                band = self._convolve(self._norm(band, f"{match}/norm"), f"{match}/conv")
            yield band

    def _scales(self, signal: _Signal, scope: str, bins: int) -> _Signal:
        """Go down by halves and up again; the way up also sees the way down at its scale."""
        depth = self._net.count_scopes(f"{scope}/us_layers/upsample")
        if bins % 2**depth:
            raise ValueError(f"{scope} cannot halve {bins} bins {depth} times")
        passed = []
        for level in range(depth):
            passed.append(self._nested(signal, f"{scope}/ds_layers/dense_block{level}"))
            pooled = self._graph.add(
                "AveragePool", [passed[-1].name], kernel_shape=[2, 2], strides=[2, 2]
            )
            signal = _Signal(pooled, passed[-1].planes)
        signal = self._nested(signal, f"{scope}/bottleneck_block")
        for level in range(depth):
            signal = self._double(signal, f"{scope}/us_layers/upsample{level}/upsample")
            signal = self._join([signal, passed.pop()], axis=1)
            signal = self._nested(signal, f"{scope}/us_layers/dense_block{depth + 1 + level}")
        return signal

    def _double(self, signal: _Signal, scope: str) -> _Signal:
        """Double time frames and bins."""
        shown = self._norm(signal, f"{scope}/norm")
        return self._filter("ConvTranspose", shown, f"{scope}/transconv/deconv", 0, strides=[2, 2])

    def _nested(self, signal: _Signal, scope: str) -> _Signal:
        """Add a dense block of dense blocks, a D3 block."""
        first = self._dense(signal, f"{scope}/initial_block")
        return self._deepen(first, scope, lambda part, deeper, _: self._dense(part, deeper))

    def _dense(self, signal: _Signal, scope: str) -> _Signal:
        """Add a dense block of convolutions, each dilated twice as much, a D2 block."""
        return self._deepen(self._layer(signal, f"{scope}/initial_layer"), scope, self._layer)

    def _deepen(
        self, first: _Signal, scope: str, add_layer: Callable[[_Signal, str, int], _Signal]
    ) -> _Signal:
        """Add layers that each see one part of the planes, and add to all parts after it.

        The last part is returned.
        """
        layers = self._net.count_scopes(f"{scope}/layers/layer")
        width = first.planes // (layers + 1)
        rest = first
        for number in range(1, layers + 1):
            part = _Signal(self._graph.slice(rest.name, 1, 0, width), width)
            after = self._graph.slice(rest.name, 1, width, rest.planes)
            made = add_layer(part, f"{scope}/layers/layer{number}", number)
            if made.planes != rest.planes - width:
                raise ValueError(f"layers of {scope} do not fit each other")
            rest = _Signal(self._graph.add("Add", [after, made.name]), made.planes)
        return rest

    def _layer(self, signal: _Signal, scope: str, number: int = 0) -> _Signal:
        shown = self._norm(signal, f"{scope}/bottleneck/norm1")
        shown = _Signal(self._graph.add("Relu", [shown.name]), shown.planes)
        return self._convolve(shown, f"{scope}/bottleneck/conv1", dilation=2**number)

    def _norm(self, signal: _Signal, scope: str) -> _Signal:
        names = [f"{scope}/bn/{array}" for array in ("gamma", "beta", "mean", "var")]
        arrays = [self._array(name, signal.planes, axis=1) for name in names]
        inputs = [self._constant(*each) for each in zip(names, map(np.ravel, arrays), strict=True)]
        normed = self._graph.add(
            "BatchNormalization", [signal.name, *inputs], epsilon=_NORM_EPSILON
        )
        return _Signal(normed, signal.planes)

    def _convolve(self, signal: _Signal, scope: str, dilation: int = 1) -> _Signal:
        pad = self._net.arrays[f"{scope}/conv/W"].shape[-1] // 2 * dilation
        return self._filter(
            "Conv", signal, f"{scope}/conv", 1, pads=[pad] * 4, dilations=[dilation] * 2
        )

    def _filter(
        self, operator: str, signal: _Signal, layer: str, axis: int, **attributes: Any
    ) -> _Signal:
        """Add a convolution whose kernel has the planes that it is shown at an axis, 0 or 1."""
        kernel = self._array(f"{layer}/W", signal.planes, axis)
        outputs = kernel.shape[1 - axis]
        bias = self._array(f"{layer}/b", outputs, axis=0)
        inputs = [self._constant(f"{layer}/W", kernel), self._constant(f"{layer}/b", bias)]
        return _Signal(self._graph.add(operator, [signal.name, *inputs], **attributes), outputs)

    def _scale(self, signal: str, operator: str, name: str, bins: int) -> str:
        """Combine (1, planes, time_frames, bins) with an array of as many bins or more."""
        values = self._array(name, bins, axis=3)[..., : self._net.bins]
        return self._graph.add(operator, [signal, self._constant(name, values)])

    def _join(self, parts: Sequence[_Signal], axis: int) -> _Signal:
        joined = self._graph.add("Concat", [part.name for part in parts], axis=axis)
        counts = [part.planes for part in parts]
        return _Signal(joined, sum(counts) if axis == 1 else counts[0])

    def _array(self, name: str, size: int, axis: int) -> NDArray[np.float32]:
        """Return an array of any shape that has ``size`` at an axis."""
        self._left.discard(name)
        array = self._net.arrays[name]
        if array.shape[axis] != size:
            raise ValueError(f"{name} is of shape {array.shape}, where {size} belong at {axis}")
        return array

    def _constant(self, name: str, value: NDArray[np.float32]) -> str:
        """Add an array of any shape."""
        return self._graph.constant(f"{self._scope}/{name}", value)
