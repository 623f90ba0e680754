"""Strangers' files, read by a process of their own that has limits.

Memory, time, and the size of what is written are limited. On Windows only time is, and macOS does
not hold the limit of memory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from daw_bridge.conversion.child import (
    NETWORK,
    Convert,
    Converted,
    Failure,
    Inspect,
    Quantise,
    Quantised,
    Report,
    encode,
)
from daw_bridge.errors import OptionError, WeightsError
from daw_bridge.files.flaws import FlawError, spell, to_struct
from daw_bridge.system import Allowance, module_command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daw_bridge.conversion.child import Described, Order, Shapes
    from daw_bridge.conversion.family import ImportWishes

_CHILD = "daw_bridge.conversion.child"
_LEAST_MEMORY_BYTES, _MOST_MEMORY_BYTES = 6 << 30, 32 << 30
_MEMORY_PER_BYTE = 8
"""Demucs's first version is kept in half precision and takes nine gigabytes of memory for 1.3."""
_LEAST_CPU_S, _CPU_S_PER_GB = 300, 600
_WALL_S_PER_CPU_S = 4
_FILE_BYTES = 2 << 30
"""What an ONNX file holds."""
_REPORT_BYTES = 1 << 20
_MESSAGE_CHARACTERS = 1000
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each thread of a BLAS takes addresses, and there is one for each CPU."""


def convert_apart(
    checkpoint: Path,
    family: str | None,
    wishes: ImportWishes,
    *,
    folder: Path,
    example: str | None = None,
) -> Described:
    """Convert a checkpoint in a process of its own, and return what its manifest is to say.

    Args:
        checkpoint: a file or a folder.
        family: which it is of; None: the one that recognises it.
        wishes: what else its converter is to know.
        folder: an empty one, which gets the file :data:`~daw_bridge.conversion.child.NETWORK`.
        example: the path in the checkpoint, an archive, of a song that the folder gets too, as
            ``example`` with the song's own suffix.

    Raises:
        WeightsError: no family knows it, or its own cannot read it within the limits.
        OptionError: there is no such family, or the wishes do not fit.
    """
    order = Convert(
        allowance=_allow(checkpoint),
        checkpoint=checkpoint,
        family=family,
        wishes=wishes,
        folder=folder,
        example=example,
    )
    report = _ask(order, checkpoint, shows_output=wishes.trust)
    if not isinstance(report, Converted) or not (folder / NETWORK).is_file():
        raise WeightsError(f"{checkpoint} cannot be converted: its converter gave no network.")
    return report.model


def inspect_apart(network: Path, shapes: Shapes) -> None:
    """Make sure, in a process of its own, that a network is harmless to run.

    Args:
        network: an ONNX file.
        shapes: of the inputs that it will be given.

    Raises:
        WeightsError: it is not, or cannot be read within the limits.
    """
    order = Inspect(allowance=_allow(network), network=network, shapes=shapes)
    _ask(order, network, shows_output=False)


def quantise_apart(network: Path, *, folder: Path, left: Sequence[str] | None) -> tuple[str, ...]:
    """Make the products of a network ones of integers, in a process of its own.

    Args:
        network: an ONNX file.
        folder: an empty one, which gets the file :data:`~daw_bridge.conversion.child.NETWORK`,
            unless there are no such products.
        left: the names of the products that stay as they are; None: all do, and the network tells
            what they would lose, as :func:`~daw_bridge.conversion.quantisation.gauge` says.

    Returns:
        the names of all such products.

    Raises:
        WeightsError: it is no network, or cannot be read within the limits.
    """
    order = Quantise(
        allowance=_allow(network),
        network=network,
        folder=folder,
        left=None if left is None else tuple(left),
    )
    report = _ask(order, network, shows_output=False)
    if not isinstance(report, Quantised):
        raise WeightsError(f"{network} cannot be made one of integers.")
    return report.products


def _allow(path: Path) -> Allowance:
    """Return what reading a file, or a folder's files, may take."""
    size = _size(path)
    memory_bytes = _LEAST_MEMORY_BYTES + _MEMORY_PER_BYTE * size
    return Allowance(
        memory_bytes=min(memory_bytes, _MOST_MEMORY_BYTES),
        cpu_s=_LEAST_CPU_S + _CPU_S_PER_GB * (size >> 30),
        file_bytes=_FILE_BYTES,
    )


def _size(path: Path) -> int:
    try:
        files = list(path.iterdir()) if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.exists())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error


def _ask(order: Order, place: Path, *, shows_output: bool) -> Report:
    """Have an order done; a failure is raised.

    Args:
        order: what to do.
        place: what to call the file in errors.
        shows_output: pass on what is printed meanwhile.
    """
    wall_s = _WALL_S_PER_CPU_S * order.allowance.cpu_s
    deadline_s = time.monotonic() + wall_s
    with subprocess.Popen(  # noqa: S603 - our own module
        module_command(_CHILD),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if shows_output else subprocess.DEVNULL,
        env={**os.environ, **_ONE_THREAD},
    ) as process:
        watch = threading.Timer(wall_s, process.kill)
        watch.start()
        try:
            line = _exchange(process, encode(order))
            status = None if line else process.wait()
        finally:
            watch.cancel()
            process.kill()
    if status is None:
        return _read(line, place)
    if time.monotonic() >= deadline_s:
        raise WeightsError(f"{place} cannot be read: it took more than {wall_s:.0f} s.")
    raise WeightsError(f"{place} cannot be read: the process that did {_end(status)}.")


def _exchange(process: subprocess.Popen[bytes], order: bytes) -> bytes:
    """Return the line that a process answers; nothing, if it ends instead."""
    if process.stdin is None or process.stdout is None:
        return b""
    with suppress(BrokenPipeError):
        process.stdin.write(order)
        process.stdin.flush()
    return process.stdout.readline(_REPORT_BYTES)


def _read(line: bytes, place: Path) -> Report:
    try:
        report: Report = to_struct(msgspec.json.decode(line), Report)
    except FlawError as flaw:
        raise WeightsError(f"{place} cannot become a model: {spell(flaw.key)} {flaw}.") from flaw
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WeightsError(f"{place} cannot become a model: {error}.") from error
    if isinstance(report, Failure):
        shown = "".join(each if each.isprintable() else " " for each in report.message)
        kind = OptionError if report.is_option else WeightsError
        raise kind(shown[:_MESSAGE_CHARACTERS])
    return report


def _end(status: int) -> str:
    """Say how a process ended that should have answered."""
    if status < 0:
        return f"was ended by the system: {signal.strsignal(-status)}"
    return f"exited with status {status}"
