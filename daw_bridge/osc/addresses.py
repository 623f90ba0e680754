"""The one table of what can be said to the server, and of what it says.

Signatures are written as in the OSC specification: a type letter and a name for each argument;
``[…]`` may be left out, ``…`` may repeat. Where a number is meant (i, h, f, d), any of the four
letters is taken: DAWs differ in what they can send.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from daw_bridge.errors import OptionError
from daw_bridge.workers.task import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Argument: TypeAlias = "str | int | float | bytes"

MAJOR, MINOR = 1, 4
"""The version of the protocol; only another major one is refused."""

_NUMBERS = "ihfd"
_BITS = {"i": 32, "h": 64}
_TYPE_NAMES = {"s": "a string", "b": "a blob", **dict.fromkeys(_NUMBERS, "a number")}
_TYPE_NAMES |= {letter: f"a number of {bits} bits" for letter, bits in _BITS.items()}


class Parameter(NamedTuple):
    """One argument of a message."""

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
            OptionError: it has another type, or no room in this one.
        """
        if self.type in _NUMBERS and isinstance(value, (int, float)) and math.isfinite(value):
            if self.type in "fd":
                return float(value)
            if -1 <= int(value) >> (_BITS[self.type] - 1) <= 0:
                return int(value)
        if self.type == "s" and isinstance(value, str) and "\0" not in value:
            return value
        if self.type == "b" and isinstance(value, bytes):
            return value
        raise OptionError(f"{self.name} is {_TYPE_NAMES[self.type]}, not {value!r:.40}.")


@dataclass(frozen=True)
class Form:
    """What a message looks like.

    Attributes:
        address: its OSC address.
        signature: its arguments; a text in quotes is always that text.
    """

    address: str
    signature: str

    def __str__(self) -> str:
        return f"{self.address} {self.signature}".rstrip()

    def parameters(self, count: int) -> list[Parameter]:
        """Return what the signature says of so many arguments.

        Raises:
            OptionError: they are too few or too many.
        """
        parameters = [Parameter.parse(text) for text in self.signature.split()]
        required = sum(not parameter.is_optional for parameter in parameters)
        if parameters and parameters[-1].repeats:
            parameters += parameters[-1:] * (count - len(parameters))
        if not required <= count <= len(parameters):
            raise OptionError(f"{self.address} takes {self.signature or 'no arguments'}.")
        return parameters[:count]

    def take(self, arguments: Sequence[object]) -> list[Argument]:
        """Return arguments in the types of the signature.

        Raises:
            OptionError: there are too few or too many, or one has another type.
        """
        parameters = self.parameters(len(arguments))
        return [each.take(value) for each, value in zip(parameters, arguments, strict=True)]


@dataclass(frozen=True)
class Answer(Form):
    """What comes back when all is well; ``when`` is said after it on the page."""

    when: str = ""

    def __str__(self) -> str:
        return f"{super().__str__()}{self.when}"


@dataclass(frozen=True)
class Method(Form):
    """A request.

    Attributes:
        summary: what it does.
        answers: what comes back when all is well, one after the other.
        tcp_only: audio does not travel in datagrams.
    """

    summary: str
    answers: tuple[Form, ...]
    tcp_only: bool = False


def _asking(
    name: str,
    signature: str,
    summary: str,
    reply: str,
    *then: Form,
    when: str = "",
    tcp_only: bool = False,
) -> Method:
    """Return a method whose reply repeats its address and goes on as told."""
    address = f"/stems/{name}"
    answer = Answer(REPLY.address, f's:"{address}" {reply}', when)
    return Method(address, signature, summary, (answer, *then), tcp_only)


def _listing(name: str, row: str, summary: str) -> Method:
    """Return a method that is answered with a page of rows, and then with how many there are."""
    end = Form(DONE.address, f's:"/stems/{name}" i:count s:""')
    return _asking(name, "[i:first]", summary, row, end, when=", one each")


REPLY = Form("/stems/reply", "s:address …")
DONE = Form("/stems/done", "s:job i:count s:outcome_path")
ERROR = Form("/stems/error", "s:address s:job i:code s:message")
PROGRESS = Form("/stems/progress", "s:job f:fraction s:phase")
STEM = Form("/stems/stem", "s:job i:index i:count s:name s:path")
WARNING = Form("/stems/warning", "s:job s:message")
SYNCED = Form("/stems/synced", "i:number")

EVENTS: Mapping[str, Form] = {
    event.address: event for event in (PROGRESS, WARNING, STEM, DONE, ERROR, REPLY, SYNCED)
}
"""What the server says; it never answers these, so two servers cannot talk for ever."""

HELLO = _asking(
    "hello",
    "s:client i:major i:minor s:reply_url [s:token]",
    "Say who you are; where answers go, if not to where you send from; and the token.",
    "s:version i:major i:minor s:features",
)
MODELS = _listing(
    "models",
    "s:name i:sample_rate s:stems_csv s:licence s:whereabouts d:download_bytes",
    "Which models there are, here or not; the first is the default.",
)
CHOOSE = _asking(
    "choose",
    "s:quality s:stems_csv [s:options]",
    "Which model a job of a quality, fast, good or best, would take for some stems.",
    "s:model s:stems_csv i:is_here h:fetched_bytes f:times_real_time s:reason",
)
PRESETS = _listing("presets", "s:name s:summary", "Which presets there are.")
JOBS: Mapping[str, Method] = {
    name: _asking(
        name,
        "s:job s:model s:out_dir d:start d:length s:options s:path…",
        kind.summary,
        "s:job s:state",
    )
    for name, kind in KINDS.items()
}
"""By kind of job."""
STATUS = _asking(
    "status",
    "s:job",
    "Where a job is.",
    "s:job s:state f:progress s:message s:out_dir",
)
LIST = _listing(
    "list",
    "s:job s:state f:progress s:client s:out_dir",
    "The jobs that wait, run, or ended lately, oldest first.",
)
CANCEL = _asking("cancel", "s:job", "Call a job off; nothing of it stays.", "s:job s:state")
SYNC = Method(
    "/stems/sync", "i:number", "Answered when all that came before it was taken in.", (SYNCED,)
)
PUT = _asking(
    "put",
    "s:transfer s:name h:size s:sha256",
    "Announce audio. What came of it before a broken connection need not come again.",
    "s:transfer h:received",
    tcp_only=True,
)
DATA = _asking(
    "data",
    "s:transfer h:offset b:bytes",
    "The announced audio, piece by piece; a job names it as path transfer:NAME.",
    "s:transfer h:size",
    when=", once all is there and has the right hash",
    tcp_only=True,
)
DROP = _asking(
    "drop",
    "s:transfer",
    "Give up audio that the same machine sent, unless a job is yet to read it.",
    "s:transfer",
    tcp_only=True,
)
PIECE = Answer(DATA.address, "s:job/stem h:offset b:bytes", " until all is there")
GET = _asking(
    "get",
    "s:job s:stem [h:offset]",
    "Fetch a stem.",
    "s:job s:stem h:size s:sha256",
    PIECE,
    tcp_only=True,
)

METHODS: Mapping[str, Method] = {
    method.address: method
    for method in (
        HELLO, MODELS, CHOOSE, PRESETS, *JOBS.values(), STATUS, LIST, CANCEL, SYNC,
        PUT, DATA, DROP, GET,
    )
}  # fmt: skip

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
