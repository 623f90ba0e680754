"""``stemtool send`` and ``stemtool status``: what is asked of a running server."""

from __future__ import annotations

import json
import secrets
import socket
import time
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.files.containers import BITS, CONTAINERS
from daw_bridge.osc.settings import DEFAULT_HOST, is_loopback
from daw_bridge.serving.status import note_failure
from stemtool_cli.options import read_seconds, show_progress
from stemtool_cli.serve import read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from daw_bridge.osc.client import Client, JobStatus

_SECONDS_BETWEEN_LOOKS = 0.5


class _Server(NamedTuple):
    """Which server is meant.

    Attributes:
        to: HOST:PORT; None: the one that runs here.
        token_file: has the token that it wants to hear.
    """

    to: str | None
    token_file: Path | None

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

    model: str
    stems: str | None
    start: float
    length: float | None
    container: str | None
    bits: str | None
    label: str | None
    others: tuple[str, ...]
    overwrite: bool
    upload: bool
    quiet: bool

    @property
    def options(self) -> dict[str, str]:
        """What the protocol calls options."""
        said = {
            "stems": self.stems,
            "format": self.container,
            "bits": self.bits,
            "label": self.label,
            "overwrite": "1" if self.overwrite else None,
        }
        options = {name: value for name, value in said.items() if value}
        for text in self.others:
            name, equals, value = text.partition("=")
            if not equals:
                raise OptionError(f"--set takes KEY=VALUE, not '{text}'.")
            options[name] = value
        return options


def _gathering(
    **kinds: type[_Server | _Wish],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command objects in place of the options that are named as their fields."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def gather(**said: Any) -> None:
            objects = {
                name: kind(**{field: said.pop(field) for field in kind._fields})
                for name, kind in kinds.items()
            }
            command(**said, **objects)

        return gather

    return decorate


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
@click.argument(
    "files", nargs=-1, required=True, metavar="FILES...", type=click.Path(path_type=Path)
)
@click.option(
    "-o", "--output", required=True, metavar="DIR", type=click.Path(path_type=Path),
    help="Folder for the stems; of several files each gets a folder of its own in it.",
)  # fmt: skip
@click.option("-m", "--model", default="", help="Default: the server's.")
@click.option("--stems", metavar="NAMES", help="Which stems, separated by commas. Default: all.")
@click.option(
    "--start", type=read_seconds, default="0", metavar="TIME", help="Where to start: 83.5, 1:23.5."
)
@click.option("--length", type=read_seconds, metavar="TIME", help="How much. Default: to the end.")
@click.option("--format", "container", type=click.Choice(CONTAINERS), help="Default: wav.")
@click.option("--bits", type=click.Choice(BITS), help="For wav and flac. Default: 24.")
@click.option("--label", metavar="TEXT", help="Name the files 'TEXT – STEM'.")  # noqa: RUF001
@click.option(
    "--set", "others", multiple=True, metavar="KEY=VALUE",
    help="Another option of the protocol, such as wiener=1; more than one may be given.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace stems that exist.")
@click.option(
    "--upload", is_flag=True,
    help="Send the audio too and fetch the stems, as is done for a server on another machine.",
)  # fmt: skip
@_server_options
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@_gathering(server=_Server, wish=_Wish)
def send(
    *, files: tuple[Path, ...], output: Path, as_json: bool, server: _Server, wish: _Wish
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
    failures = 0
    for file in files:
        folder = output / file.stem if len(files) > 1 else output
        job = f"stemtool-{secrets.token_hex(8)}"
        try:
            paths = _send(file, folder, job, server, wish)
        except DawBridgeError as error:
            note_failure(folder, job, error)
            if len(files) == 1:
                raise
            click.echo(f"stemtool: {error}", err=True)
            failures += 1
            continue
        if as_json:
            outputs = {stem: str(path) for stem, path in paths.items()}
            click.echo(json.dumps({"source": str(file), "outputs": outputs}))
        elif not wish.quiet:
            click.echo("\n".join(map(str, paths.values())))
    if failures:
        raise click.exceptions.Exit(1)


@click.command()
@_server_options
@click.option("--watch", is_flag=True, help="Keep looking until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_gathering(server=_Server)
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


def _send(file: Path, folder: Path, job: str, server: _Server, wish: _Wish) -> dict[str, Path]:
    """Have one file separated; return its stems."""
    from daw_bridge.files.reading import open_audio

    with open_audio(file) as reader:
        rate = reader.sample_rate_hz
    host, _ = server.address
    is_remote = wish.upload or not is_loopback(host)
    options = wish.options
    bar = show_progress(file.name, quiet=wish.quiet)
    with server.connect() as client, _called_off_if_interrupted(job, server), bar as progress:
        stems = client.run(
            "separate",
            [client.upload(file) if is_remote else file.resolve()],
            "" if is_remote else folder.resolve(),
            model=wish.model,
            start=round(wish.start * rate),
            length=None if wish.length is None else round(wish.length * rate),
            options=options,
            job=job,
            progress=progress and (lambda fraction: progress(round(100 * fraction), 100)),
        )
        if is_remote:
            stems = _fetch(client, job, stems, folder, overwrite=wish.overwrite)
        return stems


def _fetch(
    client: Client, job: str, stems: dict[str, Path], folder: Path, *, overwrite: bool
) -> dict[str, Path]:
    fetched = {stem: folder / path.name for stem, path in stems.items()}
    for path in fetched.values():
        if path.exists() and not overwrite:
            raise OptionError(f"{path} exists; --overwrite replaces it.")
    for stem, path in fetched.items():
        client.download(job, stem, path)
    return fetched


@contextmanager
def _called_off_if_interrupted(job: str, server: _Server) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with server.connect() as client:  # the other connection may be within a message
            client.cancel(job)
        raise


def _tabulate(jobs: Sequence[JobStatus]) -> Table:
    from rich.table import Table

    table = Table("job", "state", "done", "client", "folder")
    for job in jobs:
        table.add_row(job.job, job.state, f"{job.progress:.0%}", job.client, job.folder)
    return table
