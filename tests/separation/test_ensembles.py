"""Ensembles and shifts: what several separations agree on is what the formulas say of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from daw_bridge import Audio, SeparationOptions, Separator
from daw_bridge.audio import join_stems
from daw_bridge.errors import ManifestError, OptionError
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.installing import are_intact
from tests.conftest import level_db, make_noise
from tests.smoothing_models import install, install_ensemble, install_waveform

if TYPE_CHECKING:
    from pathlib import Path

PASSAGE_SAMPLES = {"loud": 20_000, "soft": 30_000, "odd": 7_777}
ZEROS = SeparationOptions(extension="zeros")


@pytest.fixture
def members(home: Path) -> Path:
    """Three models of one layer each, whose stems come in other orders and passages."""
    gains = {
        "loud": {"vocals": 0.9, "drums": 0.4, "other": 0.2},
        "soft": {"vocals": 0.1, "drums": 0.5, "other": 0.3},
        "odd": {"other": 0.7, "vocals": 0.3, "drums": 0.1},
    }
    for name, samples in PASSAGE_SAMPLES.items():
        install_waveform(home, name, gains[name], samples=samples)
    return home


def separate(model: str, mixture: Audio, options: SeparationOptions | None = None) -> np.ndarray:
    """Return the samples of vocals, drums and other."""
    with Separator(model, provider="cpu") as separator:
        stems = separator.separate(mixture, options)
    return np.stack([stems[name].samples for name in ("vocals", "drums", "other")])


def test_a_weighted_mean(members: Path) -> None:
    mixture = make_noise(100_001, sample_rate_hz=48_000)
    name = install_ensemble(members, 'model = "loud"\nweight = 3', 'model = "odd"')
    expected = (3 * separate("loud", mixture, ZEROS) + separate("odd", mixture, ZEROS)) / 4
    assert level_db(separate(name, mixture, ZEROS) - expected, expected) < -120


def test_each_stem_may_have_its_own_weights(members: Path) -> None:
    mixture = make_noise(50_000)
    name = install_ensemble(
        members,
        'model = "loud"\nweight = { vocals = 1, other = 2 }',
        'model = "soft"\nweight = { drums = 5, other = 1 }',
    )
    loud, soft = separate("loud", mixture, ZEROS), separate("soft", mixture, ZEROS)
    expected = np.stack([loud[0], soft[1], (2 * loud[2] + soft[2]) / 3])
    assert level_db(separate(name, mixture, ZEROS) - expected, expected) < -120


def test_a_median(members: Path) -> None:
    mixture = make_noise(50_000)
    each = [f'model = "{name}"' for name in PASSAGE_SAMPLES]
    name = install_ensemble(members, *each, rule="median")
    expected = np.median([separate(name, mixture, ZEROS) for name in PASSAGE_SAMPLES], axis=0)
    assert level_db(separate(name, mixture, ZEROS) - expected, expected) < -120


def test_what_a_member_does_not_make_is_left_to_the_others(members: Path) -> None:
    install_waveform(members, "band", {"drums": 0.6, "bass": 0.2})
    mixture = make_noise(50_000)
    name = install_ensemble(members, 'model = "loud"', 'model = "band"')
    with Separator("band", provider="cpu") as separator:
        band = separator.separate(mixture, ZEROS)["drums"].samples
    expected = separate("loud", mixture, ZEROS)
    expected[1] = (expected[1] + band) / 2
    assert level_db(separate(name, mixture, ZEROS) - expected, expected) < -120


def test_no_member_need_make_what_the_others_leave(members: Path) -> None:
    install_waveform(members, "voice", {"vocals": 0.6, "rest": 0.2})
    install_ensemble(
        members, 'model = "voice"', stems=("vocals", "instrumental"), more="last_is_rest = true"
    )
    mixture = make_noise(50_000)
    with Separator("together", provider="cpu") as separator:
        stems = separator.separate(mixture, ZEROS)
    assert np.array_equal(stems["instrumental"].samples, mixture.samples - stems["vocals"].samples)


EVERY_RULE = ["mean", "median", "median-spectrum", "max-magnitude", "min-magnitude"]


@pytest.mark.parametrize("rule", EVERY_RULE)
@pytest.mark.parametrize("frames", [1, 20_000, 100_000])
def test_the_last_stem_is_what_the_others_leave(members: Path, rule: str, frames: int) -> None:
    name = install_ensemble(members, 'model = "loud"', 'model = "odd"', rule=rule)
    mixture = make_noise(frames, channels=1)
    stems = separate(name, mixture)
    assert stems.shape == (3, 1, frames)
    assert level_db(mixture.samples - stems.sum(axis=0), mixture.samples) < -120


def test_models_of_other_kinds_agree(members: Path, network_path: Path, song: Audio) -> None:
    """The real network of masks and one of signals, whose segments are of other lengths."""
    weights = members / "weights" / network_path.parent.name
    weights.parent.mkdir()
    weights.symlink_to(network_path.parent)
    install_waveform(members, "loud", {"vocals": 0.8, "accompaniment": 0.2})
    name = install_ensemble(
        members,
        'model = "spleeter-2stems"',
        'model = "loud"',
        stems=("vocals", "accompaniment"),
    )
    assert are_intact(load_manifest(name))
    vocals = []
    for model in ("spleeter-2stems", "loud", name):
        with Separator(model, provider="cpu") as separator:
            vocals.append(separator.separate(song)["vocals"].samples)
    masked, smoothed, together = vocals
    assert level_db(together - (masked + smoothed) / 2, together) < -120


@pytest.mark.parametrize("rule", EVERY_RULE)
def test_blocks_do_not_matter(members: Path, rule: str) -> None:
    class Blocks(Audio):
        def blocks(self, start: int = 0, length: int | None = None):  # type: ignore[no-untyped-def]
            for first in range(0, self.frames, 777):
                yield self.samples[:, first : first + 777]

    mixture = make_noise(70_001, sample_rate_hz=48_000)
    name = install_ensemble(members, 'model = "loud"', 'model = "odd"', rule=rule)
    with Separator(name, provider="cpu") as separator:
        whole = separator.separate(mixture)
        streamed = join_stems(separator.stream(Blocks(mixture.samples, 48_000)))
    assert np.array_equal(streamed.samples, whole.samples)


def test_who_has_no_say_is_not_run(members: Path) -> None:
    """A network that fails whenever it runs does no harm where it counts for nothing."""
    manifest = members / "models" / "soft" / "manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("= 30000", "= 30001"), "utf-8")
    name = install_ensemble(
        members,
        'model = "loud"\nweight = { vocals = 1, other = 1 }',
        'model = "soft"\nweight = { drums = 1 }',
    )
    mixture = make_noise(50_000)
    with Separator(name, provider="cpu") as separator:
        separator.separate(mixture, SeparationOptions(stems=("vocals",)))
        with pytest.raises(Exception, match="30001"):
            separator.separate(mixture)


@pytest.mark.parametrize(
    ("members_said", "rule", "message"),
    [
        (['model = "lout"'], "mean", "did you mean 'loud'"),
        (['model = "together"'], "mean", "made of itself: together → together"),
        (['model = "spleeter-2stems"'], "mean", "no member makes 'drums' and has a weight for it"),
        (['model = "spleeter-2stems"\nweight = { drums = 1 }'], "mean", "to have a say in drums"),
        (['model = "loud"\nweight = -1'], "mean", "weight"),
        (['model = "loud"\nweight = { drum = 1 }'], "mean", "weight for 'drum', which is no stem"),
        (
            ['model = "loud"\nweight = { drums = 1 }'],
            "mean",
            "no member makes 'vocals'",
        ),
        (['model = "loud"\nweight = 2'], "median", "'median' counts all alike"),
        (['model = "loud"'], "mode", "mode"),
        ([], "mean", "members: is missing"),
    ],
)
def test_a_broken_ensemble_is_refused(
    members_said: list[str], rule: str, message: str, members: Path
) -> None:
    with pytest.raises(ManifestError, match=message):
        load_manifest(install_ensemble(members, *members_said, rule=rule))


def test_an_ensemble_has_no_ensembles(members: Path) -> None:
    name = install_ensemble(members, 'model = "loud"')
    install(
        members, "above", "ensemble", ("vocals", "drums", "other"), f"[[members]]\nmodel='{name}'"
    )
    with pytest.raises(ManifestError, match="is an ensemble: name its members"):
        load_manifest("above")


@pytest.mark.parametrize("sample_rate_hz", [44_100, 48_000])
def test_shifts_average_separations_of_the_delayed_signal(
    sample_rate_hz: int, separator: Separator, song: Audio
) -> None:
    start = song.samples[:, : 13 * sample_rate_hz]
    shifts = 3
    stems = separator.separate(Audio(start, sample_rate_hz), SeparationOptions(shifts=shifts))
    separations = []
    for turn in range(shifts):
        delay = round(0.5 * turn / shifts * sample_rate_hz)
        delayed = np.pad(start, ((0, 0), (delay, 0)))
        vocals = separator.separate(Audio(delayed, sample_rate_hz))["vocals"].samples
        separations.append(vocals[:, delay:])
    expected = np.mean(separations, axis=0)
    error_db = level_db(stems["vocals"].samples - expected, expected)
    assert error_db < (-120 if sample_rate_hz == 44_100 else -40)
    assert level_db(separations[0] - expected, expected) > error_db + 20  # they do differ
    assert level_db(stems.residual(), start) < -120


def test_shifts_shift_ensembles_too(members: Path) -> None:
    name = install_ensemble(members, 'model = "loud"', 'model = "odd"')
    mixture = make_noise(50_000)
    once, twice = (
        separate(name, mixture, ZEROS),
        separate(name, mixture, SeparationOptions(extension="zeros", shifts=2)),
    )
    assert level_db(twice - once, once) < -120  # these networks do not feel where they are cut


def test_no_shift_is_no_number_of_shifts() -> None:
    with pytest.raises(OptionError, match="Shifts are 1 to 20, not 0"):
        SeparationOptions(shifts=0)
