"""What tests of the networks of complex spectra share: checkpoints to bring, stems to compare."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from daw_bridge import SeparationOptions, Separator
from daw_bridge.conversion.family import ImportWishes
from daw_bridge.library.manifest import ComplexModel
from daw_bridge.weights.importing import ImportOptions, import_checkpoint
from tests.conftest import level_db
from tests.golden.spectral_case import CASES, GIVEN, choose, draw, make_mixture, read_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Arrays = Mapping[str, np.ndarray]

LIMIT_DB = -100


def write_state(path: Path, arrays: Arrays, **more: Arrays) -> Path:
    """Write arrays as a training does: alone, or beside further states."""
    states = {
        name: {key: torch.from_numpy(np.asarray(array)) for key, array in state.items()}
        for name, state in {"state": arrays, **more}.items()
    }
    torch.save(states if more else states["state"], path)
    return path


def bring(case: str, folder: Path, *, stems: tuple[str, ...] = (), **tables: Any) -> ComplexModel:
    """Import the network of a case, with other keys in some tables of its configuration."""
    arrays = draw(read_shapes(case))
    told = {**CASES[case].configuration}
    for name, table in tables.items():
        told[name] = {**told.get(name, {}), **table}
    return bring_arrays(arrays, told, folder, stems)


def bring_arrays(
    arrays: Arrays, told: Mapping[str, Any], folder: Path, stems: tuple[str, ...] = ()
) -> ComplexModel:
    """Import a network of arrays with a configuration."""
    configuration = folder / "net.yaml"
    configuration.write_text(json.dumps(told), "utf-8")  # JSON is YAML, too
    wishes = ImportWishes(configuration=configuration, stems=stems)
    options = ImportOptions(name="brought", wishes=wishes, overwrite=True)
    path = write_state(folder / "net.ckpt", arrays)
    model = import_checkpoint(str(path), options)
    assert isinstance(model, ComplexModel)
    return model


def compare(case: str, model: ComplexModel) -> None:
    """Hold the stems of a song against those that the reference gives, whatever their order."""
    with Separator(model.name, provider="cpu") as separator:
        stems = separator.separate(make_mixture(), SeparationOptions(extension="zeros"))
    given = np.load(GIVEN)
    expected = {name: given[name] for name in given.files if name.startswith(f"{case}/")}
    assert expected
    for name, stem in expected.items():
        ours = choose(stems["-".join(name.rpartition("/")[2].lower().split())].samples)
        assert level_db(ours - stem, stem) <= LIMIT_DB
