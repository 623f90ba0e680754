"""Fourier transforms."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy import fft as reference

from daw_bridge.fft import fast_size, irfft, rfft


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("size", [6, 1000, 4096])
def test_transforms_are_those_of_scipy(precision: type[np.floating], size: int) -> None:
    samples = np.random.default_rng(size).standard_normal((2, 5, 900)).astype(precision)
    samples = samples[..., : min(size, 900)]
    spectra = rfft(samples, size)
    expected = reference.rfft(samples, size)
    assert spectra.dtype == expected.dtype
    assert np.array_equal(spectra, expected)
    assert np.array_equal(irfft(spectra, size), reference.irfft(expected, size))


def test_a_signal_is_as_long_as_it_is_by_default() -> None:
    samples = np.random.default_rng(0).standard_normal((3, 45)).astype(np.float32)
    assert np.array_equal(rfft(samples), reference.rfft(samples))


@pytest.mark.parametrize("size", [1, 7, 4097, 44_100 + 511])
def test_fast_sizes_are_those_of_scipy(size: int) -> None:
    assert fast_size(size) == reference.next_fast_len(size, real=True)


def test_scipy_loads_the_same_module_later_and_nothing_of_it_before() -> None:
    script = (
        "import sys\n"
        "import numpy as np\n"
        "from daw_bridge.fft import rfft\n"
        "rfft(np.ones(8, np.float32))\n"
        "assert 'scipy.fft' not in sys.modules and 'scipy' not in sys.modules\n"
        "from scipy.fft._pocketfft import pypocketfft\n"
        "assert pypocketfft is sys.modules['scipy.fft._pocketfft.pypocketfft']\n"
        "from scipy import fft\n"
        "assert fft.rfft(np.ones(8, np.float32))[0] == 8\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_where_the_module_needs_what_scipy_loads_it_comes_by_way_of_scipy() -> None:
    script = (
        "import sys\n"
        "import numpy as np\n"
        "from daw_bridge import fft\n"
        "fft._FOLDER = ['elsewhere']\n"
        "assert fft.rfft(np.ones(8, np.float32))[0] == 8\n"
        "assert 'scipy.fft' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
