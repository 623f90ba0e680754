"""Each preset that ships does what its sentence says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from daw_bridge import Audio, Separator, Stems
from daw_bridge.files.containers import OutputFormat
from daw_bridge.jobs.remix import RemixJob, run_remix
from daw_bridge.jobs.render import StemMaker
from daw_bridge.rendering.preset import load_preset
from tests.conftest import SONGS, level_db
from tests.levels import lufs, peak_db
from tests.rendering.conftest import Render

RATE = 44_100
SHIPPED = sorted((Path(__file__).parents[2] / "presets" / "effects").glob("*.toml"))


def apply(name: str, stems: Stems, render: Render) -> np.ndarray:
    return render(stems, load_preset(name))


def spectrum_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Return the energy of a band in dB."""
    power = np.square(np.abs(np.fft.rfft(samples.astype(np.float64), axis=1))).sum(axis=0)
    frequencies = np.fft.rfftfreq(samples.shape[1], 1 / RATE)
    return 10 * np.log10(power[(low_hz <= frequencies) & (frequencies < high_hz)].sum())


def shift_semitones(samples: np.ndarray, reference: np.ndarray) -> float:
    """Return by how much one piece of music is higher than another: the best match of spectra."""
    step = 0.1

    def pitches(signal: np.ndarray) -> np.ndarray:
        power = np.square(np.abs(np.fft.rfft(signal.sum(axis=0).astype(np.float64))))
        frequencies = np.fft.rfftfreq(signal.shape[1], 1 / RATE)
        edges = 80 * 2 ** (np.arange(0, 60, step) / 12)
        bands = np.add.reduceat(power, np.searchsorted(frequencies, edges))[:-1]
        levels = np.log(bands + 1e-9)
        return levels[30:-29] - np.convolve(levels, np.ones(60) / 60, "valid")

    likeness = np.correlate(pitches(samples), pitches(reference), "full")
    return (int(np.argmax(likeness)) - len(likeness) // 2) * step


def side_to_mid_db(samples: np.ndarray) -> float:
    return level_db(samples[0] - samples[1], samples[0] + samples[1])


def levels_db(samples: np.ndarray, seconds: float = 0.4) -> np.ndarray:
    """Return the level of each piece of so many seconds."""
    frames = round(seconds * RATE)
    whole = samples[:, : samples.shape[1] // frames * frames].astype(np.float64)
    return 10 * np.log10(np.square(whole.reshape(2, -1, frames)).mean(axis=(0, 2)) + 1e-12)


def test_each_preset_has_a_sentence_and_a_test() -> None:
    assert len(SHIPPED) >= 12
    for path in SHIPPED:
        assert load_preset(str(path)).summary.endswith(".")
        assert f"test_{path.stem.replace('-', '_')}" in globals()


def test_karaoke(sung: Stems, render: Render, separator: Separator) -> None:
    """Separated again, the singer is 15 dB down wherever there was singing, and nothing else is."""
    again = separator.separate(Audio(apply("karaoke", sung, render), RATE))
    before, after = levels_db(sung["vocals"].samples), levels_db(again["vocals"].samples)
    sings = before > before.max() - 10
    assert sings.sum() > 5
    assert (before - after)[sings].mean() >= 15
    backing = again["accompaniment"].samples
    assert abs(level_db(backing, sung["accompaniment"].samples)) < 1
    assert abs(side_to_mid_db(backing) - side_to_mid_db(sung["accompaniment"].samples)) < 1


def test_acapella(sung: Stems, render: Render) -> None:
    np.testing.assert_array_equal(apply("acapella", sung, render), sung["vocals"].samples)


def test_instrumental(sung: Stems, render: Render) -> None:
    expected = sung["accompaniment"].samples
    np.testing.assert_array_equal(apply("instrumental", sung, render), expected)


@pytest.fixture
def band(tmp_path: Path) -> Path:
    """A folder with stems, and the song that they sum to beside it."""
    names = {"bass": "hydrogen", "drums": "rubidium", "other": "sodium"}
    stems = {stem: Audio.read(SONGS / f"{name}.ogg").samples / 4 for stem, name in names.items()}
    (tmp_path / "stems").mkdir()
    for stem, samples in stems.items():
        soundfile.write(tmp_path / "stems" / f"{stem}.wav", samples.T, RATE, "FLOAT")
    soundfile.write(tmp_path / "song.wav", np.sum(list(stems.values()), axis=0).T, RATE, "FLOAT")
    return tmp_path


def check_that_it_leaves_out(stem: str, preset: str, band: Path, separator: Separator) -> None:
    output = band / "out.wav"
    float_wav = OutputFormat("wav", "32f")
    job = RemixJob(
        band / "song.wav",
        output,
        load_preset(preset),
        stems_folder=band / "stems",
        output_format=float_wav,
    )
    run_remix(job, StemMaker(separator.manifest, lambda: separator))
    song = Audio.read(band / "song.wav").samples
    expected = song - Audio.read(band / "stems" / f"{stem}.wav").samples
    assert level_db(Audio.read(output).samples - expected, expected) < -100


def test_drumless(band: Path, separator: Separator) -> None:
    check_that_it_leaves_out("drums", "drumless", band, separator)


def test_bassless(band: Path, separator: Separator) -> None:
    check_that_it_leaves_out("bass", "bassless", band, separator)


def check_that_vocals_change_by(gain_db: float, remix: np.ndarray, stems: Stems) -> None:
    vocals = remix - stems["accompaniment"].samples
    assert level_db(vocals, stems["vocals"].samples) == pytest.approx(gain_db, abs=0.01)


def test_vocal_up(sung: Stems, render: Render) -> None:
    check_that_vocals_change_by(4, apply("vocal-up", sung, render), sung)


def test_vocal_down(sung: Stems, render: Render) -> None:
    check_that_vocals_change_by(-4, apply("vocal-down", sung, render), sung)


def test_practice_slow(sung: Stems, render: Render) -> None:
    remix = apply("practice-slow", sung, render)
    assert remix.shape[1] == round(sung.mixture.shape[1] / 0.75)
    assert shift_semitones(remix, sung.mixture) == pytest.approx(0, abs=0.11)
    assert abs(lufs(remix, RATE) - lufs(sung.mixture, RATE)) < 1


def test_nightcore(sung: Stems, render: Render) -> None:
    remix = apply("nightcore", sung, render)
    assert remix.shape[1] == round(sung.mixture.shape[1] / 1.25)
    faster = soxr.resample(sung.mixture.T, 1.25, 1, quality="VHQ").T[:, : remix.shape[1]]
    assert level_db(remix[:, : faster.shape[1]] - faster, faster) < -60
    assert shift_semitones(remix, sung.mixture) == pytest.approx(3.86, abs=0.15)


def test_slowed_reverb(sung: Stems, render: Render) -> None:
    remix = apply("slowed-reverb", sung, render)
    assert remix.shape[1] > sung.mixture.shape[1] / 0.85 + RATE
    assert shift_semitones(remix, sung.mixture) == pytest.approx(-2.81, abs=0.15)


def test_lo_fi(sung: Stems, render: Render) -> None:
    song, remix = sung.mixture, apply("lo-fi", sung, render)
    middle = spectrum_db(remix, 300, 2000) - spectrum_db(song, 300, 2000)
    assert abs(middle) < 4
    assert spectrum_db(remix, 8000, 16_000) - spectrum_db(song, 8000, 16_000) < middle - 25
    assert spectrum_db(remix, 20, 60) - spectrum_db(song, 20, 60) < middle - 3
    narrower = side_to_mid_db(sung["accompaniment"].samples) - side_to_mid_db(remix)
    assert narrower > 2


def test_radio(sung: Stems, render: Render) -> None:
    song, remix = sung.mixture, apply("radio", sung, render)
    assert lufs(remix, RATE) == pytest.approx(-14, abs=0.1)
    assert peak_db(remix) <= -1
    assert levels_db(remix)[:45].std() < levels_db(song)[:45].std()


def test_night(sung: Stems, render: Render) -> None:
    """A selection that is 20 dB softer than the next comes within 8 dB of it."""
    gain = np.ones(sung.mixture.shape[1], np.float32)
    gain[: len(gain) // 2] = 0.1
    stems = Stems(sung.names, sung.samples * gain, sung.mixture * gain, RATE)
    remix = apply("night", stems, render)
    middle = len(gain) // 2
    before = lufs(stems.mixture[:, middle:], RATE) - lufs(stems.mixture[:, :middle], RATE)
    after = lufs(remix[:, middle:], RATE) - lufs(remix[:, :middle], RATE)
    assert before > 15
    assert after < 8
    assert lufs(remix, RATE) == pytest.approx(-23, abs=0.1)
    assert peak_db(remix) <= -6


def test_streaming(sung: Stems, render: Render) -> None:
    remix = apply("streaming", sung, render)
    assert lufs(remix, RATE) == pytest.approx(-14, abs=0.1)
    assert peak_db(remix) <= -1
    gain = 10 ** ((lufs(remix, RATE) - lufs(sung.mixture, RATE)) / 20)
    assert level_db(remix - gain * sung.mixture, remix) < -20  # but for a few peaks


def test_wide(sung: Stems, render: Render) -> None:
    remix = apply("wide", sung, render) - sung["vocals"].samples
    backing = sung["accompaniment"].samples
    assert level_db(remix.sum(axis=0), backing.sum(axis=0)) == pytest.approx(0, abs=0.01)
    wider = level_db(remix[0] - remix[1], backing[0] - backing[1])
    assert wider == pytest.approx(20 * np.log10(1.5), abs=0.01)


def test_mono(sung: Stems, render: Render) -> None:
    left, right = apply("mono", sung, render)
    np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(left, sung.mixture.mean(axis=0), atol=1e-6)


def test_telephone(sung: Stems, render: Render) -> None:
    frames = sung.mixture.shape[1]
    vocals = apply("telephone", sung, render)[:, :frames] - sung["accompaniment"].samples
    before = sung["vocals"].samples
    band = spectrum_db(vocals, 500, 2500) - spectrum_db(before, 500, 2500)
    assert spectrum_db(vocals, 20, 100) - spectrum_db(before, 20, 100) < band - 10
    assert spectrum_db(vocals, 9000, 20_000) - spectrum_db(before, 9000, 20_000) < band - 10


def test_hall(sung: Stems, render: Render) -> None:
    frames = sung.mixture.shape[1]
    remix = apply("hall", sung, render)
    assert remix.shape[1] > frames + RATE  # it rings on
    silent = np.zeros_like(sung.mixture)
    alone = Stems(sung.names, np.stack([silent, sung["accompaniment"].samples]), sung.mixture, RATE)
    close = apply("hall", alone, render)[:, :frames]
    np.testing.assert_allclose(close, sung["accompaniment"].samples, atol=1e-6)
