"""``stemtool send`` and ``stemtool status``: what is asked of a running server."""

from __future__ import annotations

import json
import secrets
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.files.containers import BITS, CONTAINERS
from daw_bridge.osc.settings import DEFAULT_HOST, is_loopback
from stemtool_cli.options import read_seconds, show_progress
from stemtool_cli.serve import read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.table import Table

    from daw_bridge.osc.client import Client, JobStatus

_SECONDS_BETWEEN_LOOKS = 0.5


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
@click.option("--format", type=click.Choice(CONTAINERS), help="Default: wav.")
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
def send(files: tuple[Path, ...], **choices: Any) -> None:
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
        folder = choices["output"] / file.stem if len(files) > 1 else choices["output"]
        job = f"stemtool-{secrets.token_hex(8)}"
        try:
            stems = _send(file, folder, job, choices)
        except DawBridgeError as error:
            _note_failure(folder, job, error)
            if len(files) == 1:
                raise
            click.echo(f"stemtool: {error}", err=True)
            failures += 1
            continue
        if choices["as_json"]:
            paths = {stem: str(path) for stem, path in stems.items()}
            click.echo(json.dumps({"source": str(file), "outputs": paths}))
        elif not choices["quiet"]:
            click.echo("\n".join(map(str, stems.values())))
    if failures:
        raise click.exceptions.Exit(1)


@click.command()
@_server_options
@click.option("--watch", is_flag=True, help="Keep looking until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, watch: bool, as_json: bool, **choices: Any) -> None:
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

    with _connect(choices) as client:
        if as_json:
            click.echo(json.dumps([job._asdict() for job in client.jobs()], indent=2))
        elif not watch:
            Console().print(_tabulate(client.jobs()))
        else:
            with Live(_tabulate(client.jobs())) as live:
                while True:
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
                    live.update(_tabulate(client.jobs()))


def _connect(choices: dict[str, Any]) -> Client:
    from daw_bridge.osc.client import Client  # keeps --help quick

    host, port = _parse_address(choices["to"])
    name = f"stemtool@{socket.gethostname()}"
    return Client(host, port, token=read_token(choices["token_file"]), name=name)


def _parse_address(text: str | None) -> tuple[str, int | None]:
    if not text:
        return DEFAULT_HOST, None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise OptionError(f"'{text}' is no HOST:PORT, such as 127.0.0.1:9880.")
    return host.strip("[]"), int(port)


def _send(file: Path, folder: Path, job: str, choices: dict[str, Any]) -> dict[str, Path]:
    """Have one file separated; return its stems."""
    from daw_bridge.files.reading import open_audio

    with open_audio(file) as reader:
        rate = reader.sample_rate_hz
    length = choices["length"]
    host, _ = _parse_address(choices["to"])
    is_remote = choices["upload"] or not is_loopback(host)
    options = _protocol_options(choices)
    bar = show_progress(file.name, quiet=choices["quiet"])
    with _connect(choices) as client, _called_off_if_interrupted(job, choices), bar as progress:
        stems = client.run(
            "separate",
            [client.upload(file) if is_remote else file.resolve()],
            "" if is_remote else folder.resolve(),
            model=choices["model"],
            start=round(choices["start"] * rate),
            length=None if length is None else round(length * rate),
            options=options,
            job=job,
            progress=progress and (lambda fraction: progress(round(100 * fraction), 100)),
        )
        return _fetch(client, job, stems, folder, choices) if is_remote else stems


def _fetch(
    client: Client, job: str, stems: dict[str, Path], folder: Path, choices: dict[str, Any]
) -> dict[str, Path]:
    fetched = {stem: folder / path.name for stem, path in stems.items()}
    for path in fetched.values():
        if path.exists() and not choices["overwrite"]:
            raise OptionError(f"{path} exists; --overwrite replaces it.")
    for stem, path in fetched.items():
        client.download(job, stem, path)
    return fetched


@contextmanager
def _called_off_if_interrupted(job: str, choices: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with _connect(choices) as client:  # the other connection may be within a message
            client.cancel(job)
        raise


def _note_failure(folder: Path, job: str, error: DawBridgeError) -> None:
    """Leave a status file where the server could not, for scripts that see nothing else."""
    from daw_bridge.serving.codes import code_of
    from daw_bridge.serving.status import STATUS_NAME, write_status
    from daw_bridge.serving.store import Record
    from daw_bridge.workers.task import Task

    with suppress(OSError):
        if f"job={job}" in (folder / STATUS_NAME).read_text("utf-8").splitlines():
            return
    task = Task(job, "separate", "", (), str(folder))
    write_status(Record(task, "", state="failed", code=code_of(error), message=str(error)))


def _protocol_options(choices: dict[str, Any]) -> dict[str, str]:
    names = ("stems", "format", "bits", "label")
    options = {name: choices[name] for name in names if choices[name]}
    if choices["overwrite"]:
        options["overwrite"] = "1"
    for text in choices["others"]:
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"--set takes KEY=VALUE, not '{text}'.")
        options[name] = value
    return options


def _tabulate(jobs: Sequence[JobStatus]) -> Table:
    from rich.table import Table

    table = Table("job", "state", "done", "client", "folder")
    for job in jobs:
        table.add_row(job.job, job.state, f"{job.progress:.0%}", job.client, job.folder)
    return table
