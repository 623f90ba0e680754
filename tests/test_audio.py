from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio, Stems
from daw_bridge.errors import AudioError, OptionError
from tests.conftest import make_noise
from tests.encoded import damaged, encode


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 10)),
        np.zeros(10, np.float32),
        np.zeros((2, 0), np.float32),
        np.zeros((1, 2, 10), np.float32),
    ],
)
def test_what_is_no_audio_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(AudioError):
        Audio(samples, 44_100)


def test_stems_are_found_by_name() -> None:
    noise = make_noise(10).samples
    stems = Stems(("vocals", "drums"), np.stack([noise, 2 * noise]), noise, 44_100)
    assert np.array_equal(stems["drums"].samples, 2 * noise)
    assert np.allclose(stems.residual(), -2 * noise)
    with pytest.raises(OptionError, match="did you mean 'drums'"):
        stems["drum"]


def test_damage_is_said_to_whoever_reads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "broken.m4a"
    encode("mp4", path)
    path.write_bytes(damaged(path.read_bytes()))
    Audio.read(path)
    assert f"{path} is damaged at 0:0" in caplog.text
