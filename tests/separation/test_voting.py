"""Votes on spectra: what is decided in each bin, and that nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

from daw_bridge.audio import Stems, join_stems
from daw_bridge.library.members import Rule
from daw_bridge.separation.options import Plan, SeparationOptions
from daw_bridge.separation.voting import Ballot, combine
from tests.conftest import level_db, make_noise
from tests.golden.votes_case import THIN, VOTES, make_versions

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

RATE_HZ = 44_100
FRAMES = 3 * RATE_HZ + 77
SPECTRAL = ["median-spectrum", "max-magnitude", "min-magnitude"]
LOW_HZ, HIGH_HZ = 440.0, 5_000.0


def vote(versions: Sequence[np.ndarray], rule: Rule, *, block: int = 10_000) -> np.ndarray:
    """Return what becomes of versions of one stem, (channels, frames) each."""

    def run(version: np.ndarray) -> Generator[Stems, None, None]:
        for start in range(0, version.shape[1], block):
            part = version[:, start : start + block]
            yield Stems(("stem",), part[np.newaxis], part, RATE_HZ)

    plan = Plan(
        options=SeparationOptions(),
        stems=("stem",),
        given=(0,),
        is_exact=False,
        last_is_rest=False,
        channels=len(versions[0]),
        shown_channels=2,
        overlap=0,
        source_hz=RATE_HZ,
        model_hz=RATE_HZ,
    )
    ballots = [Ballot(run(version), {"stem": 1}) for version in versions]
    return join_stems(combine(ballots, plan, rule)).samples[0]


@pytest.mark.parametrize("rule", get_args(Rule))
def test_votes_are_those_of_the_reference(rule: Rule) -> None:
    golden = np.load(VOTES)[rule]
    assert level_db(vote(make_versions(), rule)[THIN] - golden, golden) < -120


def tone(hz: float, amplitude: float) -> np.ndarray:
    time_s = np.arange(FRAMES) / RATE_HZ
    return np.tile(amplitude * np.sin(2 * np.pi * hz * time_s), (2, 1)).astype(np.float32)


@pytest.mark.parametrize("rule", get_args(Rule))
@pytest.mark.parametrize("frames", [1, 1023, 2048, 32_768, 100_001])
def test_who_agree_are_given_back(rule: Rule, frames: int) -> None:
    stem = make_noise(frames).samples
    assert level_db(vote([stem] * 3, rule) - stem, stem) < -120


def test_each_bin_is_that_of_the_loudest_or_the_quietest() -> None:
    """One hears the low tone well, the other the high one."""
    low, high = tone(LOW_HZ, 0.5), tone(HIGH_HZ, 0.5)
    versions = [low + 0.1 * high, 0.1 * low + high]
    inner = slice(4096, -4096)
    loudest, quietest = vote(versions, "max-magnitude"), vote(versions, "min-magnitude")
    assert level_db((loudest - low - high)[:, inner], low) < -40
    assert level_db((quietest - 0.1 * (low + high))[:, inner], low) < -40


def test_a_median_of_spectra_leaves_out_who_is_alone() -> None:
    stem, wrong = make_noise(FRAMES).samples, tone(LOW_HZ, 0.5)
    assert level_db(vote([stem, stem + wrong, stem], "median-spectrum") - stem, stem) < -120


@pytest.mark.parametrize("rule", SPECTRAL)
def test_blocks_do_not_matter(rule: Rule) -> None:
    versions = [make_noise(FRAMES, seed=seed).samples for seed in range(3)]
    assert np.array_equal(vote(versions, rule), vote(versions, rule, block=777))


def test_a_mean_of_spectra_is_that_of_signals() -> None:
    """So there is no rule of its own for it: transforms are linear."""
    versions = [make_noise(FRAMES, seed=seed).samples for seed in range(2)]
    middle = vote(versions, "median-spectrum")  # of two, it is the mean
    assert level_db(middle - vote(versions, "mean"), middle) < -120
