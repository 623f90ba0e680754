"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from daw_bridge.errors import OptionError
from daw_bridge.library.places import DEFAULT_MODEL, state_folder
from daw_bridge.library.roots import usual_roots
from daw_bridge.serving.limits import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.separation.providers import Precision, Provider

OnExit: TypeAlias = Literal["finish", "stop"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9880
SERVER_FILE = "server"
"""In the state folder while a server runs; says where, as key=value lines."""
_MIN_TOKEN_LENGTH = 16


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
        roots: the folders that clients may name files in.
        token: what clients must know; empty: nothing.
        models: what is loaded before the port opens; the first is the default model.
        jobs: how many run at a time. Where it is two or more, one worker is for short jobs.
        state: where jobs and uploads are kept.
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
    roots: tuple[Path, ...] = field(default_factory=usual_roots)
    token: str = ""
    models: tuple[str, ...] = (DEFAULT_MODEL,)
    jobs: int = 2
    state: Path = field(default_factory=state_folder)
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


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
