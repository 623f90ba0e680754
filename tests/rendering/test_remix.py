from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daw_bridge import Audio, Stems
from daw_bridge.errors import PresetError
from daw_bridge.rendering.effects import Effect
from daw_bridge.rendering.preset import Preset, StemSettings, say
from tests.conftest import level_db, make_noise
from tests.levels import lufs, peak_db
from tests.rendering.conftest import Render
from tests.stems import make_stems

RATE = 44_100


def effect(name: str, **parameters: object) -> Effect:
    return Effect.parse({"effect": name, **parameters}, Path())


def mono(stems: Stems) -> Stems:
    return Stems(stems.names, stems.samples[:, :1], stems.mixture[:1], stems.sample_rate_hz)


def test_an_empty_preset_gives_back_the_song(sung: Stems, render: Render) -> None:
    remix = render(sung, Preset())
    assert remix.shape == sung.mixture.shape
    assert level_db(remix - sung.mixture, sung.mixture) <= -120


@pytest.mark.parametrize("frames", [1, 999, 65_536, 100_000])
def test_blocks_make_no_difference(frames: int, render: Render) -> None:
    stems = make_stems(70_000 if frames > 1 else 2000)
    preset = Preset(
        stems={"bass": StemSettings(chain=(effect("BrickwallLimiter"), effect("Reverb")))},
        bus=(effect("Compressor", threshold_db=-30, ratio=3),),
        tempo=1.25,
    )
    expected = render(stems, preset)
    np.testing.assert_allclose(render(stems, preset, frames), expected, atol=1e-6)


def test_gain_and_mute(render: Render) -> None:
    stems = make_stems()
    remix = render(stems, say({"bass": {"gain_db": -6}, "drums": {"mute": True}}))
    np.testing.assert_allclose(remix, stems.samples[0] * 10 ** (-6 / 20), atol=1e-6)


@pytest.mark.parametrize("pan", [-100, 100])
def test_panned_all_the_way_nothing_is_lost(pan: float, render: Render) -> None:
    """As in the Web Audio API: the side that is left empty goes over to the other."""
    stems = make_stems()
    left, right = render(stems, say({"bass": {"pan": pan}, "drums": {"mute": True}}))
    full, empty = (left, right) if pan < 0 else (right, left)
    np.testing.assert_allclose(full, stems.samples[0].sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(empty, 0, atol=1e-6)


def test_width(render: Render) -> None:
    stems = make_stems()
    mid, side = stems.samples[0].sum(axis=0), stems.samples[0][0] - stems.samples[0][1]
    for width in (0, 50, 200):
        left, right = render(stems, say({"bass": {"width": width}, "drums": {"mute": True}}))
        np.testing.assert_allclose(left + right, mid, atol=1e-6)
        np.testing.assert_allclose(left - right, side * width / 100, atol=1e-6)


def test_stems_stay_aligned_through_effects_that_delay(render: Render) -> None:
    """What a lookahead of 20 ms holds back is made up for: the other stem takes it away again."""
    bass = make_noise(100_000).samples
    stems = Stems(("bass", "drums"), np.stack([bass, -bass]), bass * 0, RATE)
    late = effect("BrickwallLimiter", ceiling_db=0, lookahead_ms=20)
    remix = render(stems, Preset(stems={"bass": StemSettings(chain=(late,))}))
    assert level_db(remix[:, :100_000], bass) < -100


def test_tails_are_kept(render: Render) -> None:
    stems = make_stems()
    echo = effect("Delay", delay_seconds=2, mix=0.5)
    remix = render(stems, Preset(bus=(echo,)))
    assert abs(remix.shape[1] - (stems.mixture.shape[1] + 2 * RATE)) < 10
    assert level_db(remix[:, -RATE:], stems.mixture[:, -RATE:]) == pytest.approx(-6.02, abs=0.1)


def test_a_tail_that_would_never_end_is_faded_out(render: Render) -> None:
    stems = make_stems()
    remix = render(stems, Preset(bus=(effect("Delay", delay_seconds=0.5, feedback=0.99),)))
    assert remix.shape[1] == stems.mixture.shape[1] + 30 * RATE
    assert np.abs(remix[:, -10:]).max() < 1e-3


def test_an_effect_that_rings_on_for_nothing_adds_nothing(render: Render) -> None:
    stems = make_stems()
    remix = render(stems, Preset(bus=(effect("Gain", gain_db=0),)))
    np.testing.assert_allclose(remix, stems.mixture, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "ceiling_db"), [(-30, None), (-23, -1), (-16, -1), (-14, -1), (-12, -0.5)]
)
def test_loudness_is_reached_below_the_ceiling(
    target: float, ceiling_db: float | None, song: Audio, render: Render
) -> None:
    stems = Stems(("all",), song.samples[np.newaxis], song.samples, RATE)
    remix = render(stems, Preset(lufs=target, true_peak_db=ceiling_db))
    assert lufs(remix, RATE) == pytest.approx(target, abs=0.1)
    assert peak_db(remix) <= (ceiling_db or -1)


def test_a_ceiling_alone_leaves_the_rest_as_it_is(song: Audio, render: Render) -> None:
    stems = Stems(("all",), song.samples[np.newaxis], song.samples, RATE)
    np.testing.assert_array_equal(render(stems, Preset(true_peak_db=-1)), song.samples)
    remix = render(stems, Preset(true_peak_db=-6))
    assert -6.3 < peak_db(remix) <= -6
    assert lufs(remix, RATE) == pytest.approx(lufs(song.samples, RATE), abs=1)


def test_silence_has_no_loudness_to_reach(render: Render) -> None:
    silence = np.zeros((1, 2, 1000), np.float32)
    with pytest.raises(PresetError, match="silent or too short"):
        render(Stems(("all",), silence, silence[0], RATE), Preset(lufs=-14))


def test_mono_stays_mono(render: Render) -> None:
    stems = mono(make_stems())
    remix = render(stems, say({"bass": {"gain_db": 6}}, bus=None))
    assert remix.shape == stems.mixture.shape
    with pytest.raises(PresetError, match="is mono"):
        render(stems, say({"bass": {"pan": 6}}))
