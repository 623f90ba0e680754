"""What licences of weights allow."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daw_bridge.library.manifest import ModelManifest

_FREE = re.compile(
    r"0BSD|(A|L)?GPL-.*|Apache-.*|Artistic-.*|BSD-.*|BSL-.*|CC0-.*|CC-BY(-SA|-ND)?-\d.*|ECL-.*"
    r"|EPL-.*|EUPL-.*|ISC|MIT(-0)?|MPL-.*|ODbL-.*|ODC-By-.*|PDDL-.*|Unlicense|WTFPL|Zlib"
)
"""SPDX identifiers of licences that allow commercial use; others may too, unknown to us."""

_log = logging.getLogger(__name__)


def is_free_for_commercial_use(licence: str) -> bool:
    """Return whether each licence of an SPDX expression is known to allow commercial use."""
    licences = re.split(r" (?:AND|OR) ", re.sub(r"[()]| WITH \S+", "", licence))
    return all(_FREE.fullmatch(each.strip()) for each in licences)


def warn_of_licence(manifest: ModelManifest) -> None:
    """Say so where a model's weights are not known to be free for commercial use."""
    if not is_free_for_commercial_use(manifest.licence):
        _log.warning(
            "The weights of %s are not known to be free for commercial use: their licence is %s.",
            manifest.name,
            manifest.licence,
        )
