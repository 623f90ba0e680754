from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
import soundfile

from daw_bridge.errors import PresetError
from daw_bridge.files.flaws import FlawError
from daw_bridge.rendering.effects import Effect, EffectChain, effect_types
from tests.conftest import level_db, make_noise

RATE = 44_100
NEEDS: dict[str, dict[str, object]] = {
    "Convolution": {"impulse_response_filename": "room.wav"},
    "LadderFilter": {"cutoff_hz": 8000},
    "PitchShift": {"semitones": 2},
}


def bursts() -> np.ndarray:
    """Four seconds with a short burst each half second."""
    samples = np.zeros((2, 4 * RATE), np.float32)
    for position in range(RATE // 2, 4 * RATE, RATE // 2):
        samples[:, position : position + 900] = make_noise(900, seed=position).samples * 2
    return samples


def onsets(samples: np.ndarray) -> np.ndarray:
    """Return by how many frames each burst is late."""
    late = []
    for position in range(RATE // 2, 4 * RATE, RATE // 2):
        around = np.abs(samples[0, position - 3000 : position + 3000])
        late.append(int(np.argmax(around > 0.2 * around.max())) - 3000)
    return np.array(late)


def process(tables: list[dict[str, Any]], samples: np.ndarray, folder: Path = Path()) -> np.ndarray:
    effects = [Effect.parse(table, folder) for table in tables]
    chain = EffectChain(effects, channels=len(samples), sample_rate_hz=RATE)
    starts = range(0, samples.shape[1], 50_000)
    blocks = [chain.push(samples[:, start : start + 50_000]) for start in starts]
    while sum(block.shape[1] for block in blocks) < samples.shape[1]:
        blocks.append(chain.push(np.zeros((len(samples), 65_536), np.float32)))
    return np.concatenate(blocks, axis=1)[:, : samples.shape[1]]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    impulse = np.zeros(100, np.float32)
    impulse[0] = 1
    soundfile.write(tmp_path / "room.wav", impulse, RATE, "FLOAT")
    return tmp_path


def test_every_effect_of_pedalboard_is_there() -> None:
    hosts = {"Chain", "ExternalPlugin", "IIRFilter", "Mix", "Pedalboard", "Plugin"}
    hosts |= {"PluginContainer", "VST3Plugin", "AudioUnitPlugin", "_klass"}
    public = {
        name
        for name, kind in vars(pedalboard).items()
        if isinstance(kind, type) and issubclass(kind, pedalboard.Plugin)
    }
    assert set(effect_types()) == public - hosts
    assert len(effect_types()) > 20


@pytest.mark.parametrize("name", sorted(effect_types()))
def test_each_effect_runs_with_its_own_defaults_and_is_not_late(name: str, room: Path) -> None:
    processed = process([{"effect": name, **NEEDS.get(name, {})}], bursts(), room)
    assert np.isfinite(processed).all()
    assert np.abs(processed).max() > 0.01
    assert np.abs(onsets(processed)).max() < 200


@pytest.mark.parametrize("name", sorted(effect_types().keys() - {"Convolution"}))
def test_each_parameter_takes_its_own_default(name: str) -> None:
    for parameter in effect_types()[name].parameters.values():
        default = getattr(effect_types()[name].factory(), parameter.name)
        said = getattr(default, "name", default)
        Effect.parse({"effect": name, parameter.name: said}, Path())


def test_delays_add_up_to_none(room: Path) -> None:
    names = ("MP3Compressor", "BrickwallLimiter", "Resample", "PitchShift")
    chain = [{"effect": name, **NEEDS.get(name, {})} for name in names]
    assert np.abs(onsets(process(chain, bursts(), room))).max() < 200


def test_a_chain_in_blocks_is_the_chain_at_once() -> None:
    noise = make_noise(200_000).samples
    chain: list[dict[str, Any]] = [
        {"effect": "Reverb", "room_size": 0.9},
        {"effect": "Compressor", "threshold_db": -30, "ratio": 4},
        {"effect": "BrickwallLimiter"},
    ]
    whole = noise
    for table in chain:
        whole = Effect.parse(table, Path()).make()(whole, RATE)
    assert level_db(process(chain, noise) - whole, whole) < -120


@pytest.mark.parametrize(
    ("table", "key", "sentence"),
    [
        ({}, "", "an effect says"),
        ({"effect": 3}, "", "an effect says"),
        ({"effect": "Revreb"}, "effect", "did you mean 'Reverb'"),
        ({"effect": "Pedalboard"}, "effect", "there is no effect"),
        ({"effect": "Reverb", "rom_size": 0.3}, "rom_size", "did you mean 'room_size'"),
        ({"effect": "Reverb", "room_size": "big"}, "room_size", "is a number, not 'big'"),
        ({"effect": "Reverb", "room_size": True}, "room_size", "is a number, not True"),
        ({"effect": "Reverb", "room_size": 2}, "room_size", "between 0.0 and 1.0"),
        ({"effect": "Gain", "gain_db": float("nan")}, "gain_db", "not nan"),
        ({"effect": "HighpassFilter", "cutoff_frequency_hz": -5}, "cutoff_frequency_hz", "not -5"),
        ({"effect": "Delay", "feedback": 1}, "feedback", "0 to 0.99"),
        ({"effect": "LadderFilter", "mode": "LPF13"}, "mode", "did you mean 'LPF12'"),
        ({"effect": "BrickwallLimiter", "true_peak": 1}, "true_peak", "true or false"),
        ({"effect": "Convolution"}, "effect", "needs 'impulse_response_filename'"),
        ({"plugin": "/usr/lib/vst3/x.vst3"}, "plugin", "leads out"),
        ({"plugin": "../x.vst3"}, "plugin", "leads out"),
        ({"plugin": "x.vst3"}, "plugin", "there is no file"),
        ({"plugin": 3}, "plugin", "is the name of a file"),
        ({"plugin": "x\0.vst3"}, "plugin", "there is no file"),
        ({"effect": "LadderFilter", "mode": ["LPF12"]}, "mode", "there is no"),
    ],
)
def test_what_cannot_be_used(table: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(FlawError, match=sentence) as raised:
        Effect.parse(table, Path())
    assert raised.value.key == ((key,) if key else ())


def test_a_file_that_is_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "x.vst3").write_text("no plugin")
    effect = Effect.parse({"plugin": "x.vst3"}, tmp_path)
    with pytest.raises(PresetError, match="cannot be used"):
        effect.make()


def test_a_frequency_that_the_sample_rate_cannot_hold() -> None:
    effect = Effect.parse({"effect": "LowpassFilter", "cutoff_frequency_hz": 15_000}, Path())
    with pytest.raises(PresetError, match="audio at 22050 Hz ends at 11025"):
        EffectChain([effect], channels=2, sample_rate_hz=22_050)


def test_a_plugins_links_do_not_lead_out_of_the_presets_folder(tmp_path: Path) -> None:
    """A plugin is code: a preset runs none but what came with it."""
    folder = tmp_path / "presets"
    inner = folder / "X.vst3" / "Contents" / "x.so"
    inner.parent.mkdir(parents=True)
    (tmp_path / "elsewhere.vst3").write_text("code")
    (folder / "link.vst3").symlink_to(tmp_path / "elsewhere.vst3")
    (folder / "ring.vst3").symlink_to(folder / "ring.vst3")
    (folder / "away").symlink_to(tmp_path)
    for name, sentence in (
        ("link.vst3", "leads out of the preset's folder"),
        ("away/elsewhere.vst3", "leads out of the preset's folder"),
        ("ring.vst3", "there is no file"),
    ):
        with pytest.raises(FlawError, match=sentence):
            Effect.parse({"plugin": name}, folder)
    inner.write_text("code")
    (inner.parent / "alias.so").symlink_to(inner)
    assert Effect.parse({"plugin": "X.vst3"}, folder).name == str(folder / "X.vst3")
    inner.unlink()
    inner.symlink_to(tmp_path / "elsewhere.vst3")
    with pytest.raises(FlawError, match="leads out of the preset's folder"):
        Effect.parse({"plugin": "X.vst3"}, folder)


def test_an_impulse_response_is_a_file_of_some_size(tmp_path: Path) -> None:
    (tmp_path / "room.vst3").mkdir()
    with (tmp_path / "huge.wav").open("wb") as file:
        file.truncate((64 << 20) + 1)
    cases = [("room.vst3", "is no file"), ("huge.wav", "has more than 64 MiB")]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        cases.append(("pipe.wav", "is no file"))
    for name, sentence in cases:
        said = {"effect": "Convolution", "impulse_response_filename": name}
        with pytest.raises(FlawError, match=sentence) as raised:
            Effect.parse(said, tmp_path)
        assert raised.value.key == ("impulse_response_filename",)
