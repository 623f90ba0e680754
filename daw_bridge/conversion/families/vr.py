"""The VR architecture's checkpoints, ``.pth``, and the parameters of their bands, ``.json``.

A network is shown the magnitudes of bands at several sample rates and gives a mask of one stem. The
parameters, and the keys of the table of models that go with them, are named as in Ultimate Vocal
Remover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from daw_bridge.conversion.checkpoints.configurations import read_configuration
from daw_bridge.conversion.checkpoints.torch_files import read_torch_file
from daw_bridge.conversion.family import UNNAMED, Conversion, expecting
from daw_bridge.conversion.graphs.cascades import add_cascade, is_recurrent
from daw_bridge.conversion.graphs.graph import MAGNITUDES, GraphBuilder
from daw_bridge.conversion.graphs.layers import Layers, Value
from daw_bridge.conversion.graphs.recurrent import stack_all_gates
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.bands import (
    MAX_BANDS,
    UNMIXED,
    Band,
    Bin,
    Mixing,
    Resampling,
    RollOff,
    Sharpening,
    Slope,
    check_bands,
)
from daw_bridge.library.limits import Bins, Hop, SampleRate, Window
from daw_bridge.library.manifest import BandedModel, SegmentShape
from daw_bridge.library.stems import complement

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.family import ImportWishes

_HEAD_BYTES = 2**16
_NAME = b"stg1_low_band_net"
_TRAINING_ONLY = ("num_batches_tracked", "aux_out.weight", "aux1_out.weight", "aux2_out.weight")
_CONTEXT_FRAMES = {False: 128, True: 64}
"""Of networks without and with LSTMs."""
_MIXINGS: dict[str, Mixing] = {
    "mid_side": ((0.5, 0.5), (1.0, -1.0)),
    "mid_side_b2": ((0.5, 1.0), (1.0, -0.5)),
    "mid_side_c": ((1.0, 0.25), (-0.25, 1.0)),
    "stereo_n": ((1 / 0.9375, 0.25 / 0.9375), (0.25 / 0.9375, 1 / 0.9375)),
}
_RESAMPLINGS: dict[str, Resampling] = {"polyphase": "polyphase", "sinc_fastest": "sinc"}
_SOLO_STEMS = frozenset(
    (
        "vocals", "other", "bass", "drums", "guitar", "piano", "synthesizer", "strings",
        "woodwinds", "brass", "wind inst",
    )
)  # fmt: skip
"""Those whose masks the reference sharpens most."""
_IRRELEVANT = frozenset(
    (
        "n_bins", "unstable_bins", "stable_bins", "reduction_bins", "mid_side_b", "stereo_w",
        "stereo_n", "vr_model_param", "is_karaoke", "is_bv_model", "is_bv_model_rebalanced",
    )
)  # fmt: skip
"""What only training, names in menus or chains of models depend on."""

Edge = Annotated[int, msgspec.Meta(ge=-1, le=1 << 15)]


class BandSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A band by the names of the parameters; -1 stands for no edge."""

    sr: SampleRate
    hl: Hop
    n_fft: Window
    crop_start: Bin
    crop_stop: Bins
    res_type: str
    lpf_start: Edge = -1
    lpf_stop: Edge = -1
    hpf_start: Edge = -1
    hpf_stop: Edge = -1
    convert_channels: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters of the bands, and what the table of models says beside them.

    Attributes:
        bins: how many the network sees; ``n_bins`` in some files.
        band: by their numbers, from 1, the lowest.
        sr: the model's sample rate.
        pre_filter_start: where the slope over the joined bins begins; -1: there is none.
        primary_stem: what the mask is of.
        nout: how wide a network of version 5.1 is; it tells itself.
        aggression_setting: how much the mask is sharpened, in per cent.
        window_size: how many frames the network sees.
    """

    bins: Bins
    band: Annotated[dict[str, BandSettings], msgspec.Meta(min_length=1, max_length=MAX_BANDS)]
    sr: SampleRate
    pre_filter_start: Edge
    pre_filter_stop: Edge
    mid_side: bool = False
    mid_side_b2: bool = False
    primary_stem: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    nout: int | None = None
    nout_lstm: int | None = None
    aggression_setting: Annotated[int, msgspec.Meta(ge=-50, le=100)] = 5
    window_size: Annotated[int, msgspec.Meta(ge=272, le=4096, multiple_of=16)] = 512

    @property
    def bands(self) -> list[BandSettings]:
        """The bands from the lowest on.

        Raises:
            KeyError: they are not numbered from 1.
            ValueError: a band is resampled from the next in a way that is not known.
        """
        bands = [self.band[str(number)] for number in range(1, len(self.band) + 1)]
        for band in bands[:-1]:
            if band.res_type not in _RESAMPLINGS:
                raise ValueError(f"res_type {band.res_type!r} is not known between bands")
        return bands


def recognises(path: Path) -> bool:
    """Return whether a file begins with the names of a cascade's arrays."""
    if path.suffix != ".pth" or not path.is_file():
        return False
    with path.open("rb") as file:
        return _NAME in file.read(_HEAD_BYTES)


def convert(path: Path, wishes: ImportWishes) -> Conversion:
    """Rebuild the network of a checkpoint for the bands that the configuration describes.

    Raises:
        WeightsError: it is damaged, or no network of this architecture.
        OptionError: there is no configuration, it is of another network, or names no stem.
    """
    settings = _read_settings(path, wishes)
    arrays = read_torch_file(path.read_bytes(), str(path), trust=wishes.trust)
    with expecting("network of the VR architecture", path):
        kept = {name: array for name, array in arrays.items() if not name.endswith(_TRAINING_ONLY)}
        layers = Layers(GraphBuilder(stack_all_gates(kept)))
        _check_width(layers, settings, path)
        network = build(layers, settings)
    if unused := layers.graph.unused:
        raise WeightsError(f"{path} holds arrays that no layer known here takes: {unused[0]}.")
    with expecting("set of parameters", wishes.configuration):
        model = describe(settings, _stems(settings, path, wishes), recurrent=is_recurrent(layers))
    return Conversion(network.SerializeToString(), model)


def build(layers: Layers, settings: Settings) -> onnx.ModelProto:
    """Build the graph from magnitudes (1, 2, bins, frames) to a mask (1, 1, 2, bins, frames).

    Raises:
        ValueError: bins or frames cannot be halved as often as the network does.
    """
    shape = (1, 2, settings.bins, settings.window_size)
    mask = add_cascade(layers, Value(MAGNITUDES, shape), "mask")
    return layers.graph.model({MAGNITUDES: shape}, {mask.name: mask.shape})


def describe(settings: Settings, stems: tuple[str, ...], *, recurrent: bool) -> BandedModel:
    """Tell what the manifest is to say.

    Raises:
        KeyError: bands are not numbered from 1, or mixed in a way that is not known.
        ValueError: keys do not fit each other.
    """
    context = _CONTEXT_FRAMES[recurrent]
    slopes, roll_off = _pre_filter(settings, recurrent=recurrent)
    bands = tuple(_band(band, _mixing(settings, band, recurrent)) for band in settings.bands)
    check_bands(bands, settings.sr, settings.bins)
    return BandedModel(
        **UNNAMED,
        summary=f"{stems[0].capitalize()} and what they leave, by a network of UVR's.",
        stems=stems,
        sample_rate_hz=settings.sr,
        channels=2,
        bands=bands,
        bins=settings.bins,
        segment=SegmentShape(settings.window_size, settings.window_size, context),
        slopes=slopes,
        roll_off=roll_off,
        sharpening=_sharpening(settings, stems[0]),
    )


def _read_settings(path: Path, wishes: ImportWishes) -> Settings:
    """Return the configuration.

    Raises:
        OptionError: there is none, or it says what cannot be done.
    """
    if not wishes.configuration:
        raise OptionError(
            f"{path} does not tell its bands: --config takes the JSON file of its parameters, such"
            ' as 4band_v3.json, with "primary_stem" added.'
        )
    told = read_configuration(wishes.configuration)
    told.setdefault("bins", told.get("n_bins"))
    refused = [key for key in ("reverse", "aggr_correction") if told.pop(key, None)]
    if refused:
        raise OptionError(f"{wishes.configuration} asks for '{refused[0]}', which is not known.")
    kept: dict[str, Any] = {key: told[key] for key in told if key not in _IRRELEVANT}
    try:
        return msgspec.convert(kept, Settings)
    except msgspec.ValidationError as error:
        raise OptionError(
            f"{wishes.configuration} holds no parameters of the VR architecture: {error}."
        ) from error


def _stems(settings: Settings, path: Path, wishes: ImportWishes) -> tuple[str, ...]:
    """Return what the network makes and what it leaves."""
    if not wishes.stems and settings.primary_stem is None:
        raise OptionError(
            f"Nothing tells which stem {path} makes: put"
            ' "primary_stem" into the configuration, or name two --stems.'
        )
    primary = str(settings.primary_stem).lower()
    stems = wishes.stems or (primary, complement(primary))
    if len(stems) != 2:
        raise OptionError(f"{path} makes one stem and leaves one, not {', '.join(stems)}.")
    return stems


def _check_width(layers: Layers, settings: Settings, path: Path) -> None:
    """Raise :class:`OptionError` if the network is not the one that is described."""
    told = {"nout": settings.nout, "nout_lstm": settings.nout_lstm, "bins": settings.bins}
    if is_recurrent(layers):
        bins, lstm = layers.array("stg3_full_band_net.lstm_dec2.dense.0.weight").shape
        width = layers.array("out.weight").shape[1]
        for key, is_there in {"nout": width, "nout_lstm": lstm, "bins": 2 * bins}.items():
            if told[key] not in (None, is_there):
                raise OptionError(f"{path} has {key} {is_there}, not {told[key]}.")


def _pre_filter(settings: Settings, *, recurrent: bool) -> tuple[tuple[Slope, ...], RollOff | None]:
    """Return what filters the joined bins; version 5 rolls several bands off in its own way."""
    start, stop = settings.pre_filter_start, settings.pre_filter_stop
    if start <= 0:
        return (), None
    if recurrent or len(settings.band) == 1:
        return (_low_pass(start, stop),), None
    return (), RollOff(start, stop)


def _low_pass(start: int, stop: int) -> Slope:
    return Slope(min(start, stop) - 1, stop - 1 if start < stop else stop)


def _band(told: BandSettings, mixing: Mixing) -> Band:
    """Return a band's table."""
    slopes = []
    if told.hpf_start > 0:
        slopes.append(Slope(told.hpf_start + 1, told.hpf_stop))
    if told.lpf_start > 0:
        slopes.append(_low_pass(told.lpf_start, told.lpf_stop))
    return Band(
        sample_rate_hz=told.sr,
        window_samples=told.n_fft,
        hop_samples=told.hl,
        first_bin=told.crop_start,
        end_bin=told.crop_stop,
        slopes=tuple(slopes),
        mixing=mixing,
        resampling=_RESAMPLINGS.get(told.res_type, "polyphase"),
    )


def _mixing(settings: Settings, band: BandSettings, recurrent: bool) -> Mixing:
    """Return how the network sees left and right: version 5.1 has a way for each band."""
    if recurrent:
        return _MIXINGS[band.convert_channels] if band.convert_channels else UNMIXED
    if settings.mid_side or settings.mid_side_b2:
        return _MIXINGS["mid_side" if settings.mid_side else "mid_side_b2"]
    return UNMIXED


def _sharpening(settings: Settings, stem: str) -> Sharpening | None:
    """Return what the reference does to masks, which depends on what they are of."""
    strength = settings.aggression_setting / 50
    if not strength:
        return None
    if stem in _SOLO_STEMS:
        strength = 1 - strength
    split = settings.bands[0].crop_stop
    return Sharpening(split, below=1 + strength / 3, above=1 + strength)
