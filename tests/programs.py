"""What these tests need and Python cannot install."""

from __future__ import annotations

import ctypes
import os
import shutil
from typing import NoReturn

import pytest

REQUIRE_VARIABLE = "DAW_BRIDGE_REQUIRE_PROGRAMS"

# What Debian and Ubuntu call the package that holds each program or library.
_PACKAGES = {
    "Xvfb": "xvfb",
    "ardour7-lua": "ardour",
    "import": "imagemagick",
    "libfluidsynth.so.3": "libfluidsynth3",
    "oscdump": "liblo-tools",
    "oscsend": "liblo-tools",
    "pd": "puredata-core",
    "ps": "procps",
    "sclang": "supercollider-language",
    "setpriv": "util-linux",
    "systemd-analyze": "systemd",
}


def require(program: str) -> str:
    """Return a program's path; skip the test where it is missing, or fail it where CI insists."""
    return shutil.which(program) or lack(program)


def require_library(name: str) -> ctypes.CDLL:
    """Return a library; skip or fail as :func:`require` does."""
    try:
        return ctypes.CDLL(name)
    except OSError:
        lack(name)


def lack(name: str, package: str = "") -> NoReturn:
    """Skip a test for what is missing, or fail it where CI insists."""
    reason = f"{name} is not installed: apt-get install {package or _PACKAGES.get(name, name)}"
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(f"{reason} ({REQUIRE_VARIABLE}=1 insists)", pytrace=False)
    pytest.skip(reason)
