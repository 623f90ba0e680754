"""The families of checkpoints that become models, each read by a module of its own."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from daw_bridge.errors import OptionError, WeightsError, suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from daw_bridge.conversion.family import Conversion, Family, ImportWishes


def families() -> dict[str, Family]:
    """Return every family by its name."""
    from daw_bridge.conversion.families import (
        d3net,
        demucs,
        hdemucs,
        mdx,
        mdx23c,
        openunmix,
        roformer,
        scnet,
        spleeter,
        vr,
        waveunet,
        xumx,
    )

    return {
        "spleeter": spleeter,
        "openunmix": openunmix,
        "xumx": xumx,
        "d3net": d3net,
        "demucs": demucs,
        "hdemucs": hdemucs,
        "waveunet": waveunet,
        "mdx": mdx,
        "roformer": roformer,
        "mdx23c": mdx23c,
        "scnet": scnet,
        "vr": vr,
    }


def convert(path: Path, family: str | None, wishes: ImportWishes) -> Conversion:
    """Convert a checkpoint of a family; None: of the one that recognises it.

    Raises:
        WeightsError: no family knows it, or its own cannot read it.
        OptionError: there is no such family, or the wishes do not fit.
    """
    try:
        return _choose(path, family).convert(path, wishes)
    except (EOFError, UnpicklingError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        first = str(error).partition("\n")[0].rstrip(".:")
        raise WeightsError(f"{path} is damaged: {first}.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error


def _choose(path: Path, family: str | None) -> Family:
    known = families()
    if family:
        if family not in known:
            raise OptionError(
                f"There is no family '{family}'{suggestion(family, known)};"
                f" there is {', '.join(known)}."
            )
        return known[family]
    for each in known.values():
        if each.recognises(path):
            return each
    raise WeightsError(
        f"{path} is no checkpoint that can be recognised as one of {', '.join(known)};"
        " --family says what it is, if it is one."
    )
