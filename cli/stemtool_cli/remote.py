"""``stemtool send`` and ``stemtool status``: what is asked of a running server."""

from __future__ import annotations

import json
import secrets
import socket
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from daw_bridge.errors import DawBridgeError, OptionError, ServerError
from daw_bridge.files.containers import CONTAINERS
from daw_bridge.osc.settings import DEFAULT_HOST, is_loopback
from daw_bridge.projects.formats import FORMATS
from daw_bridge.serving.status import note_failure
from stemtool_cli.options import (
    AudioPath,
    Display,
    Span,
    bits_option,
    gathered,
    json_option,
    quiet_option,
    span_options,
    strict_option,
    track_option,
    warn_of,
)
from stemtool_cli.serve import read_token
from stemtool_cli.streams import complain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from daw_bridge.jobs.job import Progress
    from daw_bridge.jobs.requests import Excerpt
    from daw_bridge.osc.client import Client, JobStatus

_ENDINGS = tuple(each.ending for each in FORMATS.values())
_SECONDS_BETWEEN_LOOKS = 0.5


class _Server(NamedTuple):
    """Which server is meant.

    Attributes:
        to: HOST:PORT; None: the one that runs here.
        token_file: has the token that it wants to hear.
    """

    to: str | None = None
    token_file: Path | None = None

    @property
    def address(self) -> tuple[str, int | None]:
        """The host, and the port if it was said."""
        if not self.to:
            return DEFAULT_HOST, None
        host, colon, port = self.to.rpartition(":")
        if not colon or not port.isdecimal():
            raise OptionError(f"'{self.to}' is no HOST:PORT, such as 127.0.0.1:9880.")
        return host.strip("[]"), int(port)

    def connect(self) -> Client:
        """Return a connection to it."""
        from daw_bridge.osc.client import Client  # keeps --help quick

        name = f"stemtool@{socket.gethostname()}"
        return Client(*self.address, token=read_token(self.token_file), name=name)


class _Wish(NamedTuple):
    """What is asked of the server for each file, as the options of ``send`` say it."""

    model: str = ""
    stems: str = ""
    minus: str = ""
    format: str = ""
    bits: str = ""
    label: str = ""
    others: tuple[str, ...] = ()
    overwrite: bool = False
    strict: bool = False
    track: int = 1
    upload: bool = False

    @property
    def options(self) -> dict[str, str]:
        """What the protocol calls options."""
        said = {name: getattr(self, name) for name in ("stems", "minus", "format", "bits", "label")}
        options = {name: text for name, text in said.items() if text}
        options |= {name: "1" for name in ("overwrite", "strict") if getattr(self, name)}
        options |= {"track": str(self.track)} if self.track > 1 else {}
        for text in self.others:
            name, equals, value = text.partition("=")
            if not equals:
                raise OptionError(f"--set takes KEY=VALUE, not '{text}'.")
            options[name] = value
        return options


def _server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says which server is meant."""
    to = click.option(
        "--to", metavar="HOST:PORT", help="The server. Default: the one that runs here."
    )
    token_file = click.option(
        "--token-file", metavar="FILE", type=click.Path(path_type=Path),
        help="File with the token that the server wants to hear.",
    )  # fmt: skip
    return to(token_file(command))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...", type=AudioPath())
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(path_type=Path),
    help="Folder for the stems; of several files each gets a folder of its own in it.",
)  # fmt: skip
@click.option("-m", "--model", default="", help="Default: the server's.")
@click.option("--stems", metavar="NAMES", help="Which stems, separated by commas. Default: all.")
@click.option("--minus", metavar="NAMES", help="One stem: all but these, separated by commas.")
@span_options
@click.option("--format", type=click.Choice(CONTAINERS), help="Default: wav.")
@bits_option
@click.option("--label", metavar="TEXT", help="Name the files 'TEXT – STEM'.")  # noqa: RUF001
@click.option(
    "--set", "others", multiple=True, metavar="KEY=VALUE",
    help="Another option of the protocol, such as wiener=1; more than one may be given.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace stems that exist.")
@strict_option
@track_option
@click.option(
    "--upload", is_flag=True,
    help="Send the audio too and fetch the stems, as is done for a server on another machine.",
)  # fmt: skip
@_server_options
@json_option
@quiet_option
@gathered(server=_Server, wish=_Wish, span=Span, display=Display)
def send(
    *,
    files: tuple[Path, ...],
    output: Path,
    server: _Server,
    wish: _Wish,
    span: Span,
    display: Display,
) -> None:
    """Have FILES separated by a running server, and wait for it.

    The server has its models loaded, so that a selection takes a fraction of a second. Where it
    runs on another machine, audio and stems travel over TCP, are checked by their hashes, and go on
    where they were if the connection breaks.

    \b
    Examples:
      stemtool send take.wav -o stems               stems/vocals.wav, stems/accompaniment.wav
      stemtool send take.wav -o stems --start 12.5 --length 8 --label 'Bass DI'
      stemtool send song.flac -o stems --to studio.local:9880 --token-file token.txt
    """
    failures = damaged = 0
    for file in files:
        folder = output / file.stem if len(files) > 1 else output
        job = f"stemtool-{secrets.token_hex(8)}"
        try:
            with display.progress(file.name) as progress:
                excerpt = span.of(file, track=wish.track)
                paths, warnings = _send(excerpt, folder, job, server, wish, progress)
        except DawBridgeError as error:
            note_failure(folder, job, error)
            if len(files) == 1:
                raise
            complain(error)
            failures += 1
            continue
        if display.as_json:
            outputs = {stem: str(path) for stem, path in paths.items()}
            click.echo(json.dumps({"source": str(file), "outputs": outputs}))
        display.say(*paths.values())
        damaged += warn_of(warnings)
    if failures or damaged:
        raise click.exceptions.Exit(1)


@click.command()
@_server_options
@click.option("--watch", is_flag=True, help="Keep looking until interrupted.")
@json_option
@gathered(server=_Server)
def status(*, server: _Server, watch: bool, as_json: bool) -> None:
    """Show the jobs of a running server.

    These are the ones that wait, run, or ended lately.

    \b
    Examples:
      stemtool status
      stemtool status --watch
      stemtool status --to studio.local:9880 --token-file token.txt --json
    """
    from rich.console import Console
    from rich.live import Live

    with server.connect() as client:
        if as_json:
            click.echo(json.dumps([job._asdict() for job in client.jobs()], indent=2))
        elif not watch:
            Console().print(_tabulate(client.jobs()))
        else:
            with Live(_tabulate(client.jobs())) as live:
                while True:
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
                    live.update(_tabulate(client.jobs()))


def _send(
    excerpt: Excerpt,
    folder: Path,
    job: str,
    server: _Server,
    wish: _Wish,
    progress: Progress | None,
) -> tuple[dict[str, Path], list[str]]:
    """Have a part of one file separated; return its stems, and what is wrong with it."""
    warnings: list[str] = []
    (file,) = excerpt.paths
    host, _ = server.address
    is_remote = wish.upload or not is_loopback(host)
    options = wish.options
    for path in [file.resolve()] if is_remote else [file.resolve(), folder.resolve()]:
        _check_name(path)
    with (
        server.connect() as client,
        _uploaded(client, file, server) if is_remote else nullcontext(file.resolve()) as source,
        called_off_if_interrupted(job, server.connect),
    ):
        stems = client.run(
            "separate",
            [source],
            "" if is_remote else folder.resolve(),
            model=wish.model,
            start=excerpt.start,
            length=excerpt.length,
            options=options,
            job=job,
            progress=progress and (lambda fraction: progress(round(100 * fraction), 100)),
            warn=warnings.append,
        )
        if is_remote:
            stems = _fetch(client, job, stems, folder, overwrite=wish.overwrite)
        return stems, warnings


def _check_name(path: Path) -> None:
    """Raise :class:`OptionError` if a path cannot be told to a server, as it is not Unicode."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise OptionError(f"The name {path} is not UTF-8, as a server needs; change it.") from error


@contextmanager
def _uploaded(client: Client, file: Path, server: _Server) -> Iterator[str]:
    """Send a file and give the source to name it by; the server need not keep it afterwards."""
    source = client.upload(file)
    try:
        yield source
    finally:
        # The connection may be within a message.
        with suppress(DawBridgeError), server.connect() as other:
            other.drop(source)


def _fetch(
    client: Client, job: str, stems: dict[str, Path], folder: Path, *, overwrite: bool
) -> dict[str, Path]:
    """Fetch stems into a folder, under their files' names, which the server chose.

    Raises:
        OptionError: a file exists that may not be replaced.
        ServerError: a name is not that of an audio file of its own.
    """
    fetched = {stem: folder / path.name for stem, path in stems.items()}
    _check_fetched(fetched)
    for path in fetched.values():
        if path.exists() and not overwrite:
            raise OptionError(f"{path} exists; --overwrite replaces it.")
    for stem, path in fetched.items():
        client.download(job, stem, path)
    return fetched


def _check_fetched(fetched: dict[str, Path]) -> None:
    """Raise :class:`ServerError` unless stems become audio files, each one of its own."""
    taken: set[str] = set()
    for stem, path in fetched.items():
        name = path.name
        is_known = path.suffix[1:].lower() in CONTAINERS or name.lower().endswith(_ENDINGS)
        if name.startswith(".") or not is_known or name in taken:
            raise ServerError(
                f"The server calls the file of stem {stem} '{name}', which is not the name of an"
                " audio file or a project of its own; nothing was fetched."
            )
        taken.add(name)


@contextmanager
def called_off_if_interrupted(job: str, connect: Callable[[], Client]) -> Iterator[None]:
    """Call a job off if what waits for it is interrupted."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with connect() as client:  # the other connection may be within a message
            client.cancel(job)
        raise


def _tabulate(jobs: Sequence[JobStatus]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from daw_bridge.printing import printable

    table = Table("job", "state", "done", "client", "folder")
    for job in jobs:
        row = (job.job, job.state, f"{job.progress:.0%}", job.client, job.folder)
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
