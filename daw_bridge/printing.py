"""Text that strangers wrote, fit for a terminal and for one line of a log.

Names of files, tags, manifests, requests and what a server answers may hold anything: line breaks
that forge a line, escapes that a terminal obeys, and marks that turn around what follows them.
"""

from __future__ import annotations

import logging
import re

CONTROLS = (
    r"\x00-\x1f\x7f-\x9f"  # C0 with ESC, DEL, and C1 with CSI
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # of bidirectional text: Unicode annex 9, 2
    r"\u2028\u2029"  # line and paragraph separators
    r"\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # nothing to be seen
)
"""The characters that do something other than being seen, as a regular expression's class."""

_CONTROL = re.compile(f"[{CONTROLS}]")
_UNFIT_FOR_XML = re.compile(rf"[{CONTROLS}\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    r"""Return text on one line that does nothing: ``\x1b[2J`` in place of clearing the screen.

    What a name has beyond Unicode stays; to print it is up to the stream.
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def plain(text: str) -> str:
    """Return text on one line, of characters that can be seen and that XML allows."""
    return _UNFIT_FOR_XML.sub(" ", text)


def is_printable(text: str) -> bool:
    """Tell whether text stays as it is where it is printed."""
    return not _CONTROL.search(text)


class LineFormatter(logging.Formatter):
    """Formats what is logged as one line each, whoever wrote what it tells of."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - that of logging
        """Return the line; a stack trace, which is ours, may follow it."""
        return printable(super().formatMessage(record))


def log_lines(form: str) -> None:
    """Have what is logged printed on standard error, from information on, a line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
