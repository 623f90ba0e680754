"""The methods behind the addresses, and what clients hear of their jobs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import msgspec
import structlog

from daw_bridge.errors import (
    BusyError,
    DawBridgeError,
    OptionError,
    UnauthorisedError,
    UnknownJobError,
    VersionError,
)
from daw_bridge.files.hashing import sha256_of
from daw_bridge.library.places import find_presets, read_summary
from daw_bridge.osc.addresses import DATA, DONE, PROGRESS, REPLY, STEM, SYNCED, find_method
from daw_bridge.osc.transfer import TRANSFER_PREFIX, Upload, read_pieces
from daw_bridge.serving.codes import code_of, error_of
from daw_bridge.serving.status import write_status
from daw_bridge.serving.store import Record
from daw_bridge.workers.confinement import confine
from daw_bridge.workers.task import KINDS, OUTCOME_NAME, Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from daw_bridge.library.manifest import ModelManifest
    from daw_bridge.osc.messages import Message
    from daw_bridge.osc.peers import Datagrams, Peer
    from daw_bridge.osc.settings import ServerSettings
    from daw_bridge.osc.transfer import Transfers
    from daw_bridge.serving.dispatcher import Dispatcher
    from daw_bridge.serving.store import Store

MAJOR, MINOR = 1, 0
FEATURES = ":udp:tcp:cancel:progress:transfer:"

_LISTED = 100
_HELLO_FIRST = "Say /stems/hello with the server's token first."
_ID = re.compile(r"[^\x00-\x1f\x7f/]{1,128}")

log = structlog.get_logger()


class Methods:
    """What can be asked of the server, and what it says of itself.

    Attributes:
        release: the version of the server.
        dispatcher: has the jobs run; set before anything is asked.
        datagrams: reaches UDP ports; set likewise.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        manifests: Sequence[ModelManifest],
        roots: Sequence[Path],
        results: Path,
        store: Store,
        transfers: Transfers,
    ) -> None:
        self._settings = settings
        self._manifests = manifests
        self._roots = roots
        self._results = results
        self._store = store
        self._transfers = transfers
        self._peers: dict[str, Peer] = {}
        self.release = version("daw-bridge")
        self.dispatcher: Dispatcher
        self.datagrams: Datagrams
        self._handlers: Mapping[str, Callable[..., Any]] = {
            **{f"/stems/{name}": partial(self._submit, name) for name in KINDS},
            "/stems/hello": self._hello,
            "/stems/models": self._models,
            "/stems/presets": self._presets,
            "/stems/status": self._status,
            "/stems/list": self._list,
            "/stems/cancel": self._cancel,
            "/stems/sync": self._sync,
            "/stems/put": self._put,
            DATA: self._data,
            "/stems/get": self._get,
        }

    def call(self, message: Message, peer: Peer) -> Awaitable[None] | None:
        """Do what a message asks for, or return what is to be awaited for it.

        Raises:
            DawBridgeError: it cannot be done.
        """
        method = find_method(message.address)
        if method.tcp_only and not peer.is_stream:
            raise OptionError(f"{method.address} is for TCP; datagrams carry no audio.")
        if self._settings.token and not peer.is_authorised and method.name != "hello":
            raise UnauthorisedError(_HELLO_FIRST)
        answer: Awaitable[None] | None
        answer = self._handlers[method.address](peer, *method.take(message.arguments))
        return answer

    # --- what clients hear

    def changed(self, record: Record) -> None:
        """Tell whoever asked for a job that it has a new state."""
        job = record.task.job
        details = {"error": record.message} if record.code else {}
        log.info(f"job {record.state}", job=job, client=record.client, **details)
        if record.is_over and (peer := self._peer_of(record)):
            self._announce(record, peer)
            self._peers.pop(job, None)

    def progressed(self, record: Record, fraction: float) -> None:
        """Tell whoever asked for a job how far it is."""
        if peer := self._peer_of(record):
            peer.send(PROGRESS, "sfs", record.task.job, fraction, "separating")

    def left(self, peer: Peer) -> None:
        """Forget a peer whose connection is gone."""
        self._peers = {job: each for job, each in self._peers.items() if each is not peer}

    def awaits(self, peer: Peer) -> bool:
        """Return whether a peer has jobs that are not over."""
        return peer in self._peers.values()

    def _announce(self, record: Record, peer: Peer) -> None:
        """Say what came of a job, if anything has."""
        job = record.task.job
        if record.outcome:
            stems = record.outcome.stems
            for index, (stem, path) in enumerate(stems.items()):
                peer.send(STEM, "siiss", job, index, len(stems), stem, path)
            peer.send(DONE, "sis", job, len(stems), str(Path(record.task.folder) / OUTCOME_NAME))
        elif record.code:
            peer.refuse(error_of(record.code, record.message), f"/stems/{record.task.kind}", job)
        if record.is_over and record.on_done:
            address, text = record.on_done
            peer.send(address, "s", text)

    def _peer_of(self, record: Record) -> Peer | None:
        """Return who is to hear of a job, None where nobody can be reached."""
        peer = self._peers.get(record.task.job)
        if peer is None and record.reply:
            peer = self._peers[record.task.job] = self.datagrams.peer_at(record.reply)
        return peer

    # --- what clients ask for

    def _hello(self, peer: Peer, client: str, major: int, _: int, *rest: str) -> None:
        url, token = rest if len(rest) > 1 else (*rest, "")
        if major != MAJOR:
            raise VersionError(f"This server speaks version {MAJOR}.{MINOR}, not {major}.")
        wanted = self._settings.token
        if wanted and not hmac.compare_digest(token.encode(), wanted.encode()):
            raise UnauthorisedError(_HELLO_FIRST)
        peer.is_authorised = True
        if url:
            peer.divert(self.datagrams.diverted(peer, url))
        peer.name = _check_id("A client's name", client) if client else peer.name
        peer.send(REPLY, "ssiis", "/stems/hello", self.release, MAJOR, MINOR, FEATURES)

    def _models(self, peer: Peer) -> None:
        for each in self._manifests:
            stems = ",".join(each.stems)
            row = (each.name, each.sample_rate_hz, stems, each.licence)
            peer.send(REPLY, "ssiss", "/stems/models", *row)
        peer.send(DONE, "sis", "/stems/models", len(self._manifests), "")

    def _presets(self, peer: Peer) -> None:
        presets = find_presets()
        for name, path in presets.items():
            peer.send(REPLY, "sss", "/stems/presets", name, read_summary(path))
        peer.send(DONE, "sis", "/stems/presets", len(presets), "")

    def _submit(self, kind: str, peer: Peer, *arguments: Any) -> None:
        job, model, folder, start, length, options, *paths = arguments
        _check_id("A job's name", job)
        said = _parse_options(options)
        destination = _Destination.take(said, peer, self.datagrams)
        task = Task(
            job=job,
            kind=kind,
            model=model or self._settings.models[0],
            sources=tuple(paths),
            folder=self._folder(job, folder),
            start=int(start),
            length=None if length < 0 else int(length),
            options=said,
        )
        record = Record(task, peer.name, reply=destination.peer.url, on_done=destination.on_done)
        try:
            self._queue(record, destination.peer)
        except DawBridgeError as error:
            if not self.dispatcher.is_used(task.folder):
                record.state, record.code, record.message = "failed", code_of(error), str(error)
                write_status(record)
            destination.peer.refuse(error, f"/stems/{kind}", job)

    def _queue(self, record: Record, peer: Peer) -> None:
        """Queue a job, or find it where it was asked for before."""
        sources = tuple(self._locate(path) for path in record.task.sources)
        record.task = task = msgspec.structs.replace(record.task, sources=sources)
        known = self.dispatcher.find(task.job)
        if known and known.task != task:
            raise OptionError(f"There is another job {task.job}; give this one another name.")
        record = known or record
        if not known:
            self.dispatcher.accept(record)
        if not record.is_over:
            self._peers[task.job] = peer
        peer.send(REPLY, "sss", f"/stems/{task.kind}", task.job, record.state)
        self._announce(record, peer)

    def _status(self, peer: Peer, job: str) -> None:
        record = self._find(job)
        progress = self.dispatcher.progress(record)
        row = (job, record.state, progress, record.message, record.task.folder)
        peer.send(REPLY, "sssfss", "/stems/status", *row)

    def _list(self, peer: Peer) -> None:
        records = {record.task.job: record for record in self._store.latest(_LISTED)}
        records |= {record.task.job: record for record in self.dispatcher.active()}
        for job, record in records.items():
            progress = self.dispatcher.progress(record)
            row = (job, record.state, progress, record.client, record.task.folder)
            peer.send(REPLY, "sssfss", "/stems/list", *row)
        peer.send(DONE, "sis", "/stems/list", len(records), "")

    def _cancel(self, peer: Peer, job: str) -> None:
        record = self._find(job)
        self.dispatcher.cancel(record)
        peer.send(REPLY, "sss", "/stems/cancel", job, record.state)

    def _sync(self, peer: Peer, number: int) -> None:
        peer.send(SYNCED, "i", number)

    def _put(self, peer: Peer, transfer: str, name: str, size: int, sha256: str) -> None:
        _check_id("A transfer's name", transfer)
        received = self._transfers.put(Upload(transfer, name, size, sha256))
        peer.send(REPLY, "ssh", "/stems/put", transfer, received)

    async def _data(self, peer: Peer, transfer: str, offset: int, data: bytes) -> None:
        upload = self._transfers.add(transfer, offset, data)
        if upload:
            await asyncio.to_thread(self._transfers.finish, upload)
            peer.send(REPLY, "ssh", DATA, transfer, upload.size)

    async def _get(self, peer: Peer, job: str, stem: str, offset: int = 0) -> None:
        record = self._find(job)
        if not record.outcome:
            raise BusyError(
                f"Job {job} is {record.state}; its stems can be fetched once it is done."
            )
        if stem not in record.outcome.stems:
            raise OptionError(
                f"Job {job} has no stem {stem}; it has {', '.join(record.outcome.stems)}."
            )
        path = Path(record.outcome.stems[stem])
        try:
            digest, size = await asyncio.to_thread(sha256_of, path), path.stat().st_size
        except OSError as error:
            raise OptionError(f"{path} cannot be read any more: {error.strerror}.") from error
        peer.send(REPLY, "ssshs", "/stems/get", job, stem, size, digest)
        for position, piece in read_pieces(path, max(offset, 0)):
            peer.send(DATA, "shb", f"{job}/{stem}", position, piece)
            await peer.drained()

    # --- what they need

    def own_folder(self, job: str) -> Path:
        """Return where the results of a job go that names no folder."""
        return self._results / hashlib.sha256(job.encode()).hexdigest()

    def _find(self, job: str) -> Record:
        record = self.dispatcher.find(job)
        if record is None:
            raise UnknownJobError(f"There is no job {job}.")
        return record

    def _locate(self, path: str) -> str:
        """Return the real path of a source, which may be an upload."""
        if path.startswith(TRANSFER_PREFIX):
            return str(self._transfers.find(path.removeprefix(TRANSFER_PREFIX)))
        return str(confine(Path(path), self._roots))

    def _folder(self, job: str, folder: str) -> str:
        """Return the real path of a job's folder; one of ours where the client names none."""
        if folder:
            return str(confine(Path(folder), self._roots))
        return str(self.own_folder(job))


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
        if not address.startswith("/") or address.startswith("/stems/"):
            raise OptionError("on_done is an address of yours, a space, and a string.")
        return cls(peer, (address, text))


def _parse_options(text: str) -> dict[str, str]:
    """Read ``key=value;key=value``; in values, %XX stands for a character, as in URLs."""
    options = {}
    for pair in filter(None, text.split(";")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise OptionError(f"Options are written key=value;key=value; '{pair:.40}' is not.")
        try:
            options[name.strip()] = unquote(value, errors="strict")
        except UnicodeDecodeError as error:
            raise OptionError(f"'{value:.40}' is not UTF-8 once its %XX are read.") from error
    return options


def _check_id(what: str, name: str) -> str:
    if not _ID.fullmatch(name):
        raise OptionError(f"{what} is 1 to 128 printable characters without '/'.")
    return name
