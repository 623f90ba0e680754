"""The headless server: its sockets, and how it comes and goes."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import structlog
from filelock import FileLock, Timeout

from daw_bridge.errors import ServerError
from daw_bridge.osc.announcement import announce, describe_server, write_announcement
from daw_bridge.osc.audience import Audience
from daw_bridge.osc.connections import Connections
from daw_bridge.osc.datagrams import Datagrams
from daw_bridge.osc.methods import Methods
from daw_bridge.osc.reception import Reception
from daw_bridge.osc.settings import LOCK_FILE, SERVER_FILE
from daw_bridge.serving.dispatcher import Dispatcher
from daw_bridge.serving.folders import Folders
from daw_bridge.serving.housekeeping import keep_house
from daw_bridge.serving.idleness import Idleness
from daw_bridge.serving.inbox import Inbox
from daw_bridge.serving.intake import Intake
from daw_bridge.serving.lanes import make_lanes
from daw_bridge.serving.store import Store
from daw_bridge.serving.uploads import Uploads
from daw_bridge.system import (
    UnawaitedThreads,
    call_on_signals,
    give_back_large_blocks,
    leave_threads,
    tell_systemd,
)
from daw_bridge.workers.worker import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from daw_bridge.osc.settings import ServerSettings

_SECONDS_FOR_OLD_SERVER = 3.0
_SECONDS_FOR_THREADS = 0.5
_SECONDS_FOR_WORKERS = 1.0
_PORTS_TRIED = 20
_MOST_THREADS = 32

log = structlog.get_logger()


def serve(settings: ServerSettings) -> None:
    """Serve until SIGTERM or an interrupt.

    Raises:
        ServerError: the port or the state folder is taken.
        DawBridgeError: a model cannot be loaded, …
    """
    folders = Folders(settings.state, settings.shared, settings.inbox)
    settings.state.chmod(0o700)
    give_back_large_blocks()
    with ExitStack() as stack:
        try:
            stack.enter_context(
                FileLock(settings.state / LOCK_FILE, timeout=_SECONDS_FOR_OLD_SERVER)
            )
        except Timeout as error:
            raise ServerError(
                f"Another server keeps its jobs in {settings.state}; --state names another folder."
            ) from error
        store = Store(folders.jobs)
        stack.callback(store.close)
        asyncio.run(_serve(Server(settings, folders, store), settings))
    leave_threads(_SECONDS_FOR_THREADS)


async def _serve(server: Server, settings: ServerSettings) -> None:
    """Start, say so, wait for a reason to leave, and leave; at once if there is another."""
    asyncio.get_running_loop().set_default_executor(UnawaitedThreads(_MOST_THREADS))
    wishes_to_leave: asyncio.Queue[None] = asyncio.Queue()
    call_on_signals(asyncio.get_running_loop(), partial(wishes_to_leave.put_nowait, None))
    try:
        port = await server.start()
        log.info("ready", host=settings.host, port=port, state=str(settings.state))
        tell_systemd("READY=1")
        server.when_idle(partial(wishes_to_leave.put_nowait, None))
        await wishes_to_leave.get()
    finally:
        server.hide()
        tell_systemd("STOPPING=1")
        log.info("leaving", on_exit=settings.on_exit)
        closing = asyncio.create_task(server.close(finish=settings.on_exit == "finish"))
        asked_again = asyncio.create_task(wishes_to_leave.get())
        await asyncio.wait({closing, asked_again}, return_when=asyncio.FIRST_COMPLETED)
        asked_again.cancel()
        if not closing.done():
            closing.cancel()
            hurrying = asyncio.create_task(server.close(finish=False))
            await asyncio.wait({closing, hurrying}, timeout=_SECONDS_FOR_WORKERS)


class Server:
    """Sockets, workers, and the methods between them.

    Args:
        settings: how to serve.
        folders: where jobs read and write.
        store: what is remembered of jobs.
    """

    def __init__(self, settings: ServerSettings, folders: Folders, store: Store) -> None:
        self._settings = settings
        traffic, has_strangers = settings.traffic, bool(settings.token)
        uploads = Uploads(folders.uploads, settings.limits)
        self._lanes = make_lanes(_tell_workers(settings, folders), settings.jobs)
        self._datagrams = Datagrams(traffic, has_strangers=has_strangers)
        self._audience = Audience(self._datagrams)
        self._connections = Connections(traffic, self._audience, has_strangers=has_strangers)
        self._dispatcher = Dispatcher(
            store,
            self._lanes,
            roots=folders.roots,
            limits=settings.limits,
            listener=self._audience,
        )
        intake = Intake(self._dispatcher, settings.models[0], settings.conditions)
        self._methods = Methods(
            settings,
            folders=folders,
            uploads=uploads,
            dispatcher=self._dispatcher,
            audience=self._audience,
            datagrams=self._datagrams,
            intake=intake,
        )
        days = settings.limits.keep_days
        self._keep_house = partial(keep_house, store, folders, uploads, days=days)
        self._describe = partial(describe_server, settings, folders)
        self._idleness = Idleness(self._dispatcher)
        self._reception = Reception(self._methods, self._idleness)
        self._inbox = Inbox(folders, self._dispatcher, intake, self._idleness)
        self._sockets = ExitStack()
        self._port = 0
        self._announcing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Load the models, open the port, take up old jobs, say where; return the port.

        Raises:
            ServerError: the port is taken.
            DawBridgeError: a model cannot be loaded.
        """
        await asyncio.gather(*(lane.worker.start() for lane in self._lanes))
        self._port = await self._listen()
        self._housekeeping = asyncio.create_task(self._keep_house())
        self._dispatcher.recover()
        self._watching = asyncio.create_task(self._inbox.watch())
        describe = partial(self._describe, self._port)
        write_announcement(self._settings.state, describe())
        self._announcing = asyncio.create_task(announce(self._settings.state, describe))
        return self._port

    async def close(self, *, finish: bool) -> None:
        """Finish or park the work, and close everything."""
        if self._watching:
            self._watching.cancel()
        await self._dispatcher.close(finish=finish)
        self._sockets.close()
        await asyncio.gather(*(lane.worker.kill() for lane in self._lanes))

    def when_idle(self, act: Callable[[], None]) -> None:
        """Call a function once nobody has had work for as long as the settings say."""
        minutes = self._settings.idle_minutes
        if minutes is not None:
            self._waiting = asyncio.create_task(self._idleness.lasts(60 * minutes))
            self._waiting.add_done_callback(lambda _: act())

    def hide(self) -> None:
        """Say no longer where the server is."""
        if self._announcing:
            self._announcing.cancel()
        (self._settings.state / SERVER_FILE).unlink(missing_ok=True)

    # --- sockets

    async def _listen(self) -> int:
        """Open the port for UDP and TCP."""
        host, wanted = self._settings.host, self._settings.port
        for _ in range(_PORTS_TRIED):
            try:
                port = await self._connections.open(host, wanted, self._reception)
                with ExitStack() as on_failure:
                    on_failure.callback(self._connections.close)
                    await self._datagrams.open(host, port, self._reception.take)
                    on_failure.pop_all()
            except OSError as error:
                if wanted and not self._settings.any_port:
                    raise ServerError(
                        f"Port {wanted} of {host} cannot be opened: {error.strerror or error}."
                        " Is a server running already? --port takes another."
                    ) from error
                wanted = 0
                continue
            self._sockets.callback(self._connections.close)
            self._sockets.callback(self._datagrams.close)
            return port
        raise ServerError(f"No port of {host} is free for both UDP and TCP.")


def _tell_workers(settings: ServerSettings, folders: Folders) -> WorkerSettings:
    """Return what the workers are told of the server's settings."""
    return WorkerSettings(
        models=settings.models,
        roots=tuple(map(str, folders.roots)),
        locks=str(folders.locks),
        job_bytes=settings.limits.job_bytes,
        reserve_bytes=settings.limits.reserve_bytes,
        provider=settings.provider,
        precision=settings.precision,
        threads=settings.threads,
    )
