"""The ``stemtool`` command: what all of its subcommands share."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pkgutil import resolve_name
from typing import TYPE_CHECKING, NoReturn

import click

from daw_bridge.errors import Cancelled, DawBridgeError, OptionError
from daw_bridge.printing import log_lines
from stemtool_cli.streams import complain, complain_of_usage, mend_streams

if TYPE_CHECKING:
    from types import FrameType

_MODULES = {name: name for name in (
    "separate", "remix", "upmix", "project", "info", "serve", "daw", "presets", "models", "train",
    "evaluate", "cache", "doctor",
)} | {"send": "remote", "status": "remote"}  # fmt: skip
"""Where each command is."""
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
_ENDS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
]  # Windows has no SIGHUP


class _Commands(click.Group):
    """Loads a command when it is asked for: most of a start is what commands load."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands, as help has them."""
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command; None: there is no such one."""
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = resolve_name(f"stemtool_cli.{module}:{cmd_name}")
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has its own help: stemtool COMMAND --help.",
)
@click.version_option(package_name="daw-bridge", message="stemtool %(version)s")
def stemtool() -> None:
    """Take music apart into stems: exactly, fast, in flat memory.

    \b
    Examples:
      stemtool separate song.flac -o stems          vocals and accompaniment of a song
      stemtool separate *.mp3 -o stems --stems vocals --format flac
      stemtool remix song.flac -o karaoke.flac --preset karaoke
      stemtool upmix song.flac -o song-5.1.wav
      stemtool project stems/song --to dawproject   stems on tracks of a project that DAWs open
      stemtool info film.mkv                        what is read of a file: tracks, length, damage
      stemtool daw install ardour                   stems on tracks, at the press of a key
      stemtool serve                                what DAWs and other programs talk to
      stemtool evaluate --data songs                how good a model is, on songs with known stems
      stemtool doctor                               what is installed, what is missing
    """


def main() -> NoReturn:
    """Run ``stemtool`` and exit; an error is one sentence on standard error."""
    mend_streams()
    log_lines("stemtool: %(message)s")
    _heed_signals()
    code = EXIT_FAILURE
    with suppress(OSError):  # standard error cannot be written, so nothing can be said
        code = _run()
    _leave(code)


def _run() -> int:
    """Run the command, say what went wrong, and return the exit status."""
    try:
        code = stemtool.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        complain_of_usage(error)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt, Cancelled):
        complain("interrupted; nothing was left half done.")
        code = EXIT_INTERRUPTED
    except DawBridgeError as error:
        complain(error)
        code = EXIT_USAGE if isinstance(error, OptionError) else EXIT_FAILURE
    except BrokenPipeError:  # the reader of our output is gone
        code = EXIT_FAILURE
    except OSError as error:
        what = error.filename or "standard output"  # of which the system names no file
        complain(f"{what} cannot be used: {error.strerror or error}.")
        code = EXIT_FAILURE
    return int(code)


def _leave(code: int) -> NoReturn:
    """Exit at once: the system takes a network's memory back sooner than its destructors do."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _heed_signals() -> None:
    """Have the signals that end a process run :func:`_terminate`; nohup's is not heeded."""
    for number in _ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminate)


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    """Leave as on an interrupt, through every ``with`` block, so that no partial file stays."""
    for each in _ENDS:  # a terminal that is closed sends more than one
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)
