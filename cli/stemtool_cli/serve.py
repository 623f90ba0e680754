"""``stemtool serve``: the server that DAWs talk to."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daw_bridge.errors import OptionError
from daw_bridge.library.places import DEFAULT_MODEL, state_folder
from daw_bridge.osc.settings import DEFAULT_HOST, DEFAULT_PORT, ServerSettings, Traffic
from daw_bridge.printing import printable
from daw_bridge.serving.limits import Limits
from stemtool_cli.options import Engine, gathered, provider_options, quality_options
from stemtool_cli.streams import complain, show

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from daw_bridge.osc.settings import Whereabouts

_MEGABYTE = 1 << 20
_ON_DEMAND, _IN_BACKGROUND = "--on-demand", "--in-background"
_ON_DEMAND_MINUTES = 60.0
_FIRST = ("timestamp", "level", "event")


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True,
    help="Port, for UDP and TCP; 0 takes any that is free.",
)  # fmt: skip
@click.option(
    "--root", "roots", multiple=True, metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that clients may name files in; more than one may be given."
    " Default: your home folder, and what `stemtool daw install --root` added.",
)  # fmt: skip
@click.option(
    "--inbox", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
    help="Folder where a request is a file, for programs that speak no OSC. Default: inbox in the"
    " state folder.",
)  # fmt: skip
@click.option(
    _ON_DEMAND, is_flag=True,
    help="Start the server in the background, unless one answers; return once it is ready.",
)  # fmt: skip
@click.option(
    "--idle-minutes", type=click.FloatRange(0, min_open=True), metavar="N",
    show_default=f"never; {_ON_DEMAND_MINUTES:g} with --on-demand",
    help="Leave when nobody has asked for anything for so long.",
)  # fmt: skip
@click.option(_IN_BACKGROUND, is_flag=True, hidden=True)
@click.option(
    "--token-file", "token", metavar="FILE", type=click.Path(path_type=Path),
    callback=lambda _, __, path: read_token(path),
    help="File with a token that clients must know; needed where others can reach the address.",
)  # fmt: skip
@click.option(
    "-m", "--model", "models", multiple=True, show_default=DEFAULT_MODEL,
    help="Model to load before the port opens; more than one may be given, the first is the"
    " default of clients.",
)  # fmt: skip
@quality_options
@click.option(
    "--jobs", type=click.IntRange(1), default=2, show_default=True,
    help="Jobs that run at a time; of several workers one is kept for selections of up to a"
    " minute.",
)  # fmt: skip
@click.option(
    "--state", metavar="DIR", type=click.Path(path_type=Path),
    help="Where jobs and transfers are kept. Default: stemtool doctor shows it.",
)  # fmt: skip
@click.option(
    "--on-exit", type=click.Choice(["finish", "stop"]), default="finish", show_default=True,
    help="What becomes of running jobs on SIGTERM; what is not finished goes on at the next start.",
)  # fmt: skip
@provider_options
@click.option(
    "--max-queue", "queue", type=click.IntRange(1), default=Limits.queue, show_default=True,
    help="Jobs that wait.",
)  # fmt: skip
@click.option(
    "--max-queue-per-client", "queue_per_client", type=click.IntRange(1),
    default=Limits.queue_per_client, show_default=True, help="Jobs of one client that wait.",
)  # fmt: skip
@click.option(
    "--max-datagram", "datagram_bytes", type=click.IntRange(512, 65507),
    default=Traffic.datagram_bytes, show_default=True, help="Bytes in a UDP packet.",
)  # fmt: skip
@click.option(
    "--max-message", "message_bytes", type=click.IntRange(512), default=Traffic.message_bytes,
    show_default=True, help="Bytes in a TCP packet.",
)  # fmt: skip
@click.option(
    "--max-connections", "connections", type=click.IntRange(1), default=Traffic.connections,
    show_default=True, help="TCP connections at a time.",
)  # fmt: skip
@click.option(
    "--max-transfers", "upload_bytes", type=click.IntRange(1),
    default=Limits.upload_bytes // _MEGABYTE, show_default=True, metavar="MB",
    callback=lambda _, __, megabytes: megabytes * _MEGABYTE,
    help="Size of all uploads together.",
)  # fmt: skip
@click.option(
    "--max-transfers-per-host", "host_upload_bytes", type=click.IntRange(1),
    default=Limits.host_upload_bytes // _MEGABYTE, show_default=True, metavar="MB",
    callback=lambda _, __, megabytes: megabytes * _MEGABYTE,
    help="Size of the uploads from one machine.",
)  # fmt: skip
@click.option(
    "--max-job-size", "job_bytes", type=click.IntRange(1),
    default=Limits.job_bytes // _MEGABYTE, show_default=True, metavar="MB",
    callback=lambda _, __, megabytes: megabytes * _MEGABYTE,
    help="What a job may write: its stems, and as much again or more while it makes them.",
)  # fmt: skip
@click.option(
    "--keep-free", "reserve_bytes", type=click.IntRange(0),
    default=Limits.reserve_bytes // _MEGABYTE, show_default=True, metavar="MB",
    callback=lambda _, __, megabytes: megabytes * _MEGABYTE,
    help="What stays free of each disk that is written to.",
)  # fmt: skip
@click.option(
    "--max-job-time", "job_seconds", type=click.FloatRange(0, min_open=True),
    default=Limits.job_seconds, show_default=True, metavar="SECONDS",
    help="Time that a job may take.",
)  # fmt: skip
@click.option(
    "--keep-days", type=click.FloatRange(0, min_open=True), default=Limits.keep_days,
    show_default=True, help="How long jobs that are over, and uploads, are kept.",
)  # fmt: skip
@click.option("--log-json", is_flag=True, help="Log JSON instead of key=value, a line an event.")
@click.option("-v", "--verbose", is_flag=True, help="Also log what is refused.")
@gathered(limits=Limits, traffic=Traffic, settings=ServerSettings, engine=Engine)
def serve(
    *,
    settings: ServerSettings,
    engine: Engine,
    on_demand: bool,
    in_background: bool,
    log_json: bool,
    verbose: bool,
) -> None:
    """Serve separation to DAWs and other programs, over OSC.

    Models are loaded before the port opens; the log then says "ready", and the file "server" in the
    state folder says where. A job that was accepted survives kill -9 and power cuts: it goes on
    when the server is back. docs/osc.md describes the protocol, docs/clients.md who speaks it.

    \b
    Examples:
      stemtool serve                                for programs of this machine
      stemtool serve --root ~/Music --root /mnt/sessions
      stemtool serve --on-demand                    in the background, unless one runs already
      stemtool serve --quality good                 the best model that keeps up with real time
      stemtool serve --host 0.0.0.0 --token-file token.txt --root /srv/stems
          for other machines too; clients must know the token
    """
    if on_demand:
        found = start_on_demand(sys.argv[1:], settings.state)
        show(f"stemtool serves at {found.host}:{found.port}.")
        return
    from daw_bridge.osc.server import serve as serve_osc

    if in_background:
        settings = _stay_in_background(settings)
    _log_to_stderr(as_json=log_json, verbose=verbose)
    serve_osc(_with_choice(settings, engine))


def start_on_demand(said: Sequence[str] = ("serve",), state: Path | None = None) -> Whereabouts:
    """Return where the server answers; start one in the background where none does.

    Args:
        said: the words of a command line that starts such a server.
        state: the state folder; None: the usual one.

    Raises:
        ServerError: it does not start.
    """
    from daw_bridge.osc.starting import ensure_server  # here, to keep --help quick
    from daw_bridge.system import module_command

    words = [word for word in said if word != _ON_DEMAND]
    command = [*module_command("stemtool_cli"), *words, _IN_BACKGROUND]
    return ensure_server(state or state_folder(), command)


def _stay_in_background(settings: ServerSettings) -> ServerSettings:
    """Let go of the folder that the process was started in; return settings for that life."""
    settings = replace(
        settings,
        any_port=True,
        roots=tuple(map(Path.absolute, settings.roots)),
        state=settings.state.absolute(),
        inbox=settings.inbox and settings.inbox.absolute(),
        idle_minutes=settings.idle_minutes or _ON_DEMAND_MINUTES,
    )
    settings.state.mkdir(0o700, parents=True, exist_ok=True)
    os.chdir(settings.state)
    return settings


def _with_choice(settings: ServerSettings, engine: Engine) -> ServerSettings:
    """Return settings whose default model is the one that a rung of the ladder stands for."""
    source = click.get_current_context().get_parameter_source("models")
    is_named = source is not click.core.ParameterSource.DEFAULT
    engine = replace(
        engine,
        model=settings.models[0] if is_named else "",
        provider=settings.provider,
        threads=settings.threads,
        precision=settings.precision,
    )
    choice = engine.choose(())
    if not choice:
        return settings
    complain(choice)
    return replace(settings, models=(choice.model.name,))


def read_token(path: Path | None) -> str:
    """Return the token in a file, empty where no file is named.

    Raises:
        OptionError: the file cannot be read or is empty.
    """
    if path is None:
        return ""
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"The token file {path} cannot be read: {error}.") from error
    if not token:
        raise OptionError(f"The token file {path} is empty.")
    return token


def _log_to_stderr(*, as_json: bool, verbose: bool) -> None:
    """Log one line an event, as key=value or as JSON."""
    import structlog

    render = (
        [structlog.processors.JSONRenderer()]
        if as_json
        else [_make_printable, structlog.processors.LogfmtRenderer(key_order=_FIRST)]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else logging.INFO
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _make_printable(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Take out of an event what a terminal would obey; line breaks are for who renders it."""
    return {
        key: "\n".join(map(printable, value.split("\n"))) if isinstance(value, str) else value
        for key, value in event.items()
    }
