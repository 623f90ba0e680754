"""The one table of what can be said to the server, and of what it says.

Signatures are written as in the OSC specification: a type letter and a name for each argument;
``[…]`` may be left out, ``…`` may repeat. Where a number is meant (i, h, f, d), any of the four
letters is taken: DAWs differ in what they can send.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from daw_bridge.errors import OptionError
from daw_bridge.workers.task import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Argument: TypeAlias = "str | int | float | bytes"

REPLY = "/stems/reply"
DONE = "/stems/done"
ERROR = "/stems/error"
PROGRESS = "/stems/progress"
STEM = "/stems/stem"
SYNCED = "/stems/synced"
DATA = "/stems/data"

_NUMBERS = "ihfd"
_TYPE_NAMES = {"s": "a string", "b": "a blob", **dict.fromkeys(_NUMBERS, "a number")}


@dataclass(frozen=True)
class Parameter:
    """One argument of a method."""

    type: str
    name: str
    is_optional: bool = False
    repeats: bool = False

    @classmethod
    def parse(cls, text: str) -> Parameter:
        """Read ``s:name``, ``[s:name]`` or ``s:name…``."""
        letter, _, name = text.strip("[]").partition(":")
        return cls(letter, name.rstrip("…"), text.startswith("["), name.endswith("…"))

    def take(self, value: object) -> Argument:
        """Return an argument in this parameter's type.

        Raises:
            OptionError: it has another type.
        """
        if self.type in _NUMBERS and isinstance(value, (int, float)) and math.isfinite(value):
            return float(value) if self.type in "fd" else int(value)
        if self.type == "s" and isinstance(value, str) and "\0" not in value:
            return value
        if self.type == "b" and isinstance(value, bytes):
            return value
        raise OptionError(f"{self.name} is {_TYPE_NAMES[self.type]}, not {value!r:.40}.")


@dataclass(frozen=True)
class Method:
    """A request.

    Attributes:
        address: its OSC address.
        signature: its arguments.
        answer: what comes back when all is well.
        summary: what it does.
        tcp_only: audio does not travel in datagrams.
    """

    address: str
    signature: str
    answer: str
    summary: str
    tcp_only: bool = False

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    @property
    def parameters(self) -> list[Parameter]:
        """What the signature says."""
        return [Parameter.parse(text) for text in self.signature.split()]

    def take(self, arguments: Sequence[object]) -> list[Argument]:
        """Return arguments in the types of the signature.

        Raises:
            OptionError: there are too few or too many, or one has another type.
        """
        parameters = self.parameters
        required = sum(not parameter.is_optional for parameter in parameters)
        if parameters and parameters[-1].repeats:
            parameters += parameters[-1:] * (len(arguments) - len(parameters))
        if not required <= len(arguments) <= len(parameters):
            raise OptionError(f"{self.address} takes {self.signature or 'no arguments'}.")
        return [
            parameter.take(value) for parameter, value in zip(parameters, arguments, strict=False)
        ]


_JOB = "s:job s:model s:out_dir d:start d:length s:options s:path…"
_QUEUED = f'{REPLY} s:"{{}}" s:job s:state'

METHODS: Mapping[str, Method] = {
    method.address: method
    for method in [
        Method(
            "/stems/hello",
            "s:client i:major i:minor s:reply_url [s:token]",
            f'{REPLY} s:"/stems/hello" s:version i:major i:minor s:features',
            "Say who you are; where answers go, if not to where you send from; and the token.",
        ),
        Method(
            "/stems/models",
            "",
            f'{REPLY} s:"/stems/models" s:name i:sample_rate s:stems_csv s:licence, one each,'
            f' then {DONE} s:"/stems/models" i:count s:""',
            "Which models there are; the first is the default.",
        ),
        Method(
            "/stems/presets",
            "",
            f'{REPLY} s:"/stems/presets" s:name s:summary, one each,'
            f' then {DONE} s:"/stems/presets" i:count s:""',
            "Which presets there are.",
        ),
        *(
            Method(f"/stems/{name}", _JOB, _QUEUED.format(f"/stems/{name}"), kind.summary)
            for name, kind in KINDS.items()
        ),
        Method(
            "/stems/status",
            "s:job",
            f'{REPLY} s:"/stems/status" s:job s:state f:progress s:message s:out_dir',
            "Where a job is.",
        ),
        Method(
            "/stems/list",
            "",
            f'{REPLY} s:"/stems/list" s:job s:state f:progress s:client s:out_dir, one each,'
            f' then {DONE} s:"/stems/list" i:count s:""',
            "The jobs that wait, run, or ended lately, oldest first.",
        ),
        Method(
            "/stems/cancel",
            "s:job",
            f'{REPLY} s:"/stems/cancel" s:job s:state',
            "Call a job off; nothing of it stays.",
        ),
        Method(
            "/stems/sync",
            "i:number",
            f"{SYNCED} i:number",
            "Answered when all that came before it was taken in.",
        ),
        Method(
            "/stems/put",
            "s:transfer s:name h:size s:sha256",
            f'{REPLY} s:"/stems/put" s:transfer h:received',
            "Announce audio. What came of it before a broken connection need not come again.",
            tcp_only=True,
        ),
        Method(
            DATA,
            "s:transfer h:offset b:bytes",
            f'{REPLY} s:"{DATA}" s:transfer h:size, once all is there and has the right hash',
            "The announced audio, piece by piece; a job names it as path transfer:NAME.",
            tcp_only=True,
        ),
        Method(
            "/stems/get",
            "s:job s:stem [h:offset]",
            f'{REPLY} s:"/stems/get" s:job s:stem h:size s:sha256,'
            f" then {DATA} s:job/stem h:offset b:bytes until all is there",
            "Fetch a stem.",
            tcp_only=True,
        ),
    ]
}

EVENTS: Mapping[str, str] = {
    PROGRESS: "s:job f:fraction s:phase",
    STEM: "s:job i:index i:count s:name s:path",
    DONE: "s:job i:count s:manifest_path",
    ERROR: "s:address s:job i:code s:message",
    REPLY: "s:address …",
    SYNCED: "i:number",
}
"""What the server says; it never answers these, so two servers cannot talk for ever."""

_WILDCARDS = re.compile(r"[?*\[\]{}]")


def find_method(address: str) -> Method:
    """Return the method of an address; wildcards match nothing.

    Raises:
        OptionError: there is none.
    """
    if _WILDCARDS.search(address):
        raise OptionError(f"{address:.80} is a pattern; only whole addresses are answered.")
    if address not in METHODS:
        raise OptionError(f"There is no method {address:.80}.")
    return METHODS[address]
