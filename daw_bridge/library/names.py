"""What names and texts of a manifest may be: what becomes a file is the name of one on any system.

Such a name leads nowhere else: it has no separators, drives, streams or controls, and none of the
names that Windows keeps for its devices.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from daw_bridge.files.flaws import RULE
from daw_bridge.printing import CONTROLS

_DEVICES = r"(?!(?i:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:[ .]|\Z))"
_UNSEEN = r"\u200b-\u200d\ud800-\udfff"  # beside controls: what joins or parts, and surrogates
_UNFIT_FOR_FILES = rf'{CONTROLS}{_UNSEEN}/\\:*?"<>|'
_NO_DOT_AT_THE_END = r"(?<![. ])\Z"

_MAX_MADE_BYTES = 100
_UNFIT_TO_BE_MADE = re.compile(rf'[{CONTROLS}\ud800-\udfff/\\:*?"<>|]')
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[\d¹²³]) *(\.|$)", re.IGNORECASE)

_MAX_MODEL_NAME = 100
_MAX_FILE_NAME = 200
_MODEL = rf"^{_DEVICES}\w[\w.+-]*{_NO_DOT_AT_THE_END}"
_PART = rf"{_DEVICES}(?![ -])[^{_UNFIT_FOR_FILES},=.]+(?<! )"
_STEM = rf"^{_PART}(?:\.{_PART})*\Z"
_FILE = rf"^{_DEVICES}(?![. -])[^{_UNFIT_FOR_FILES}]+{_NO_DOT_AT_THE_END}"
_PACKAGE = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[0-9][0-9A-Za-z.!+]*\Z"

ModelName = Annotated[
    str,
    msgspec.Meta(
        pattern=_MODEL,
        max_length=_MAX_MODEL_NAME,
        extra={RULE: "is letters, digits and . + - _, and no name that a system keeps"},
    ),
]
Version = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9A-Za-z](?:[0-9A-Za-z._+-]*[0-9A-Za-z])?\Z",
        max_length=64,
        extra={RULE: "is letters, digits and . + - _, as in 1.0.0"},
    ),
]
StemName = Annotated[
    str,
    msgspec.Meta(
        pattern=_STEM,
        min_length=1,
        max_length=64,
        extra={RULE: 'is the name of a stem, and so of a file: without / \\ : * ? " < > | , ='},
    ),
]
"""Of a stem or a part; commas and ``=`` separate them where people name several.

What dots separate is the name of a stem each.
"""
BandwidthName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[\w.+-]+\Z",
        max_length=64,
        extra={RULE: "is the name of a bandwidth: letters, digits and . + - _"},
    ),
]
FileName = Annotated[
    str,
    msgspec.Meta(
        pattern=_FILE,
        max_length=_MAX_FILE_NAME,
        extra={RULE: "is the name of a file, which leads to no other folder"},
    ),
]
GraphName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^{_DEVICES}\w[\w.-]*\.onnx\Z",
        max_length=200,
        extra={RULE: "is the name of a file, which leads to no other folder, and ends in .onnx"},
    ),
]
MemberPath = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(?:{_DEVICES}(?![. -])[^{_UNFIT_FOR_FILES}]+(?<![. ])/)*"
        rf"{_DEVICES}[\w -]+\.(?:mp3|ogg|flac|wav|m4a|opus)\Z",
        max_length=500,
        extra={RULE: "is the path of a song in an archive"},
    ),
]
Requirement = Annotated[
    str,
    msgspec.Meta(
        pattern=_PACKAGE,
        max_length=200,
        extra={RULE: "is a package and its one version, as in name==1.0"},
    ),
]
"""Nothing that pip could take for an option, an address or a folder (PEP 440, PEP 503)."""
Url = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^https?://[^\s{CONTROLS}{_UNSEEN}]+\Z",
        max_length=2000,
        extra={RULE: "is an address of http or https"},
    ),
]
Sha256 = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{64}\Z", extra={RULE: "is a sha256: 64 digits from 0 to 9 and a to f"}
    ),
]
Sha256Beginning = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{8,64}\Z",
        extra={RULE: "is a sha256 or its first 8 digits or more, from 0 to 9 and a to f"},
    ),
]
Line = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^[^{CONTROLS}{_UNSEEN}]*\Z",
        max_length=500,
        extra={RULE: "is one line, without characters that control a terminal or turn text around"},
    ),
]
Text = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(?:[^{CONTROLS}{_UNSEEN}]|[\n\t])*\Z",
        max_length=5000,
        extra={RULE: "is text without characters that control a terminal or turn text around"},
    ),
]


def is_model_name(name: str) -> bool:
    """Return whether a model can have a name."""
    return len(name) <= _MAX_MODEL_NAME and re.match(_MODEL, name) is not None


def is_file_name(name: str) -> bool:
    """Return whether a file can have a name, on any system."""
    return len(name) <= _MAX_FILE_NAME and re.match(_FILE, name) is not None


def fit_for_file(text: str) -> str:
    """Return text as what can begin or be a file's name on every system; empty: there was none.

    What no file can be named is replaced, and what is beyond 100 bytes is left out.
    """
    fit = _UNFIT_TO_BE_MADE.sub("_", text).encode()[:_MAX_MADE_BYTES]
    name = fit.decode(errors="ignore").strip(" .")  # Windows drops both from a name's end
    is_name = name and not _DEVICE.match(name)
    return name if is_name or not text else f"_{name}"
