"""Against the packages of RoFormers; see tests/golden/README.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml

from daw_bridge import SeparationOptions, Separator
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.library.models import load_manifest
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.roformer_case import (
    GIVEN,
    NETWORKS,
    SHAPES,
    configuration,
    make_arrays,
    make_mixture,
)
from tests.golden.songs import excerpts

if TYPE_CHECKING:
    from pathlib import Path

Tree = dict[str, Any]
Arrays = dict[str, np.ndarray]
LIMIT_DB = -80
STEMS = {
    "bs": ("vocals", "instrumental"),
    "mel": ("no-reverb", "reverb"),
    "linear": ("drums", "bass"),
    "skips": ("drums", "bass", "vocals", "other"),
    "values": ("vocals", "instrumental"),
}
ORDERS = {"skips": [0, 1, 3, 2]}

pytestmark = pytest.mark.usefixtures("home")


def arrays_of(name: str) -> Arrays:
    """Return the arrays of a golden network."""
    return make_arrays(json.loads(SHAPES.read_text("utf-8"))[name])


def bring(
    folder: Path, arrays: Arrays, told: object, *, wrap: str = "", family: str | None = None
) -> str:
    """Import a checkpoint of such arrays, by such a configuration; return the model's name."""
    held: Any = {name: torch.tensor(array) for name, array in arrays.items()}
    torch.save({wrap: held} if wrap else held, folder / "net.ckpt")
    path = folder / "net.yaml"
    path.write_text(yaml.dump(told), "utf-8")
    wishes = ImportWishes(configuration=path)
    return import_checkpoint(
        str(folder / "net.ckpt"), ImportOptions(wishes=wishes, family=family, overwrite=True)
    ).name


def separate(model: str, *, mono: bool = False) -> dict[str, np.ndarray]:
    """Separate the golden mixture."""
    with Separator(model, provider="cpu") as separator:
        stems = separator.separate(make_mixture(mono=mono), SeparationOptions(extension="zeros"))
    return dict(zip(stems.names, stems.samples, strict=True))


def changed(table: str, **keys: Any) -> Tree:
    """Return a configuration that says something else."""
    told = json.loads(json.dumps(configuration("bs")))
    told[table] |= keys
    return dict(told)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_a_song_is_separated_as_the_reference_does(
    name: str, precision: type, tmp_path: Path
) -> None:
    if precision == np.float32 and name not in ("bs", "mel"):
        pytest.skip("one of each kind is enough")
    arrays = {key: array.astype(precision) for key, array in arrays_of(name).items()}
    told = yaml.safe_load(yaml.dump(configuration(name)))
    model = bring(tmp_path, arrays, told, wrap="" if precision == np.float16 else "state_dict")
    stems = separate(model, mono=not NETWORKS[name]["stereo"])
    assert tuple(stems) == STEMS[name] == load_manifest(model).stems
    golden = np.load(GIVEN)[name]
    expected = golden[ORDERS.get(name, range(len(golden)))]
    for stem, theirs in zip(stems, expected, strict=False):
        ours = excerpts(stems[stem])
        assert level_db(ours - theirs, theirs) <= LIMIT_DB
