"""Make the golden file of votes: what audio-separator 0.47.1 makes of versions of a stem.

PYTHONPATH=. PYTHON tests/golden/generate_votes.py, with a PYTHON that has audio-separator[cpu]
"""

from __future__ import annotations

import logging
from importlib import import_module

import numpy as np

from tests.golden.votes_case import RULES, THIN, VOTES, make_versions


def main() -> None:
    """Make the golden file."""
    ensembler = import_module("audio_separator.separator.ensembler").Ensembler
    made = {
        rule: ensembler(logging.getLogger(), algorithm).ensemble(make_versions())[THIN]
        for rule, algorithm in RULES.items()
    }
    np.savez_compressed(VOTES, **{rule: each.astype(np.float32) for rule, each in made.items()})


if __name__ == "__main__":
    main()
