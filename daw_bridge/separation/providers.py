"""What networks can run on."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Provider: TypeAlias = Literal["auto", "cpu", "cuda"]

PROVIDER_NAMES: tuple[Provider, ...] = get_args(Provider)
"""All that can be asked for; ``auto`` is the best that can be used."""
