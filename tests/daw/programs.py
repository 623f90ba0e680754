"""Programs that these tests drive and Python cannot install."""

from __future__ import annotations

import os
import shutil

import pytest

REQUIRE_VARIABLE = "DAW_BRIDGE_REQUIRE_DAWS"

# What Debian and Ubuntu call the package that holds each program.
_PACKAGES = {
    "Xvfb": "xvfb",
    "ardour7-lua": "ardour",
    "import": "imagemagick",
    "lua5.4": "lua5.4",
    "oscdump": "liblo-tools",
    "oscsend": "liblo-tools",
    "pd": "puredata-core",
    "sclang": "supercollider-language",
}


def require(program: str) -> str:
    """Return a program's path; skip the test where it is missing, or fail it where CI insists."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed: apt-get install {_PACKAGES.get(program, program)}"
        if os.environ.get(REQUIRE_VARIABLE) == "1":
            pytest.fail(f"{reason} ({REQUIRE_VARIABLE}=1 insists)", pytrace=False)
        pytest.skip(reason)
    return path
