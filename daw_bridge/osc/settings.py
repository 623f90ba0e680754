"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from daw_bridge.errors import OptionError
from daw_bridge.library.places import DEFAULT_MODEL, state_folder
from daw_bridge.library.roots import listed_roots
from daw_bridge.serving.limits import Limits

if TYPE_CHECKING:
    from daw_bridge.library.costs import Conditions
    from daw_bridge.separation.providers import Precision, Provider

OnExit: TypeAlias = Literal["finish", "stop"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9880
SERVER_FILE = "server"
"""In the state folder while a server runs; says where, as key=value lines."""
LOCK_FILE = "lock"
"""In the state folder; held by the server while it runs."""
_MIN_TOKEN_LENGTH = 16

_log = logging.getLogger(__name__)


class Whereabouts(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True)
class Traffic:
    """What may come through the sockets; more gets an error.

    Attributes:
        datagram_bytes: size of a UDP packet.
        message_bytes: size of a TCP packet.
        connections: TCP connections at a time.
    """

    datagram_bytes: int = 16_384
    message_bytes: int = 1 << 20
    connections: int = 256


@dataclass(frozen=True)
class ServerSettings:
    """How to serve.

    Attributes:
        host: the address to listen on.
        port: for UDP and TCP; 0: any that is free.
        any_port: take any that is free where that one is taken.
        roots: the folders that clients may name files in; empty: the user's home, and those that
            the state folder lists.
        token: what clients must know; empty: nothing.
        models: what is loaded before the port opens; the first is the default model.
        jobs: how many run at a time. Where it is two or more, one worker is for short jobs.
        state: where jobs and uploads are kept.
        inbox: the folder that requests are put into as files; None: one in the state folder.
        idle_minutes: how long to stay where nobody has work; None: for ever.
        on_exit: what becomes of running jobs when the server is asked to leave.
        provider: as :class:`~daw_bridge.Separator` takes it.
        precision: as :class:`~daw_bridge.Separator` takes it.
        threads: as :class:`~daw_bridge.Separator` takes it.
        limits: what clients can use up.
        traffic: what they can send at a time.

    Raises:
        OptionError: others can reach the address and there is no token, or it is too short.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    any_port: bool = False
    roots: tuple[Path, ...] = ()
    token: str = ""
    models: tuple[str, ...] = (DEFAULT_MODEL,)
    jobs: int = 2
    state: Path = field(default_factory=state_folder)
    inbox: Path | None = None
    idle_minutes: float | None = None
    on_exit: OnExit = "finish"
    provider: Provider = "auto"
    precision: Precision = "float"
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        if not self.token and not is_loopback(self.host):
            raise OptionError(
                f"Others can reach {self.host}, so clients must know a token; --token-file names"
                " a file with one, and 127.0.0.1 is for this machine only."
            )
        if self.token and len(self.token) < _MIN_TOKEN_LENGTH:
            raise OptionError(f"A token is at least {_MIN_TOKEN_LENGTH} characters long.")

    @property
    def conditions(self) -> Conditions:
        """On what models run."""
        from daw_bridge.library.costs import Conditions  # keeps --help quick

        return Conditions(self.provider, self.threads, self.precision)

    @property
    def shared(self) -> tuple[Path, ...]:
        """The folders that clients may name files in."""
        return self.roots or (Path.home(), *_listed_roots(self.state))


def _listed_roots(state: Path) -> list[Path]:
    """Return the folders that a state folder lists; those that are not there are told of."""
    listed = listed_roots(state)
    for root in listed:
        if not root.is_dir():
            _log.warning("%s is no folder; clients cannot use it.", root)
    return [root for root in listed if root.is_dir()]


def find_server(state: Path) -> Whereabouts | None:
    """Return where a server says that it listens, which may be gone; None where none says so."""
    with suppress(ValueError, KeyError):
        told = read_server_file(state)
        return Whereabouts(told["host"], int(told["port"]))
    return None


def read_server_file(state: Path) -> dict[str, str]:
    """Return what a server says of itself, key by key; nothing where none does."""
    with suppress(OSError, ValueError):
        lines = (state / SERVER_FILE).read_text("utf-8", "surrogateescape").split("\n")
        return dict(line.split("=", 1) for line in lines if line)
    return {}


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
