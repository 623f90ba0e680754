"""Files with bytes cut off and changed: what is said of them is ours, and a sentence a line."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from tests.conftest import make_noise
from tests.stemtool import stemtool

pytestmark = pytest.mark.usefixtures("network_path")

FRAMES = 44_100


def write(path: Path) -> bytes:
    """Write a second of noise in the format that the file's ending says."""
    samples = make_noise(FRAMES).samples
    if path.suffix not in {".m4a", ".mka"}:
        soundfile.write(path, samples.T, 44_100)
        return path.read_bytes()
    with av.open(str(path), "w", format={".m4a": "ipod", ".mka": "matroska"}[path.suffix]) as file:
        stream = file.add_stream("aac", rate=44_100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
        frame.sample_rate, frame.pts = 44_100, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path.read_bytes()


def damage(content: bytes, seed: int) -> bytes:
    """Cut bytes off, or change some anywhere or in the header."""
    chance = random.Random(seed)
    if seed % 3 == 0:
        return content[: chance.randrange(1, len(content))]
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 30)):
        changed[chance.randrange(len(changed) if seed % 3 == 1 else 200)] = chance.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("ending", ["mp3", "m4a", "mka", "ogg", "flac", "wav", "aiff"])
def test_only_we_speak(ending: str, tmp_path: Path) -> None:
    content = write(tmp_path / f"whole.{ending}")
    files = [tmp_path / f"{seed}.{ending}" for seed in range(12)]
    for seed, file in enumerate(files):
        file.write_bytes(damage(content, seed))
    run = stemtool("separate", *files, "-o", tmp_path / "out", "--length", "0.2", "--quiet")
    assert run.returncode in {0, 1}
    for line in run.stderr.splitlines():
        assert line.startswith("stemtool: "), run.stderr
        assert line.endswith("."), run.stderr
    assert not list(tmp_path.rglob(".*"))
