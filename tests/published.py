"""A small network of each family that people publish today, as it would be published."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from tests.golden import roformer_case, spectral_case, vr_case

if TYPE_CHECKING:
    from pathlib import Path


class Published(NamedTuple):
    """A network.

    Attributes:
        arrays: those of its checkpoint.
        told: what its configuration says.
        stems: what these are called there.
        is_inline: the catalogue has the configuration itself.
    """

    arrays: Mapping[str, Any]
    told: Mapping[str, Any]
    stems: tuple[str, ...]
    is_inline: bool = False

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the checkpoint and the configuration; return their paths."""
        paths = folder / "net.pth", folder / "net.json"
        torch.save({name: torch.from_numpy(each) for name, each in self.arrays.items()}, paths[0])
        paths[1].write_text(json.dumps(self.told), "utf-8")
        return paths


def spectral(case: str) -> Published:
    arrays = spectral_case.draw(spectral_case.read_shapes(case))
    told = spectral_case.CASES[case].configuration
    return Published(arrays, told, tuple(map(str.lower, told["training"]["instruments"])))


def roformer(case: str) -> Published:
    arrays = roformer_case.make_arrays(json.loads(roformer_case.SHAPES.read_text("utf-8"))[case])
    told = roformer_case.configuration(case)
    return Published(arrays, told, tuple(map(str.lower, told["training"]["instruments"])))


def vr(case: str) -> Published:
    arrays = vr_case.make_arrays(vr_case.shapes_of(case))
    told = {**vr_case.FLAVOURS[case].parameters(), "primary_stem": "No Echo"}
    return Published(arrays, told, ("no echo", "echo"), is_inline=True)


FAMILIES: Mapping[str, Callable[[], Published]] = {
    "roformer": lambda: roformer("bs"),
    "mdx23c": lambda: spectral("batch norm"),
    "scnet": lambda: spectral("masks"),
    "vr": lambda: vr("one-band"),
}
