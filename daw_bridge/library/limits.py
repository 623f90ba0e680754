"""How large a model may be: far beyond every published one, and what a machine still bears."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_STEMS = 64
MAX_LEVELS = 16
"""How deep models may be made of models."""
MAX_COMPONENTS = 64
"""How many models may be loaded for one: those that it is made of, and theirs."""
MAX_OVERLAPS = 64
"""How many windows of a transform may cover a sample; usual are 4 to 16."""
MAX_SEEN = 1 << 28
"""How many numbers a network may be shown, or give, at once: 1 GiB of floats."""

SampleRate = Annotated[int, msgspec.Meta(ge=1000, le=768_000)]
"""The highest is twice what any converter has."""
Channels = Annotated[int, msgspec.Meta(ge=1, le=32)]
Window = Annotated[int, msgspec.Meta(ge=2, le=1 << 16)]
"""A second and a half at 44.1 kHz; UVR's longest is 16384."""
Hop = Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]
Frames = Annotated[int, msgspec.Meta(ge=1, le=1 << 16)]
"""Of a segment: over 20 minutes at Spleeter's hop."""
Context = Annotated[int, msgspec.Meta(ge=0, le=1 << 26)]
Samples = Annotated[int, msgspec.Meta(ge=1, le=1 << 26)]
"""Of a passage: 25 minutes at 44.1 kHz."""
Bins = Annotated[int, msgspec.Meta(ge=1, le=(1 << 15) + 1)]
"""Those of the longest window."""
MedianSize = Annotated[int, msgspec.Meta(ge=1, le=1023)]
"""Of a filter, whose time grows with it; usual are 17 to 31."""
Exponent = Annotated[int, msgspec.Meta(ge=1, le=16)]
Cutoff = Annotated[int, msgspec.Meta(ge=1, le=384_000)]
"""To half the highest sample rate."""
Weight = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
VoiceWeight = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Gain = Annotated[float, msgspec.Meta(gt=0, le=100)]
NoiseEnergy = Annotated[float, msgspec.Meta(gt=0, le=1)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
