"""The numbers by which errors are known to clients and in records."""

from __future__ import annotations

from daw_bridge import errors
from daw_bridge.errors import DawBridgeError

_CODES: dict[type[DawBridgeError], int] = {
    DawBridgeError: -1,
    errors.VersionError: -2,
    errors.OptionError: -3,
    errors.AudioError: -4,
    errors.ModelError: -5,
    errors.BusyError: -6,
    errors.Cancelled: -7,
    errors.UnknownJobError: -8,
    errors.ConfinementError: -9,
    errors.UnauthorisedError: -10,
    errors.DiskFullError: -11,
}


def code_of(error: DawBridgeError) -> int:
    """Return the code by which an error is known to clients."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)


def error_of(code: int, message: str) -> DawBridgeError:
    """Return the error that a code stands for."""
    kinds = {known: kind for kind, known in _CODES.items()}
    return kinds.get(code, DawBridgeError)(message)
