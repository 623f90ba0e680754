"""Standard input, output and error, made fit for every name and for being closed.

What is said to people goes through :func:`show` and :func:`complain`, as files, models and servers
have names from strangers; what is JSON is exact, and does nothing to a terminal either.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import IO

import click

from daw_bridge.printing import printable

_STANDARD = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}
_BYTES_OF_NAMES = "stemtool-bytes-of-names"


def mend_streams() -> None:
    """Make the standard streams fit for use.

    What a name has beyond Unicode is printed as the bytes that it is, and what an encoding lacks
    is escaped. A stream that is closed is opened: files would get its number, and what is printed
    would go into them. Reading or writing it still fails, but on standard error, where nobody
    could be told.
    """
    for number, (name, mode) in _STANDARD.items():
        if getattr(sys, name) is None:
            setattr(sys, name, _open_closed(number, mode))
    codecs.register_error(_BYTES_OF_NAMES, _encode_name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_BYTES_OF_NAMES)


def show(*lines: object) -> None:
    """Print lines for people, each of them one line, whatever is in it."""
    click.echo("\n".join(printable(str(line)) for line in lines))


def complain(sentence: object) -> None:
    """Say what is wrong, a line on standard error."""
    click.echo(f"stemtool: {printable(str(sentence))}", err=True)


def complain_of_usage(error: click.ClickException) -> None:
    """Say what is wrong with a command line, which may name files."""
    said = io.StringIO()
    error.show(said)
    lines = said.getvalue().rstrip().expandtabs().split("\n")
    click.echo("\n".join(map(printable, lines)), err=True)


def _open_closed(number: int, mode: str) -> IO[str]:
    """Open a stream that was closed, the lowest of which the system gives first."""
    wrong_way = os.O_WRONLY if mode == "r" else os.O_RDONLY
    opened = os.open(os.devnull, os.O_WRONLY if number == 2 else wrong_way)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    return open(number, mode, encoding="utf-8", closefd=False)


def _encode_name(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return what stands for text that cannot be encoded, and where to go on."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
