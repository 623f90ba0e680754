"""The methods behind the addresses: what is done for whom."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import structlog

from daw_bridge.bounds import (
    MAX_OPTIONS_LENGTH,
    MAX_TEXT_LENGTH,
)
from daw_bridge.errors import (
    BusyError,
    DawBridgeError,
    OptionError,
    UnauthorisedError,
    UnknownJobError,
    VersionError,
)
from daw_bridge.jobs.choosing import choose_model
from daw_bridge.jobs.requests import SeparateChoices
from daw_bridge.library.catalogue import load_published
from daw_bridge.library.models import load_manifests
from daw_bridge.library.places import find_presets, read_summary
from daw_bridge.osc.addresses import (
    CANCEL,
    CHOOSE,
    DATA,
    DROP,
    GET,
    HELLO,
    JOBS,
    LIST,
    MAJOR,
    MINOR,
    MODELS,
    PIECE,
    PRESETS,
    PUT,
    STATUS,
    SYNC,
    SYNCED,
    find_method,
)
from daw_bridge.osc.audience import announce
from daw_bridge.osc.tokens import HELLO_FIRST, Token
from daw_bridge.osc.transfer import TRANSFER_PREFIX, open_outgoing
from daw_bridge.printing import is_printable
from daw_bridge.serving.intake import check_count, check_id, check_length, check_words
from daw_bridge.serving.store import Record
from daw_bridge.serving.uploads import Upload
from daw_bridge.weights.obtaining import locate_model
from daw_bridge.workers.task import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from daw_bridge.osc.addresses import Argument, Method
    from daw_bridge.osc.audience import Audience
    from daw_bridge.osc.datagrams import Datagrams
    from daw_bridge.osc.messages import Message
    from daw_bridge.osc.peers import Peer
    from daw_bridge.osc.settings import ServerSettings
    from daw_bridge.serving.dispatcher import Dispatcher
    from daw_bridge.serving.folders import Folders
    from daw_bridge.serving.intake import Intake
    from daw_bridge.serving.uploads import Uploads

FEATURES = ":udp:tcp:cancel:progress:transfer:"

_LISTED = 100
_SECONDS_LISTS_ARE_KEPT = 2.0
_ADDRESS = re.compile(r"(?!/stems/)/[!-~]{1,255}")


log = structlog.get_logger()


class Methods:
    """What can be asked of the server.

    Args:
        settings: how to serve.
        folders: where jobs read and write.
        uploads: what clients sent.
        dispatcher: has the jobs run.
        audience: who hears of them.
        datagrams: reaches UDP ports.
        intake: takes jobs in.

    Attributes:
        release: the version of the server.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        folders: Folders,
        uploads: Uploads,
        dispatcher: Dispatcher,
        audience: Audience,
        datagrams: Datagrams,
        intake: Intake,
    ) -> None:
        self._settings = settings
        self._folders = folders
        self._uploads = uploads
        self._dispatcher = dispatcher
        self._audience = audience
        self._datagrams = datagrams
        self._intake = intake
        self._token = Token(settings.token)
        self._models_listed = _Listing(partial(_read_models, settings.models[0]))
        self._presets_listed = _Listing(_read_presets)
        self.release = version("daw-bridge")
        self._handlers: Mapping[Method, Callable[..., Any]] = {
            **{method: partial(self._submit, kind) for kind, method in JOBS.items()},
            HELLO: self._hello,
            MODELS: self._models,
            CHOOSE: self._choose,
            PRESETS: self._presets,
            STATUS: self._status,
            LIST: self._list,
            CANCEL: self._cancel,
            SYNC: self._sync,
            PUT: self._put,
            DATA: self._data,
            DROP: self._drop,
            GET: self._get,
        }

    def call(self, message: Message, peer: Peer) -> Awaitable[None] | None:
        """Do what a message asks for, or return what is to be awaited for it.

        Raises:
            DawBridgeError: it cannot be done.
        """
        if not peer.is_authorised and message.address != HELLO.address:
            raise UnauthorisedError(HELLO_FIRST)
        method = find_method(message.address)
        if method.tcp_only and not peer.is_stream:
            raise OptionError(f"{method.address} is for TCP; datagrams carry no audio.")
        answer: Awaitable[None] | None
        answer = self._handlers[method](peer, *method.take(message.arguments))
        return answer

    def _hello(
        self, peer: Peer, client: str, major: int, _: int, *rest: str
    ) -> Awaitable[None] | None:
        url, token = rest if len(rest) > 1 else (*rest, "")
        if major != MAJOR:
            raise VersionError(f"This server speaks version {MAJOR}.{MINOR}, not {major}.")
        if not self._token.is_said_in(token):
            return self._turn_away(peer, token)
        peer.is_authorised = peer.has_said_hello = True
        peer.name = check_id("A client's name", client) if client else peer.name
        if url:
            peer.divert(self._datagrams.diverted(peer, url))
        peer.reply(HELLO, self.release, MAJOR, MINOR, FEATURES)
        return None

    def _turn_away(self, peer: Peer, token: str) -> Awaitable[None]:
        """Refuse who said another token or none; who guesses hears later, if it is known who."""
        if token and peer.is_stream:
            return self._token.turn_away(peer)
        if token:
            self._token.note(peer)
        raise UnauthorisedError(HELLO_FIRST)

    async def _models(self, peer: Peer, first: int = 0) -> None:
        peer.reply_page(MODELS, await self._models_listed.rows(), first)

    async def _presets(self, peer: Peer, first: int = 0) -> None:
        peer.reply_page(PRESETS, await self._presets_listed.rows(), first)

    async def _submit(self, kind: str, peer: Peer, *arguments: Any) -> None:
        job, model, folder, start, length, options, *paths = arguments
        check_id("A job's name", job)
        check_words(model, [folder, *paths])
        said = _parse_options(options)
        destination = _Destination.take(said, peer, self._datagrams)
        task = Task(
            job=job,
            kind=kind,
            model=model,
            sources=tuple(paths),
            folder=await asyncio.to_thread(self._folder, job, folder),
            start=int(start),
            length=None if length < 0 else int(length),
            options=said,
        )
        record = Record(task, peer.name, reply=destination.peer.url, on_done=destination.on_done)
        try:
            await asyncio.shield(self._queue(record, destination.peer))
        except DawBridgeError as error:
            self._dispatcher.refuse(record, error)
            destination.peer.refuse(error, JOBS[kind].address, job)

    async def _queue(self, record: Record, peer: Peer) -> None:
        """Queue a job, or find it where it was asked for before."""
        record = await self._intake.take(record, self._locate)
        self._audience.admit(record, peer)
        peer.reply(JOBS[record.task.kind], record.task.job, record.state)
        announce(record, peer)

    async def _choose(self, peer: Peer, quality: str, stems: str, options: str = "") -> None:
        said = {**_parse_options(options), "quality": quality, "stems": stems}
        choices = SeparateChoices.parse(said)
        wishes = choices.wishes(choices.stems)
        if not wishes:
            raise OptionError("A model is chosen by a quality: fast, good or best.")
        choice = await asyncio.to_thread(choose_model, wishes, self._settings.conditions)
        model = choice.model
        speed = 1 / model.cost if model.cost else 0.0
        peer.reply(
            CHOOSE,
            model.name,
            ",".join(model.stems),
            int(model.is_here),
            model.size_bytes or 0,
            speed,
            str(choice),
        )

    def _status(self, peer: Peer, job: str) -> None:
        record = self._find(job)
        progress = self._dispatcher.progress(record)
        peer.reply(STATUS, job, record.state, progress, record.message, record.task.folder)

    def _list(self, peer: Peer, first: int = 0) -> None:
        progress = self._dispatcher.progress
        rows = [
            (each.task.job, each.state, progress(each), each.client, each.task.folder)
            for each in self._dispatcher.latest(_LISTED)
        ]
        peer.reply_page(LIST, rows, first)

    def _cancel(self, peer: Peer, job: str) -> None:
        record = self._find(job)
        self._dispatcher.cancel(record)
        peer.reply(CANCEL, job, record.state)

    def _sync(self, peer: Peer, number: int) -> None:
        peer.tell(SYNCED, number)

    async def _put(self, peer: Peer, transfer: str, name: str, size: int, sha256: str) -> None:
        check_id("A transfer's name", transfer)
        upload = Upload(transfer, name, size, sha256)
        received = await asyncio.to_thread(self._uploads.put, upload, peer.host)
        peer.reply(PUT, transfer, received)

    async def _drop(self, peer: Peer, transfer: str) -> None:
        needed = [path for record in self._dispatcher.active() for path in record.task.paths]
        await asyncio.to_thread(self._uploads.drop, transfer, peer.host, needed=needed)
        peer.reply(DROP, transfer)

    async def _data(self, peer: Peer, transfer: str, offset: int, data: bytes) -> None:
        upload = await asyncio.to_thread(self._uploads.add, transfer, offset, data)
        if upload:
            await asyncio.to_thread(self._uploads.finish, upload)
            peer.reply(DATA, transfer, upload.size)

    async def _get(self, peer: Peer, job: str, stem: str, offset: int = 0) -> None:
        record = self._find(job)
        if not record.outcome:
            raise BusyError(
                f"Job {job} is {record.state}; its stems can be fetched once it is done."
            )
        results = record.outcome.results
        if stem not in results:
            raise OptionError(f"Job {job} has no stem {stem}; it has {', '.join(results)}.")
        position = max(offset, 0)
        with open_outgoing(Path(results[stem]), reach=self._folders.reach) as file:
            peer.reply(GET, job, stem, file.size, await asyncio.to_thread(file.sha256))
            while piece := await asyncio.to_thread(file.read_piece, position):
                peer.tell(PIECE, f"{job}/{stem}", position, piece)
                position += len(piece)
                await peer.drained()

    def _find(self, job: str) -> Record:
        record = self._dispatcher.find(job)
        if record is None:
            raise UnknownJobError(f"There is no job {job}.")
        return record

    def _locate(self, path: str) -> str:
        """Return the real path of a source, which may be an upload."""
        if path.startswith(TRANSFER_PREFIX):
            return str(self._uploads.find(path.removeprefix(TRANSFER_PREFIX)))
        return str(self._folders.find(Path(path)))

    def _folder(self, job: str, folder: str) -> str:
        """Return the real path of a job's folder; one of ours where the client names none."""
        own = self._folders.results_of(job)
        return str(self._folders.find(Path(folder)) if folder else own)


class _Listing:
    """The rows of a list, read in a thread and kept for a moment."""

    def __init__(self, read: Callable[[], Sequence[tuple[Argument, ...]]]) -> None:
        self._read = read
        self._rows: Sequence[tuple[Argument, ...]] = ()
        self._are_fresh_until = 0.0
        self._reading = asyncio.Lock()

    async def rows(self) -> Sequence[tuple[Argument, ...]]:
        """Return all rows."""
        async with self._reading:
            now = asyncio.get_running_loop().time()
            if now >= self._are_fresh_until:
                self._rows = await asyncio.to_thread(self._read)
                self._are_fresh_until = now + _SECONDS_LISTS_ARE_KEPT
            return self._rows


def _read_models(default: str) -> list[tuple[Argument, ...]]:
    """Return a row for each model, the default first."""
    models = [*load_manifests(_say_nothing), *load_published(_say_nothing)]
    models.sort(key=lambda each: each.name != default)
    return [
        (
            each.name,
            each.sample_rate_hz,
            ",".join(each.stems),
            each.licence,
            locate_model(each),
            float(sum(source.size_bytes or 0 for source in each.sources[:1])),
        )
        for each in models
    ]


def _say_nothing(_: Exception) -> None:
    """Leave it at what the log was told when the server was started."""


def _read_presets() -> list[tuple[Argument, ...]]:
    return [(name, read_summary(path)) for name, path in find_presets().items()]


class _Destination(NamedTuple):
    """Where a job's events go."""

    peer: Peer
    on_done: tuple[str, str] | None

    @classmethod
    def take(cls, options: dict[str, str], peer: Peer, datagrams: Datagrams) -> _Destination:
        """Take what concerns the events out of a job's options."""
        if url := options.pop("reply", ""):
            peer = datagrams.diverted(peer, url)
        on_done = options.pop("on_done", "")
        if not on_done:
            return cls(peer, None)
        address, _, text = on_done.partition(" ")
        if not _ADDRESS.fullmatch(address) or not is_printable(text):
            raise OptionError("on_done is an address of yours, a space, and a printable string.")
        check_length("The string of on_done", text, MAX_TEXT_LENGTH)
        return cls(peer, (address, text))


def _parse_options(text: str) -> dict[str, str]:
    """Read ``key=value;key=value``; in values, %XX stands for a byte of UTF-8, as in URLs."""
    check_length("The options", text, MAX_OPTIONS_LENGTH)
    options = {}
    pairs = list(filter(None, text.split(";")))
    check_count(pairs)
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise OptionError(f"Options are written key=value;key=value; '{pair:.40}' is not.")
        try:
            options[name.strip()] = said = unquote(value, errors="strict")
        except UnicodeDecodeError as error:
            raise OptionError(f"'{value:.40}' is not UTF-8 once its %XX are read.") from error
        if "\0" in said:
            raise OptionError(f"'{value:.40}' has a %00, which no option takes.")
    return options
