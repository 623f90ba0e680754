"""Networks in torch: Spleeter's shapes, their weights by name, and the models made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from daw_bridge import Separator
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.models import read_manifest
from daw_bridge.separation.network import PlainNetwork
from daw_bridge.separation.runtime import OnnxGraph
from daw_bridge.training.config import NetworkConfig
from daw_bridge.training.export import HALF_LIMIT_DB, PARITY_LIMIT_DB, export
from daw_bridge.training.module import STFT, Training
from daw_bridge.training.networks import SharedUnet, Unets
from daw_bridge.training.start import load_start
from tests.conftest import level_db, make_noise
from tests.mini_model import make_weights

BINS = 128
FILTERS = {"encoder_filters": [4, 8, 8, 8, 8, 8], "decoder_filters": [8, 8, 8, 8, 4, 1]}
FAMILIES: dict[str, dict[str, Any]] = {
    "shared": {"family": "shared-unet", "shared_levels": 2, "mask_exponent": 1},
    "unshared": {"family": "shared-unet", "shared_levels": 0},
    "spleeter": {"family": "spleeter"},
    "rest": {"family": "shared-unet", "rest": "others", "mask_exponent": 0.75},
    "spleeter rest": {"family": "spleeter", "rest": "others"},
}


def make_training(family: str = "shared", **network: Any) -> Training:
    """Return a training of small networks whose weights and statistics are random."""
    torch.manual_seed(0)
    options = {**FILTERS, "bins": BINS, **FAMILIES[family], **network}
    stems = ("drums",) if "rest" in options else ("drums", "bass")
    training = Training(
        {
            "name": "tiny",
            "stems": {stem: [stem] for stem in stems},
            "optimiser": {"steps": 1},
            "network": options,
        }
    )
    for name, state in training.network.state_dict().items():
        if name.endswith(("running_var", "norm.weight")):
            nn.init.uniform_(state, 0.5, 1.5)
        elif name.endswith(("running_mean", "norm.bias")):
            nn.init.normal_(state, 0, 0.2)
    return training


def save(training: Training, folder: Path) -> Path:
    path = folder / "last.ckpt"
    content = {"state_dict": training.state_dict(), "hyper_parameters": dict(training.hparams)}
    torch.save(content, path)
    return path


def magnitudes(frames: int = 64, bins: int = BINS) -> np.ndarray:
    return np.abs(make_noise(frames * bins).samples).reshape(2, frames, bins) * 10


def test_spleeter_has_its_size() -> None:
    """Hennequin et al. 2020: 5 by 5 kernels, 16 … 512 filters and back, and a 4 by 4 output."""
    encoder = [(2, 16), (16, 32), (32, 64), (64, 128), (128, 256), (256, 512)]
    decoder = [(512, 256), (512, 128), (256, 64), (128, 32), (64, 16), (32, 1)]
    kernels = sum(25 * inputs * filters for inputs, filters in encoder + decoder) + 16 * 2
    of_filters = 5 * sum(filters for _, filters in encoder + decoder) + 2  # biases and norms
    network = Unets(("vocals", "accompaniment"), NetworkConfig())
    for unet in network.unets.values():
        arrays = unet.arrays()
        assert sum(array.size for array in arrays.values()) == kernels + of_filters == 9_826_759


@pytest.mark.parametrize("family", ["shared", "unshared"])
def test_weights_go_out_and_in_by_name(family: str) -> None:
    ours, other = make_training(family).network, make_training(family).network
    assert isinstance(ours, SharedUnet)
    assert isinstance(other, SharedUnet)
    nn.init.zeros_(other.encoder.get_parameter("encoder1.convolution.weight"))
    other.load_arrays(ours.arrays())
    for name, array in other.arrays().items():
        np.testing.assert_array_equal(array, ours.arrays()[name], err_msg=name)
    shown = torch.from_numpy(magnitudes())[None]
    assert torch.equal(ours.eval()(shown), other.eval()(shown))


def test_one_unet_starts_every_head() -> None:
    weights = make_weights(0)
    filters = {"encoder_filters": (2,) * 6, "decoder_filters": (2, 2, 2, 2, 2, 1)}
    network = SharedUnet(("drums", "bass"), msgspec.convert(filters, NetworkConfig)).eval()
    network.load_arrays(weights)
    arrays = network.arrays()
    np.testing.assert_array_equal(arrays["encoder3.kernel"], weights["encoder3.kernel"])
    for stem in ("drums", "bass"):
        np.testing.assert_array_equal(arrays[f"{stem}.decoder6.mean"], weights["decoder6.mean"])
    drums, bass = network(torch.from_numpy(magnitudes())[None])
    assert torch.equal(drums, bass)
    del weights["decoder4.gamma"]
    with pytest.raises(OptionError, match=r"no drums\.decoder4\.gamma of \[2\]\."):
        network.load_arrays(weights)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exported_model_is_the_network(family: str, tmp_path: Path, home: Path) -> None:
    training = make_training(family).eval()
    checkpoint = save(training, tmp_path)
    done = export(checkpoint, home / "models")
    assert done.parity_db <= PARITY_LIMIT_DB
    assert done.half_db is not None
    assert done.half_db <= HALF_LIMIT_DB
    manifest = read_manifest(done.manifest)
    assert manifest.stems == training.config.parts
    shown = magnitudes(frames=128)
    with torch.no_grad():
        expected = training.masks(training.estimate(torch.from_numpy(shown)[None]))[:, 0].numpy()
    half = PlainNetwork(OnnxGraph(done.manifest.parent / "tiny.onnx", provider="cpu"))(shown)
    assert level_db(half - expected, expected) <= HALF_LIMIT_DB
    assert expected[0].std() > 0.01  # a mask that is something to compare
    mixture = make_noise(30_000)
    with Separator("tiny", provider="cpu") as separator:
        stems = separator.separate(mixture)
    assert stems.names == training.config.parts
    assert level_db(stems.residual(), mixture.samples) < -100


def test_a_training_starts_from_another_ones_checkpoint(tmp_path: Path) -> None:
    earlier = make_training()
    start = str(save(earlier, tmp_path))
    later = make_training(start=start)
    nn.init.zeros_(later.network.get_parameter("encoder.encoder1.convolution.weight"))
    load_start(later.network, later.config.network)
    for name, state in later.network.state_dict().items():
        assert torch.equal(state, earlier.network.state_dict()[name]), name
    other = make_training("unshared", start=start)
    with pytest.raises(OptionError, match=r"last\.ckpt: its network has other layers\.$"):
        load_start(other.network, other.config.network)


def test_no_training_starts_from_layers_with_other_activations() -> None:
    training = make_training(start="spleeter-4stems")
    with pytest.raises(OptionError, match=r"^spleeter-4stems has other activations"):
        load_start(training.network, training.config.network)


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    checkpoint = save(make_training(), tmp_path)
    sizes = []
    for half in (True, False):
        done = export(checkpoint, tmp_path / str(half), half=half)
        assert (done.half_db is not None) == half
        sizes.append((done.manifest.parent / "tiny.onnx").stat().st_size)
    assert sizes[0] < 0.8 * sizes[1]


def test_what_is_no_checkpoint_gets_one_sentence(tmp_path: Path) -> None:
    text, other, changed = (tmp_path / name for name in ("text", "other", "changed"))
    text.write_text("no checkpoint")
    torch.save({"state_dict": {}}, other)
    training = make_training()
    training.hparams["config"]["network"]["bins"] = "many"
    save(training, tmp_path).rename(changed)
    for path in (tmp_path / "none.ckpt", text, other, changed):
        with pytest.raises(WeightsError) as raised:
            export(path, tmp_path / "models")
        (line,) = str(raised.value).splitlines()
        assert line.startswith(f"{path} ")


def test_a_training_does_not_start_from_networks_of_other_layers() -> None:
    training = make_training()
    for start, message in (("spleeter-4stems", "other activations"), ("classic-4stems", "several")):
        config = msgspec.structs.replace(training.config.network, start=start)
        with pytest.raises(OptionError, match=message):
            load_start(training.network, config)


@pytest.mark.parametrize("start", [None, "spleeter-2stems"])
def test_statistics_that_weights_came_with_stay(start: str | None) -> None:
    training = make_training(start=start).train()
    norms = [each for each in training.network.modules() if isinstance(each, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms if norm.running_mean is not None]
    estimates = training.estimate(torch.from_numpy(magnitudes())[None])
    loss = training.masks(estimates).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    after = [norm.running_mean for norm in norms if norm.running_mean is not None]
    kept = [torch.equal(old, new) for old, new in zip(before, after, strict=True)]
    assert all(kept) == (start is not None)
    gradients = [each.grad for each in training.network.parameters()]
    assert all(each is None or torch.isfinite(each).all() for each in gradients)
    assert sum(each is not None for each in gradients) == len(gradients) - 2  # encoder6's norm


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_the_loss_weighs_magnitudes_and_what_masks_give() -> None:
    training = make_training(mask_exponent=2)
    noise = [make_noise(STFT.count_samples(64), seed=seed).samples for seed in (1, 2, 3)]
    batch = torch.from_numpy(np.stack(noise))[None]

    def loss(magnitude_loss: float, masked_loss: float) -> float:
        options = msgspec.structs.replace(
            training.config.optimiser, magnitude_loss=magnitude_loss, masked_loss=masked_loss
        )
        training.config = msgspec.structs.replace(training.config, optimiser=options)
        return training.training_step(batch, 0).item()

    magnitudes_alone, masks_alone = loss(1, 0), loss(0, 1)
    assert magnitudes_alone > 0 < masks_alone
    assert loss(2, 3) == pytest.approx(2 * magnitudes_alone + 3 * masks_alone, rel=1e-4)
