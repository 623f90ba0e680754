"""Every error that daw-bridge raises on purpose.

    DawBridgeError
    ├── OptionError        an option or argument that cannot be used
    │   └── PresetError    a preset that is unknown or breaks its rules
    ├── AudioError         a file or an array that cannot be used as audio
    ├── OutputError        a result that cannot be written
    │   └── DiskFullError
    ├── ModelError         a model that is unknown or cannot be used
    │   ├── ManifestError  a manifest that breaks its rules
    │   └── WeightsError   weights that are missing, corrupt or not the pinned ones
    │       └── UnfetchedError  weights that are not here, and could not be had
    ├── ProviderError      a device that cannot run the network
    ├── ServerError        what a server refuses, or a client cannot get
    │   ├── VersionError       the two speak different versions of the protocol
    │   ├── BusyError          a limit is reached; later there may be room
    │   ├── UnknownJobError    no job has this name
    │   ├── ConfinementError   a path outside of the folders that clients may use
    │   ├── UnauthorisedError  the token is missing or wrong
    │   └── ConnectionLostError  the other side cannot be reached, or went away
    ├── DawError           a DAW, its files or its session cannot be used
    ├── WorkerDiedError    the process that did the work ended before its time
    └── Cancelled          the work was called off

Each message is one sentence for a person: what was wrong, where, and what to do. Libraries raise;
only the edges (the command line, the server) render.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class DawBridgeError(Exception):
    """Base of every deliberate error."""


class OptionError(DawBridgeError):
    """An option or argument cannot be used."""


class PresetError(OptionError):
    """A preset is unknown or breaks its rules."""


class AudioError(DawBridgeError):
    """A file or an array cannot be used as audio."""


class OutputError(DawBridgeError):
    """A result cannot be written."""


class DiskFullError(OutputError):
    """There is no room left for a result."""


class ModelError(DawBridgeError):
    """A model is unknown or cannot be used."""


class ManifestError(ModelError):
    """A model's manifest breaks its rules."""


class WeightsError(ModelError):
    """A model's weights are missing, corrupt or not the pinned ones."""


class UnfetchedError(WeightsError):
    """A model's weights are not on this machine, and could not be had.

    Attributes:
        brief: the same for who has chosen a model in a DAW: without addresses and files.
    """

    def __init__(self, message: str, brief: str = "") -> None:
        super().__init__(message)
        self.brief = brief or message

    @classmethod
    def of(cls, model: str, causes: Iterable[str], message: str) -> UnfetchedError:
        """Return the error of a model, with each cause in a few words and the whole message."""
        reasons = " or ".join(dict.fromkeys(causes))
        return cls(
            message,
            f"Model {model} is not on this machine and could not be fetched: {reasons}. `stemtool"
            f" models pull {model}` tries again.",
        )


class ProviderError(DawBridgeError):
    """The device that was asked for cannot run the network."""


class ServerError(DawBridgeError):
    """A server refuses, or a client cannot get what it asked for."""


class VersionError(ServerError):
    """Client and server speak different versions of the protocol."""


class BusyError(ServerError):
    """A limit is reached; later there may be room."""


class UnknownJobError(ServerError):
    """No job has this name."""


class ConfinementError(ServerError):
    """A path is outside of the folders that clients may use."""


class UnauthorisedError(ServerError):
    """The token is missing or wrong."""


class ConnectionLostError(ServerError):
    """The other side cannot be reached, or went away."""


class DawError(DawBridgeError):
    """A DAW, its files or its session cannot be used."""


class WorkerDiedError(DawBridgeError):
    """The process that did the work ended before its time."""


class Cancelled(DawBridgeError):  # noqa: N818 - nothing went wrong
    """The work was called off before it was done."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest known name, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
