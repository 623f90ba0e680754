"""A process that reads one stranger's file, within limits, and ends.

It is told what to do on standard input and answers on standard output, a line of JSON each; what it
makes are files in a folder that it is given. Whatever a file brings down, it brings down this
process only. When its input closes, whoever asked is gone, and it leaves at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, TypeAlias

import msgspec

from daw_bridge.conversion.family import ImportWishes
from daw_bridge.errors import DawBridgeError, OptionError
from daw_bridge.library.manifest import (
    BandedModel,
    ComplexModel,
    HybridModel,
    MagnitudeModel,
    WaveformModel,
)
from daw_bridge.system import Allowance, restrict

NETWORK = "network.onnx"
Shapes: TypeAlias = tuple[tuple[int, ...], ...]
"""Of a graph's inputs, in its own order; 0 is any length, which the graph tells."""


Described: TypeAlias = MagnitudeModel | ComplexModel | WaveformModel | HybridModel | BandedModel
"""What the manifest of a converted checkpoint is to say."""


class Convert(msgspec.Struct, frozen=True, tag="convert", kw_only=True):
    """Convert a checkpoint into a folder.

    Attributes:
        checkpoint: the path of a file or a folder.
        family: which it is of; None: the one that recognises it.
        wishes: what else its converter is to know.
        folder: where the network goes, and the example.
        example: the path in the checkpoint, an archive, of a song to take out.
    """

    allowance: Allowance
    checkpoint: Path
    family: str | None
    wishes: ImportWishes
    folder: Path
    example: str | None = None


class Inspect(msgspec.Struct, frozen=True, tag="inspect", kw_only=True):
    """Make sure that a network is harmless to run on inputs of these shapes."""

    allowance: Allowance
    network: Path
    shapes: Shapes


class Quantise(msgspec.Struct, frozen=True, tag="quantise", kw_only=True):
    """Make the products of a network ones of integers, or, first, find what they would lose.

    Attributes:
        network: the path of an ONNX file.
        folder: where what is made of it goes.
        left: the products that stay as they are; None: all do, and tell what they would lose.
    """

    allowance: Allowance
    network: Path
    folder: Path
    left: tuple[str, ...] | None


Order: TypeAlias = Convert | Inspect | Quantise


class Converted(msgspec.Struct, frozen=True, tag="converted"):
    """The network is there."""

    model: Described


class Inspected(msgspec.Struct, frozen=True, tag="inspected"):
    """The network is harmless."""


class Quantised(msgspec.Struct, frozen=True, tag="quantised"):
    """The network is there, if it has such products; these are their names."""

    products: tuple[str, ...]


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """What is wrong, and whether it is with an option, not with the file."""

    message: str
    is_option: bool = False


Report: TypeAlias = Converted | Inspected | Quantised | Failure


def encode(message: Order | Report) -> bytes:
    """Return a message as a line of JSON."""
    return msgspec.json.encode(message, enc_hook=_path_to_json) + b"\n"


def decode_order(line: bytes) -> Order:
    """Return the order that a line of JSON is."""
    order: Order = msgspec.json.decode(line, type=Order, dec_hook=_path_from_json)
    return order


def main() -> None:
    """Do what standard input asks for, once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked decides
    reports = _claim_stdout()
    order = decode_order(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_asker, daemon=True).start()
    restrict(order.allowance)
    report = encode(_answer(order))
    sys.stdout.flush()  # who asked ends this process once it has the report
    reports.write(report)
    reports.flush()


def _answer(order: Order) -> Report:
    try:
        return _do(order)
    except DawBridgeError as error:
        return _fail(str(error), is_option=isinstance(error, OptionError))
    except MemoryError:
        gigabytes = order.allowance.memory_bytes / 1e9
        return _fail(f"{_place(order)} takes more than {gigabytes:.0f} GB of memory to read.")
    except Exception as error:  # noqa: BLE001 - a stranger's file fails in many ways
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        return _fail(f"{_place(order)} is damaged, or nothing that can be read: {reason}.")


def _do(order: Order) -> Report:
    match order:
        case Convert():
            return _convert(order)
        case Inspect():
            return _inspect(order)
        case Quantise():
            return _quantise(order)


def _place(order: Order) -> Path:
    return order.checkpoint if isinstance(order, Convert) else order.network


def _fail(sentence: str, *, is_option: bool = False) -> Failure:
    told = sentence.encode("utf-8", "replace").decode()  # names of files may be of no encoding
    return Failure(told, is_option=is_option)


def _convert(order: Convert) -> Converted:
    from daw_bridge.conversion.examples import extract_example
    from daw_bridge.conversion.registry import convert

    conversion = convert(order.checkpoint, order.family, order.wishes)
    (order.folder / NETWORK).write_bytes(conversion.network)
    if order.example:
        extract_example(order.checkpoint, order.example, order.folder)
    return Converted(conversion.model)  # type: ignore[arg-type]  # it is one of these


def _inspect(order: Inspect) -> Inspected:
    from daw_bridge.conversion.inspection import inspect_network

    inspect_network(order.network, order.shapes)
    return Inspected()


def _quantise(order: Quantise) -> Quantised:
    from daw_bridge.conversion.inspection import read_network
    from daw_bridge.conversion.quantisation import find_products, gauge, quantise

    network = read_network(order.network)
    products = find_products(network)
    if order.left is None:
        gauge(network)
    else:
        quantise(network, order.left)
    if products:
        serialised = network.SerializeToString(deterministic=True)
        (order.folder / NETWORK).write_bytes(serialised)
    return Quantised(tuple(products))


def _path_to_json(path: Path) -> str:
    return os.fsencode(path).hex()  # names of files may be of no encoding, JSON is of UTF-8


def _path_from_json(_: type, told: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(told)))


def _leave_with_asker() -> None:
    while os.read(0, 1):  # not by the buffer, whose lock Python wants when it ends
        pass
    os._exit(0)


def _claim_stdout() -> IO[bytes]:
    """Return standard output, and let what libraries print go to standard error."""
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return reports


if __name__ == "__main__":
    main()
