"""What the whole pipeline promises: sums, lengths, invariance, determinism."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.audio import join_stems
from daw_bridge.errors import AudioError, OptionError
from tests.conftest import SONGS, level_db, make_noise

LENGTHS = (1, 2, 1023, 1024, 1025, 4096, 524_287, 524_288, 524_289)
SAMPLE_RATES_HZ = (8000, 22_050, 44_100, 48_000, 96_000, 192_000)


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_are_as_long_and_sum_to_the_mixture(
    frames: int, channels: int, separator: Separator
) -> None:
    mixture = make_noise(frames, channels=channels)
    stems = separator.separate(mixture)
    assert stems.samples.shape == (2, channels, frames)
    assert level_db(stems.residual(), mixture.samples) <= -120


@pytest.mark.parametrize("sample_rate_hz", SAMPLE_RATES_HZ)
@pytest.mark.parametrize("frames", [1, 2, 1023, 4097, 200_001])
def test_every_sample_rate_keeps_length_and_sum(
    sample_rate_hz: int, frames: int, separator: Separator
) -> None:
    mixture = make_noise(frames, sample_rate_hz=sample_rate_hz)
    stems = separator.separate(mixture)
    assert stems.sample_rate_hz == sample_rate_hz
    assert stems.samples.shape == (2, 2, frames)
    assert level_db(stems.residual(), mixture.samples) <= -120


def test_a_song_at_another_rate_has_the_same_vocals(separator: Separator, song: Audio) -> None:
    """Resampling there and back neither shifts nor changes a stem below the model's band."""
    import soxr

    resampled = soxr.resample(song.samples.T, 44_100, 96_000, "VHQ").T
    at_96k = separator.separate(Audio(np.ascontiguousarray(resampled), 96_000))["vocals"]
    back = soxr.resample(at_96k.samples.T, 96_000, 44_100, "VHQ").T
    vocals = separator.separate(song)["vocals"].samples
    assert level_db(back[:, : song.frames] - vocals, vocals) < -50


@pytest.mark.parametrize("read_frames", [1000, 44_100, 1 << 20])
def test_results_do_not_depend_on_the_size_of_blocks(
    read_frames: int, separator: Separator, song: Audio, tmp_path: Path
) -> None:
    class Blocks(Audio):
        def blocks(self, start: int = 0, length: int | None = None):  # type: ignore[no-untyped-def]
            for first in range(0, self.frames, read_frames):
                yield self.samples[:, first : first + read_frames]

    whole = separator.separate(song)
    streamed = join_stems(separator.stream(Blocks(song.samples, song.sample_rate_hz)))
    assert np.array_equal(streamed.samples, whole.samples)


def test_a_file_streams_to_the_same_bits_as_memory_at_any_rate(
    separator: Separator, tmp_path: Path
) -> None:
    noise = make_noise(700_000, sample_rate_hz=48_000)
    soundfile.write(tmp_path / "noise.wav", noise.samples.T, 48_000, "FLOAT")
    streamed = join_stems(separator.stream(tmp_path / "noise.wav"))
    assert np.array_equal(streamed.samples, separator.separate(noise).samples)


def test_two_runs_give_the_same_bits(song: Audio, network_path: Path) -> None:
    runs = []
    for _ in range(2):
        with Separator(provider="cpu") as separator:
            runs.append(separator.separate(song).samples.tobytes())
    assert runs[0] == runs[1]


def test_start_and_length_select_frames(separator: Separator, song: Audio) -> None:
    part = join_stems(separator.stream(song, start=100_001, length=50_003))
    assert np.array_equal(part.mixture, song.samples[:, 100_001:150_004])


def test_asking_for_one_stem_gives_that_stem(separator: Separator, song: Audio) -> None:
    every = separator.separate(song)
    for name in ("vocals", "accompaniment"):
        alone = separator.separate(song, SeparationOptions(stems=(name,)))
        assert alone.names == (name,)
        assert np.array_equal(alone[name].samples, every[name].samples)


def test_zeros_drop_what_is_above_the_band(separator: Separator, song: Audio) -> None:
    zeros = separator.separate(song, SeparationOptions(extension="zeros"))
    spectrum = np.abs(np.fft.rfft(zeros.samples.sum(axis=0)[0, :262_144] * np.hanning(262_144)))
    above = int(11_200 / 44_100 * 262_144)
    assert level_db(spectrum[above:], spectrum) < -80
    assert level_db(zeros.residual(), song.samples) > -60


def test_bandwidth_widens_what_the_network_sees(separator: Separator, song: Audio) -> None:
    narrow, wide = (
        separator.separate(song, SeparationOptions(extension="zeros", bandwidth=name))
        for name in ("11k", "16k")
    )
    assert level_db(wide.residual(), song.samples) < level_db(narrow.residual(), song.samples) - 1


def test_wiener_refinement_keeps_the_sum_and_changes_the_stems(
    separator: Separator, song: Audio
) -> None:
    plain = separator.separate(song)
    refined = separator.separate(song, SeparationOptions(wiener_iterations=1))
    assert level_db(refined.residual(), song.samples) <= -120
    assert level_db(refined.samples[0] - plain.samples[0], plain.samples[0]) > -40


def test_overlap_smooths_the_seam(separator: Separator, song: Audio) -> None:
    """Around the seam of the first two segments, cross-faded masks are nearer to what the network
    gives when the seam lies elsewhere."""
    seam = 512 * 1024 - 4096
    shift = 200_704  # 196 hops: the same frames, in other segments
    around = slice(seam - 8192, seam + 8192)
    seamless = join_stems(separator.stream(song, SeparationOptions(overlap=0), start=shift))
    reference = seamless["vocals"].samples[:, around.start - shift : around.stop - shift]
    errors = {}
    for overlap in (0.0, 0.125):
        vocals = separator.separate(song, SeparationOptions(overlap=overlap))["vocals"].samples
        errors[overlap] = level_db(vocals[:, around] - reference, reference)
    assert errors[0.125] < errors[0.0] - 1


def test_mono_is_separated_like_two_equal_channels(separator: Separator, song: Audio) -> None:
    mono = Audio(song.samples[:1], song.sample_rate_hz)
    double = Audio(np.repeat(song.samples[:1], 2, axis=0), song.sample_rate_hz)
    from_mono = separator.separate(mono)["vocals"].samples[0]
    from_double = separator.separate(double)["vocals"].samples.mean(axis=0)
    assert level_db(from_mono - from_double, from_double) < -100


def test_silence_gives_silence(separator: Separator) -> None:
    silence = Audio(np.zeros((2, 50_000), np.float32), 44_100)
    assert not separator.separate(silence).samples.any()


def test_surround_needs_downmix_and_then_is_folded_down(separator: Separator) -> None:
    surround = make_noise(5000, channels=6)
    with pytest.raises(AudioError, match="--downmix"):
        separator.separate(surround)
    stems = separator.separate(surround, SeparationOptions(downmix=True))
    left, _, centre, _, surround_left, _ = surround.samples
    expected = left + 0.5**0.5 * (centre + surround_left)
    assert np.allclose(stems.samples.sum(axis=0)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stems": ("vocal",)}, "did you mean 'vocals'"),
        ({"bandwidth": "22k"}, "it has 11k, 16k"),
        ({"overlap": 0.6}, "takes an overlap of 0.5 at most, not 0.6"),
    ],
)
def test_options_that_the_model_does_not_have(
    options: dict[str, object], message: str, separator: Separator, song: Audio
) -> None:
    with pytest.raises(OptionError, match=message):
        separator.separate(song, SeparationOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"overlap": 0.96}, {"overlap": -1}, {"wiener_iterations": -1}])
def test_options_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        SeparationOptions(**options)  # type: ignore[arg-type]


def test_a_stream_that_is_left_early_leaves_no_work_behind(separator: Separator) -> None:
    stream = separator.stream(SONGS / "rubidium.ogg")
    next(stream)
    stream.close()
    assert separator.separate(make_noise(5000)).samples.shape == (2, 2, 5000)
