"""A training's checkpoint → a model of the library: a manifest and an ONNX graph beside it."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch

from daw_bridge.conversion.family import UNKNOWN
from daw_bridge.conversion.graphs.unet import (
    build_mask_unet,
    build_separate_unets,
    build_shared_unet,
)
from daw_bridge.errors import OutputError, WeightsError
from daw_bridge.files.atomic import write_whole
from daw_bridge.files.blocks import energy
from daw_bridge.files.folders import check_below
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.manifest import MagnitudeModel, SegmentShape, Transform
from daw_bridge.library.models import load_manifest, manifest_text, read_manifest
from daw_bridge.library.stages import MIXTURE, CommittedNetwork, Stage
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.training.module import SAMPLE_RATE_HZ, STFT, Training
from daw_bridge.training.networks import Unets
from daw_bridge.training.start import read_checkpoint
from daw_bridge.training.validation import MULTIPLE_FRAMES, SEGMENT_FRAMES

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from daw_bridge.conversion.graphs.graph import Weights
    from daw_bridge.separation.network import Magnitudes, Masks
    from daw_bridge.training.config import TrainingConfig
    from daw_bridge.training.networks import SharedUnet

PARITY_LIMIT_DB = -90.0
HALF_LIMIT_DB = -40.0
"""What half precision may change of a stem: it costs less than 0.02 dB of an SDR of 15 dB."""

_PROBE_FRAMES = 128

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """What was written, and how well it does what the checkpoint does.

    Attributes:
        manifest: the path of the manifest.
        parity_db: the difference of the graph in single precision to torch, below the stems.
        half_db: the difference that half precision makes; None: it was not used.
    """

    manifest: Path
    parity_db: float
    half_db: float | None


def export(checkpoint: Path, models: Path, *, half: bool = True) -> Export:
    """Write the network of a checkpoint as a model.

    Args:
        checkpoint: what :func:`~daw_bridge.training.loop.train` returned.
        models: the folder that a folder of the model's name is made in.
        half: store kernels in half precision, unless stems would suffer.

    Raises:
        WeightsError: the file is no checkpoint of a training, or its graph is not the network.
        OutputError: the model cannot be written.
    """
    training = _load(checkpoint)
    folder = models / training.config.name
    check_below(folder, models)
    try:
        return _write_model(training, folder, half=half)
    except OSError as error:
        raise OutputError(f"{models} cannot be written: {error.strerror}.") from error


def _write_model(training: Training, folder: Path, *, half: bool) -> Export:
    config = training.config
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{config.name}.onnx"
    probe = np.abs(np.random.default_rng(0).normal(size=(2, _PROBE_FRAMES, config.network.bins)))
    probe = probe.astype(np.float32)
    expected = _masks_by_torch(training, probe)
    _write(_build(training, half=False), file)
    single = PlainNetwork(OnnxGraph(file, provider="cpu"))(probe)
    parity_db = _difference_db(expected, single)
    if parity_db > PARITY_LIMIT_DB:
        raise WeightsError(f"{file} differs from the network by {parity_db:.0f} dB.")
    half_db = None
    if half:
        _write(_build(training, half=True), file)
        half_db = _difference_db(single, PlainNetwork(OnnxGraph(file, provider="cpu"))(probe))
        if half_db > HALF_LIMIT_DB:
            _log.warning("Half precision would change stems by %.0f dB: single it is.", half_db)
            _write(_build(training, half=False), file)
            half_db = None
    manifest = folder / "manifest.toml"
    write_whole(manifest, manifest_text(_describe(config, file)).encode())
    read_manifest(manifest)
    return Export(manifest, parity_db, half_db)


def _load(checkpoint: Path) -> Training:
    content = read_checkpoint(checkpoint)
    try:
        training = Training(content["hyper_parameters"]["config"])
        training.load_state_dict(content["state_dict"])
    except (KeyError, RuntimeError, msgspec.ValidationError) as error:
        raise WeightsError(f"{checkpoint} is no checkpoint of a training.") from error
    return training.eval()


def _masks_by_torch(training: Training, magnitudes: Magnitudes) -> Masks:
    with torch.no_grad():
        estimates = training.estimate(torch.from_numpy(magnitudes)[None])
        masks: Masks = training.masks(estimates)[:, 0].numpy()
    return masks


def _build(training: Training, *, half: bool) -> onnx.ModelProto:
    config, network = training.config, training.network
    options: dict[str, Any] = {
        "mask_exponent": config.network.mask_exponent,
        "half": half,
        "metadata": _metadata(config),
    }
    if isinstance(network, Unets):
        unets = [_arrays_of(unet, stem) for stem, unet in network.unets.items()]
        return build_separate_unets(unets, **options)
    if config.network.rest:
        (stem,) = config.stems
        return build_mask_unet(_arrays_of(network, stem), **options)
    return build_shared_unet(network.arrays(), tuple(config.stems), **options)


def _arrays_of(unet: SharedUnet, stem: str) -> Weights:
    """Return the weights of a U-Net of one stem, without the stem's name."""
    return {name.removeprefix(f"{stem}."): array for name, array in unet.arrays().items()}


def _metadata(config: TrainingConfig) -> dict[str, str]:
    """Return what the file says of itself; where things lay on this machine is nobody's concern."""
    data = msgspec.structs.replace(config.data, train=(), validation=())
    training = msgspec.structs.replace(config, data=data, output="")
    return {
        "name": config.name,
        "parts": ",".join(config.parts),
        "sample_rate_hz": str(SAMPLE_RATE_HZ),
        "window_samples": str(STFT.window_samples),
        "hop_samples": str(STFT.hop_samples),
        "bins": str(config.network.bins),
        "mask_exponent": str(config.network.mask_exponent),
        "training": msgspec.json.encode(training).decode(),
    }


def _write(graph: onnx.ModelProto, file: Path) -> None:
    write_whole(file, graph.SerializeToString())


def _difference_db(reference: Masks, other: Masks) -> float:
    difference = energy(reference - other)
    return 10 * math.log10(difference / energy(reference)) if difference else -math.inf


def _describe(config: TrainingConfig, file: Path) -> MagnitudeModel:
    """Return what is known of the model, the earlier stage included."""
    of, stems = MIXTURE, config.parts
    earlier: tuple[Stage, ...] = ()
    if config.before:
        before = load_manifest(config.before.model)
        of = config.before.part
        stems = (*(each for each in before.stems if each != of), *stems)
        earlier = (Stage(parts=before.stems, model=before.name),)
    network = CommittedNetwork(file=file.name, sha256=sha256_of(file))
    return MagnitudeModel(
        name=config.name,
        version="1.0.0",
        summary=f"{', '.join(stems).capitalize()}, by a network of one's own.",
        stems=stems,
        sample_rate_hz=SAMPLE_RATE_HZ,
        channels=2,
        licence=UNKNOWN,
        attribution=UNKNOWN,
        bandwidths={"trained": config.network.bins},
        transform=Transform(window_samples=STFT.window_samples, hop_samples=STFT.hop_samples),
        segment=SegmentShape(frames=SEGMENT_FRAMES, multiple_frames=MULTIPLE_FRAMES),
        stages=(*earlier, Stage(of=of, parts=config.parts, network=network)),
    )
