"""How much can be asked for in one request, whoever asks; more is refused in a sentence."""

from __future__ import annotations

MAX_OVERLAP = 0.95
MAX_CROSS_FADE = 0.5
"""The largest overlap where each segment is cross-faded with the next."""
"""The share of a segment that two have in common: beyond, a third would be there too."""
MAX_SHIFTS = 20
"""Separations that are averaged; in the paper that proposes it, more than 10 gain nothing."""
MAX_WIENER_ITERATIONS = 20
"""Rounds of refinement; one is usual, and after three hardly anything changes."""

MAX_TRACK = 10_000
"""The number of an audio track."""
MAX_SOURCES = 64
"""Files that are the channels of one source."""
MAX_FRAMES = 1 << 53
"""A start or a length; up to here every whole number is a double, as which DAWs send it."""

MAX_NAMES = 64
"""Names in a list of one option."""
MAX_PRESETS = 16
"""Presets that work one after the other; each is a file that is read."""
MAX_NAME_LENGTH = 128
"""Characters of one name: of a stem, with its amount, of a preset, a model or an option."""
MAX_TEXT_LENGTH = 4096
"""Characters of a path, and of any other text."""
MAX_OPTIONS_LENGTH = 16_384
"""Characters of all options together, as the protocol writes them."""
