"""Fourier transforms of real signals along the last axis, by scipy's PocketFFT.

It transforms several rows at a time and stays in single precision. Only its compiled module is
loaded: ``scipy.fft`` loads much else, which takes longer than all that a separation needs besides.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

_NAME = "scipy.fft._pocketfft.pypocketfft"
_FOLDER = _NAME.split(".")[1:-1]
_UNSCALED, _BY_SIZE = 0, 2  # what the module calls its normalisations


def rfft(samples: NDArray[np.floating[Any]], size: int | None = None) -> NDArray[Any]:
    """Return the half spectra of signals: (…, samples) → (…, size // 2 + 1) of the same precision.

    Args:
        samples: float32 or float64.
        size: signals are followed by zeros up to it; as long as they are by default.
    """
    missing = 0 if size is None else size - samples.shape[-1]
    if missing:
        samples = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])
    spectra: NDArray[Any] = _pocketfft().r2c(samples, (-1,), True, _UNSCALED)
    return spectra


def irfft(spectra: NDArray[np.complexfloating[Any]], size: int) -> NDArray[Any]:
    """Return the signals whose half spectra these are: (…, size // 2 + 1) → (…, size)."""
    samples: NDArray[Any] = _pocketfft().c2r(spectra, (-1,), size, False, _BY_SIZE)
    return samples


def fast_size(size: int) -> int:
    """Return the least size from this one on for which a transform is fast."""
    fast: int = _pocketfft().good_size(size, True)
    return fast


@cache
def _pocketfft() -> ModuleType:
    """Return the module: by itself, or by way of ``scipy.fft`` where it needs what scipy loads."""
    if _NAME not in sys.modules:
        with suppress(ImportError):
            sys.modules[_NAME] = _load_by_itself()
    return sys.modules.get(_NAME) or import_module(_NAME)


def _load_by_itself() -> ModuleType:
    """Load the module from its file.

    Raises:
        ImportError: it is not where it was looked for, or cannot be loaded.
    """
    scipy = find_spec("scipy")
    folders = scipy.submodule_search_locations if scipy else None
    spec = PathFinder.find_spec(_NAME, [str(Path(each, *_FOLDER)) for each in folders or []])
    if spec is None or spec.loader is None:
        raise ImportError(_NAME)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
