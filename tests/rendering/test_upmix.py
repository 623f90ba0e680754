"""What an upmix promises, whatever is chosen: its fold-down, its length, and sane channels."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from daw_bridge import Audio, Separator, Stems
from daw_bridge.errors import AudioError
from daw_bridge.files.speakers import FOLD_GAIN, Speaker, fold_matrix, loudness_weights
from daw_bridge.library.places import find_layouts
from daw_bridge.loudness import LoudnessMeter
from daw_bridge.rendering.layout import Layout, Placement, change_layout, load_layout
from daw_bridge.rendering.upmix import upmix
from tests.conftest import SONGS, level_db, make_noise

EXTREMES: tuple[dict[str, object], ...] = (
    {},
    {"center_width": 0.0, "surround_change_db": -60.0, "lfe": "none"},
    {"center_width": 1.0, "surround_change_db": 20.0, "lfe": "200@0"},
)


def render(stems: Stems, layout: Layout, block_frames: int = 1 << 16) -> np.ndarray:
    """Return the upmix of stems and rest that come in blocks."""
    return np.concatenate(list(upmix(cut(stems, block_frames), layout)), axis=-1)


def cut(stems: Stems, block_frames: int) -> Iterator[Stems]:
    for start in range(0, stems.mixture.shape[1], block_frames):
        part = slice(start, start + block_frames)
        samples, mixture = stems.samples[..., part], stems.mixture[:, part]
        yield Stems(stems.names, samples, mixture, stems.sample_rate_hz)


def make_stems(vocals: np.ndarray, other: np.ndarray, sample_rate_hz: int = 44_100) -> Stems:
    samples = np.stack([vocals, other]).astype(np.float32)
    return Stems(("vocals", "other"), samples, samples.sum(axis=0), sample_rate_hz)


def channel(mix: np.ndarray, layout: Layout, name: str) -> np.ndarray:
    found: np.ndarray = mix[layout.speakers.index(Speaker[name])]
    return found


@pytest.fixture(scope="module", params=["rubidium", "hydrogen", "sodium"])
def stems(request: pytest.FixtureRequest, separator: Separator) -> Stems:
    return separator.separate(Audio.read(SONGS / f"{request.param}.ogg"))


@pytest.fixture(scope="module")
def noise() -> Stems:
    mid = make_noise(100_001, channels=1).samples
    return make_stems(np.repeat(mid, 2, axis=0), make_noise(100_001, seed=1).samples)


@pytest.mark.parametrize(("name", "wishes"), [*itertools.product(find_layouts(), EXTREMES)])
def test_the_fold_down_of_a_song_is_the_song(
    name: str, wishes: dict[str, object], stems: Stems
) -> None:
    layout = change_layout(load_layout(name), **wishes)  # type: ignore[arg-type]
    mix = render(stems, layout).sum(axis=0)
    folded = fold_matrix(layout.speakers) @ mix
    assert mix.shape == (len(layout.channels), stems.mixture.shape[1])
    assert level_db(folded - stems.mixture, stems.mixture) <= -120
    assert np.abs(mix).max() <= max(1, np.abs(stems.mixture).max())
    lfe = [each is Speaker.LFE for each in layout.speakers]
    fronts = [bool(each & (Speaker.L | Speaker.R | Speaker.C)) for each in layout.speakers]
    surrounds = mix[[not (low or front) for low, front in zip(lfe, fronts, strict=True)]]
    assert level_db(surrounds, mix[fronts]) < 0


@pytest.mark.parametrize("name", find_layouts())
def test_a_song_stays_as_loud_as_it_is(name: str, stems: Stems) -> None:
    layout = load_layout(name)
    stereo = LoudnessMeter(stems.sample_rate_hz, [1, 1])
    surround = LoudnessMeter(stems.sample_rate_hz, loudness_weights(layout.speakers))
    stereo.add(stems.mixture)
    surround.add(render(stems, layout).sum(axis=0))
    assert abs(surround.integrated_lufs - stereo.integrated_lufs) < 1


@pytest.mark.parametrize("frames", [1, 2, 1023, 4096, 16_383, 16_384, 16_385, 40_000])
@pytest.mark.parametrize("sample_rate_hz", [8000, 44_100, 192_000])
def test_any_length_and_rate(frames: int, sample_rate_hz: int) -> None:
    vocals, other = (make_noise(frames, seed=seed).samples for seed in (0, 1))
    stems = make_stems(vocals, other, sample_rate_hz)
    layout = load_layout("7.1")
    mix = render(stems, layout).sum(axis=0)
    assert mix.shape == (8, frames)
    assert level_db(fold_matrix(layout.speakers) @ mix - stems.mixture, stems.mixture) <= -120


@pytest.mark.parametrize("block_frames", [1, 999, 16_384, 50_000, 100_001])
def test_results_do_not_depend_on_the_size_of_blocks(block_frames: int, noise: Stems) -> None:
    if block_frames == 1:
        noise = next(cut(noise, 20_000))
    layout = load_layout("5.1")
    assert np.array_equal(render(noise, layout, block_frames), render(noise, layout, 1 << 20))


@pytest.mark.parametrize("name", ["5.1", "7.1"])
@pytest.mark.parametrize("level", [1, 3])
def test_the_sum_alone_is_the_sum_of_all(name: str, level: float, noise: Stems) -> None:
    stems = Stems(noise.names, level * noise.samples, level * noise.mixture, 44_100)
    layout = load_layout(name)
    blocks = list(upmix(cut(stems, 50_000), layout, apart=False))
    alone, together = np.concatenate(blocks, axis=-1), render(stems, layout)
    assert len(alone) == 1
    assert level_db(alone[0] - together.sum(axis=0), alone) < -115
    again = np.concatenate(list(upmix(cut(stems, 999), layout, apart=False)), axis=-1)
    assert np.array_equal(again, alone)


def test_where_nothing_is_placed_stereo_stays(noise: Stems) -> None:
    layout = replace(load_layout("5.0"), stems={"default": Placement()})
    (mix,) = np.concatenate(list(upmix(cut(noise, 50_000), layout, apart=False)), axis=-1)
    assert np.array_equal(mix[:2], noise.mixture)
    assert not mix[2:].any()


def test_what_stems_leave_of_the_mixture_stays_in_the_fronts(noise: Stems) -> None:
    lone = Stems(("vocals",), noise.samples[:1], noise.mixture, 44_100)
    placed = render(lone, load_layout("5.1"))
    assert np.allclose(placed[1, :2], noise.samples[1], atol=1e-6)
    assert not placed[1, 2:].any()


def test_vocals_go_to_the_centre_as_far_as_is_said(noise: Stems) -> None:
    vocals, middle = noise.samples[0, 0], slice(10_000, 90_000)
    for width in (0.0, 0.5, 1.0):
        layout = change_layout(load_layout("5.0"), center_width=width)
        center = channel(render(noise, layout).sum(axis=0), layout, "C")
        assert level_db((center - width * vocals / FOLD_GAIN)[middle], vocals[middle]) < -50
    alone = make_stems(noise.samples[0], np.zeros_like(noise.samples[0]))
    hard = render(alone, layout).sum(axis=0)
    assert level_db(hard[:2, middle], alone.mixture[:, middle]) < -50


def test_a_panned_voice_does_not_go_to_the_centre() -> None:
    voice = make_noise(100_000, channels=1).samples * np.array([[1], [0]])
    layout = load_layout("5.1")
    mix = render(make_stems(voice, np.zeros_like(voice)), layout).sum(axis=0)
    assert level_db(channel(mix, layout, "C"), voice) < -50


def test_ambience_goes_to_the_surrounds_and_stays_left_and_right(noise: Stems) -> None:
    layout = load_layout("5.1")
    mix = render(noise, layout).sum(axis=0)
    left, right = channel(mix, layout, "Ls"), channel(mix, layout, "Rs")
    assert level_db(left, noise.samples[1, 0]) > -9
    assert np.corrcoef(left, noise.samples[1, 0])[0, 1] > 0.9
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1
    louder = render(noise, change_layout(layout, surround_change_db=20)).sum(axis=0)
    assert level_db(louder[4:], louder[:2]) < 0  # even where all is ambience and turned up


def test_backs_share_with_sides(noise: Stems) -> None:
    five, seven = (render(noise, load_layout(name)).sum(axis=0) for name in ("5.1", "7.1"))
    assert np.allclose(seven[:4], five[:4], atol=1e-6)
    assert np.allclose(seven[4:6] + seven[6:8], five[4:6], atol=1e-6)


def test_the_lfe_falls_by_24_db_an_octave_and_6_db_at_the_crossover() -> None:
    impulse = np.zeros((2, 1 << 17), np.float32)
    impulse[:, 1000] = 0.5
    layout = change_layout(load_layout("5.1"), lfe="100@-6")
    mix = render(make_stems(np.zeros_like(impulse), impulse), layout).sum(axis=0)
    response = np.abs(np.fft.rfft(channel(mix, layout, "LFE"))) / 0.5
    at_hz = {hz: 20 * np.log10(response[round(hz * (1 << 17) / 44_100)]) for hz in (20, 100, 400)}
    assert at_hz[20] == pytest.approx(-6, abs=0.1)
    assert at_hz[100] == pytest.approx(-12, abs=0.1)
    assert at_hz[400] == pytest.approx(-6 - 48.1, abs=0.5)


@pytest.mark.parametrize("level", [0.9, 1.0, 1.3])
def test_no_channel_is_louder_than_full_scale_unless_the_mixture_is(level: float) -> None:
    time = np.arange(200_000) / 44_100
    voice = np.repeat([level * np.sin(2 * np.pi * 440 * time) * (time > 1)], 2, axis=0)
    room = 0.1 * make_noise(200_000).samples
    stems = make_stems(voice - room, room)
    layout = change_layout(load_layout("5.1"), center_width=1.0)
    mix = render(stems, layout).sum(axis=0)
    peak = np.abs(mix).max()
    assert peak <= max(1, np.abs(stems.mixture).max())
    assert level_db(fold_matrix(layout.speakers) @ mix - stems.mixture, stems.mixture) <= -120
    center = channel(mix, layout, "C")
    assert np.abs(center).max() > 0.95  # as much as fits is moved


def test_only_stereo_can_be_mixed_up() -> None:
    mono = make_noise(100, channels=1).samples
    stems = Stems(("vocals",), mono[np.newaxis], mono, 44_100)
    with pytest.raises(AudioError, match="Only stereo"):
        next(upmix([stems], load_layout("5.1")))


def test_memory_is_flat() -> None:
    block = make_stems(make_noise(1 << 16).samples, make_noise(1 << 16, seed=1).samples)
    peaks = []
    for count in (10, 60):
        tracemalloc.start()
        for _ in upmix(itertools.repeat(block, count), load_layout("7.1")):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]
