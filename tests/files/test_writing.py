from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio
from daw_bridge.errors import OptionError, OutputError
from daw_bridge.files.containers import CONTAINERS, OutputFormat
from daw_bridge.files.writing import StemFiles, Written, pack_24_bits
from tests.conftest import level_db, make_noise

STEMS = np.stack([make_noise(70_000, seed=seed).samples for seed in (0, 1)])


def write(
    paths: list[Path], output_format: OutputFormat, samples: np.ndarray = STEMS, rate: int = 44_100
) -> Written:
    with StemFiles(paths, output_format, sample_rate_hz=rate, channels=samples.shape[1]) as files:
        for start in range(0, samples.shape[2], 9999):
            files.write(samples[:, :, start : start + 9999])
        return files.commit()


@pytest.mark.parametrize(
    ("container", "bits", "subtype", "limit_db"),
    [
        ("wav", None, "PCM_24", -120),
        ("wav", "16", "PCM_16", -75),
        ("wav", "32f", "FLOAT", -300),
        ("flac", None, "PCM_24", -120),
        ("flac", "16", "PCM_16", -75),
        ("ogg", None, "VORBIS", -6),
        ("mp3", None, "MPEG_LAYER_III", -6),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(
    container: str, bits: str | None, subtype: str, limit_db: float, channels: int, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{stem}.{container}" for stem in "ab"]
    written = write(paths, OutputFormat(container, bits), STEMS[:, :channels])  # type: ignore[arg-type]
    assert written.gain == 1
    for path, stem in zip(paths, STEMS[:, :channels], strict=True):
        assert soundfile.info(path).subtype == subtype
        audio = Audio.read(path)
        assert audio.samples.shape == stem.shape
        assert level_db(audio.samples - stem, stem) < limit_db
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize("channels", [1, 2])
def test_m4a(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    tone = 0.5 * np.sin(np.arange(70_000) / 20, dtype=np.float32)
    write([path], OutputFormat("m4a"), np.broadcast_to(tone, (1, channels, 70_000)))
    audio = Audio.read(path)
    assert audio.channels == channels
    assert abs(audio.frames - 70_000) <= 1024
    middle = slice(5000, 60_000)
    assert level_db(audio.samples[0, middle] - tone[middle], tone[middle]) < -30


@pytest.mark.parametrize(
    "output_format", [OutputFormat(each) for each in CONTAINERS] + [OutputFormat("wav", "32f")]
)
def test_the_same_stems_give_the_same_bytes(output_format: OutputFormat, tmp_path: Path) -> None:
    path = tmp_path / f"a.{output_format.container}"
    contents = []
    for _ in range(2):
        write([path], output_format, STEMS[:1])
        contents.append(path.read_bytes())
        time.sleep(1.1)  # no clock of whole seconds gets into a file
    assert contents[0] == contents[1]


def test_integers_survive_exactly(tmp_path: Path) -> None:
    """A 16-bit recording written at 16 or 24 bits is the recording, full scale included."""
    integers = np.array([[[-32768, 32767, 1, -1, 0, 12345]]], np.float32) / 32768
    for bits in ("16", "24"):
        write([tmp_path / "a.wav"], OutputFormat("wav", bits), integers)
        assert np.array_equal(Audio.read(tmp_path / "a.wav").samples, integers[0])


def test_the_lowest_three_bytes_are_packed() -> None:
    integers = np.array([[0, 1, -1], [8388607, -8388608, -1193046]], np.int32)
    expected = b"".join(int(each).to_bytes(3, "little", signed=True) for each in integers.flat)
    assert pack_24_bits(integers).tobytes() == expected


def test_one_gain_keeps_all_stems_from_clipping(tmp_path: Path) -> None:
    loud = STEMS.copy()
    loud[1, 0, 500] = -2
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    written = write(paths, OutputFormat("wav"), loud)
    assert written.gain == 0.5
    for path, stem in zip(paths, loud, strict=True):
        assert np.allclose(Audio.read(path).samples, stem / 2, atol=2**-23)
    assert write(paths, OutputFormat("wav", "32f"), loud).gain == 1


def test_rounding_is_measured(tmp_path: Path) -> None:
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    written = write(paths, OutputFormat("wav", "16"))
    for path, stem, energy in zip(paths, STEMS, written.rounding_energy, strict=True):
        error = Audio.read(path).samples.astype(np.float64) - stem
        assert energy == pytest.approx(np.sum(error**2), rel=1e-3)


def test_beyond_four_gigabytes_wav_becomes_rf64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daw_bridge.files.writing._RF64_FROM_BYTES", 400_000)
    write([tmp_path / "a.wav", tmp_path / "b.wav"], OutputFormat("wav"))
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    assert Audio.read(tmp_path / "a.wav").frames == STEMS.shape[2]


def test_nothing_stays_without_commit(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    with StemFiles([folder / "a.wav"], OutputFormat(), sample_rate_hz=44_100, channels=2) as files:
        files.write(STEMS[:1])
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())


def test_folders_of_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with StemFiles([folder / "a.wav"], OutputFormat(), sample_rate_hz=44_100, channels=2):
        (folder / "someone-elses.txt").write_text("")
    assert [path.name for path in folder.iterdir()] == ["someone-elses.txt"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target.wav").write_text("old")
    (tmp_path / "link.wav").symlink_to("target.wav")
    write([tmp_path / "link.wav"], OutputFormat(), STEMS[:1])
    assert (tmp_path / "link.wav").is_symlink()
    assert Audio.read(tmp_path / "target.wav").frames == STEMS.shape[2]


@pytest.mark.parametrize(
    ("container", "bits", "message"),
    [
        ("flac", "32f", "flac has no 32f-bit samples; it has 16 or 24"),
        ("mp3", "16", "leave --bits out"),
    ],
)
def test_formats_that_cannot_be(container: str, bits: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        OutputFormat(container, bits)  # type: ignore[arg-type]


def test_a_rate_that_the_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="mp3 holds at most 48000 Hz"):
        write([tmp_path / "a.mp3"], OutputFormat("mp3"), STEMS[:1], rate=96_000)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write([tmp_path / "file" / "a.wav"], OutputFormat(), STEMS[:1])


SCRIPT = """
import sys
import time
from pathlib import Path
import numpy as np
from daw_bridge.errors import DiskFullError
from daw_bridge.files.containers import CONTAINERS, OutputFormat
from daw_bridge.files.writing import StemFiles
folder, container, frames = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
noise = np.random.default_rng(0).standard_normal((2, 2, frames)).astype(np.float32) / 9
paths = [folder / "new" / f"{stem}.{container}" for stem in "ab"]
try:
    with StemFiles(paths, OutputFormat(container), sample_rate_hz=44100, channels=2) as files:
        files.write(noise)
        print("spooled")
        files.commit()
except DiskFullError as error:
    print(error)
"""


@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp3", "m4a"])
@pytest.mark.parametrize("limit_bytes", [300_000, 700_000])
def test_no_room_left(container: str, limit_bytes: int, tmp_path: Path) -> None:
    """Files may grow to a limit only: while spooling, and (the larger limit) while encoding."""
    frames = 80_000  # 640,000 bytes a spool
    if limit_bytes > 640_000:
        limit_bytes = 640_000 if container == "wav" else limit_bytes
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), container, str(frames)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
    )
    assert run.returncode == 0, run.stderr
    if limit_bytes < 640_000:
        assert "There is no room left for" in run.stdout
        assert not list(tmp_path.iterdir())
    else:
        assert "spooled" in run.stdout


@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_a_disk_that_fills_up_while_encoding(container: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # Two spools of 480,000 bytes fit; what is encoded beside them does not.
    mount = ["mount", "-t", "tmpfs", "-o", "size=980k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(disk), container, "60000"],
            capture_output=True,
            text=True,
            check=False,
        )
        left = list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("spooled\nThere is no room left for")
    assert not left
