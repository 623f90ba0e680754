"""daw-bridge: music source separation for DAWs and shells.

    from daw_bridge import Audio, Separator

    with Separator("spleeter-2stems") as separator:
        stems = separator.separate(Audio.read("song.flac"))
        vocals = stems["vocals"]

What is named in ``__all__`` is the public API. It is loaded when first used, so that a program
which only prints its help does not wait for numerical libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daw_bridge.audio import Audio, Stems
    from daw_bridge.errors import DawBridgeError
    from daw_bridge.separation.options import SeparationOptions
    from daw_bridge.separation.separator import Separator

__all__ = ["Audio", "DawBridgeError", "SeparationOptions", "Separator", "Stems"]

_HOMES = {
    "Audio": "audio",
    "DawBridgeError": "errors",
    "SeparationOptions": "separation.options",
    "Separator": "separation.separator",
    "Stems": "audio",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
