from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import AudioError
from daw_bridge.files.containers import OutputFormat
from daw_bridge.files.speakers import (
    Speaker,
    find_speakers,
    fold_matrix,
    loudness_weights,
    mask_of,
    read_mask,
    speakers_of,
)
from daw_bridge.files.writing import StemFiles
from tests.conftest import make_noise

MASKS = (0x7, 0x33, 0x603, 0x607, 0x60F, 0x3F, 0x63F)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("container", "bits"), [("wav", "24"), ("wav", "32f"), ("flac", "16")])
def test_files_say_in_their_bytes_what_channels_are_for(
    container: str, bits: str, mask: int, tmp_path: Path
) -> None:
    speakers = speakers_of(mask)
    path = tmp_path / f"a.{container}"
    samples = make_noise(5000, channels=len(speakers)).samples
    output_format = OutputFormat(container, bits)  # type: ignore[arg-type]
    with StemFiles(
        [path], output_format, sample_rate_hz=44_100, channels=len(speakers), speakers=speakers
    ) as files:
        files.write(samples[np.newaxis])
        files.commit()
    if container == "wav":
        header = path.read_bytes()[:80]
        content = header[header.index(b"fmt ") + 8 :]
        assert content[:2] == b"\xfe\xff"  # WAVE_FORMAT_EXTENSIBLE
        assert int.from_bytes(content[20:24], "little") == mask
    assert read_mask(path) == mask
    assert find_speakers(path, len(speakers)) == speakers
    assert np.allclose(Audio.read(path).samples, samples, atol=2**-15)


def test_rf64_says_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daw_bridge.files.writing._RF64_FROM_BYTES", 1000)
    speakers, path = speakers_of(0x60F), tmp_path / "a.wav"
    with StemFiles(
        [path], OutputFormat(), sample_rate_hz=44_100, channels=6, speakers=speakers
    ) as files:
        files.write(make_noise(5000, channels=6).samples[np.newaxis])
        files.commit()
    assert path.read_bytes()[:4] == b"RF64"
    assert read_mask(path) == 0x60F


def test_files_that_say_nothing_have_the_usual_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, make_noise(100, channels=6).samples.T, 44_100)
    assert read_mask(path) is None
    assert mask_of(find_speakers(path, 6)) == 0x60F
    for channels in (1, 2, 7):
        with pytest.raises(AudioError, match="which loudspeakers"):
            find_speakers(path, channels)


def test_the_fold_down_is_that_of_bs_775() -> None:
    fold = fold_matrix(speakers_of(0x63F))  # L R C LFE Lb Rb Ls Rs
    root = 0.5**0.5
    assert np.allclose(fold[0], [1, 0, root, 0, root, 0, root, 0])
    assert np.allclose(fold[1], [0, 1, root, 0, 0, root, 0, root])


def test_loudness_counts_what_is_beside_the_listener_more() -> None:
    assert loudness_weights(speakers_of(0x60F)) == [1, 1, 1, 0, 1.41, 1.41]
    assert loudness_weights(speakers_of(0x3F)) == [1, 1, 1, 0, 1.41, 1.41]
    assert loudness_weights(speakers_of(0x63F)) == [1, 1, 1, 0, 1, 1, 1.41, 1.41]
    assert Speaker.LFE in speakers_of(0x60F)
