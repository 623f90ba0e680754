"""Make the golden files of the VR architecture: what audio-separator gives for random networks.

python tests/golden/generate_vr.py, in an environment that tests/golden/README.md tells of
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
import torch

from tests.golden.songs import excerpts
from tests.golden.vr_case import (
    FLAVOURS,
    FOLDER,
    GIVEN,
    LSTM_WIDTH,
    WIDTH,
    Flavour,
    make_arrays,
    make_mixture,
)

PACKAGE = "audio_separator"
_FOLDERS = ("separator", "separator.architectures", "separator.uvr_lib_v5")
_UNUSED = ("tqdm", f"{PACKAGE}.separator.uvr_lib_v5.pyrb")
SOLO_STEMS = ("Vocals",)


def import_alone() -> tuple[Any, Any, Any, Any]:
    """Import the networks and what runs them, without what else the package does and needs."""
    found = find_spec(PACKAGE)
    (root,) = (found and found.submodule_search_locations) or [""]
    for name in ("", *_FOLDERS):
        package = ModuleType(f"{PACKAGE}.{name}".rstrip("."))
        package.__path__ = [str(Path(root, *name.split(".")))]
        sys.modules[package.__name__] = package
    for name in _UNUSED:
        sys.modules[name] = ModuleType(name)
    sys.modules["tqdm"].tqdm = lambda items: items  # type: ignore[attr-defined]
    common = ModuleType(f"{PACKAGE}.separator.common_separator")
    common.CommonSeparator = type("CommonSeparator", (), {"NON_ACCOM_STEMS": SOLO_STEMS})  # type: ignore[attr-defined]
    sys.modules[common.__name__] = common
    below = f"{PACKAGE}.separator.uvr_lib_v5.vr_network"
    return (
        import_module(f"{below}.nets"),
        import_module(f"{below}.nets_new"),
        import_module(f"{below}.model_param_init"),
        import_module(f"{PACKAGE}.separator.architectures.vr_separator"),
    )


def make_network(nets: Any, nets_new: Any, flavour: Flavour) -> Any:
    """Return a narrow network."""
    window = 2 * flavour.bins
    if flavour.architecture is None:
        return nets_new.CascadedNet(window, nout=WIDTH, nout_lstm=LSTM_WIDTH)
    first, second, third = 2, 4, 8
    capacity = [
        (2, first), (2, first), (2 + first, first, 1, 1, 0), (first, second),
        (2 + first + second, second, 1, 1, 0), (second, third), (third, 2, 1), (second, 2, 1),
        (first, 2, 1),
    ]  # fmt: skip
    return nets.CascadedASPPNet(window, capacity, flavour.architecture)


def separate(separator: Any, flavour: Flavour, network: Any, mixture: np.ndarray) -> np.ndarray:
    """Return the stems of a mixture: (stems, channels, samples)."""
    with tempfile.TemporaryDirectory() as temporary:
        song = Path(temporary, "song.wav")
        soundfile.write(song, mixture.T, flavour.sample_rate_hz, "FLOAT")
        told = {**flavour.parameters(), "primary_stem": flavour.primary_stem}
        return run(separator, told, network, song)


def run(separator: Any, told: dict[str, Any], network: Any, song: Path) -> np.ndarray:
    """Return the stems of a song, by parameters that name the stem: (stems, channels, samples)."""
    parameters, architecture = separator
    with tempfile.NamedTemporaryFile("w", suffix=".json") as table:
        json.dump(told, table)
        table.flush()
        model_params = parameters.ModelParameters(table.name)
    separator = object.__new__(architecture.VRSeparator)
    vars(separator).update(
        logger=logging.getLogger(), torch_device=torch.device("cpu"), torch_device_mps=None,
        model_params=model_params, model_run=network, window_size=512, batch_size=1,
        is_vr_51_model=type(network).__name__ == "CascadedNet", enable_tta=False,
        primary_stem_name=told["primary_stem"], enable_post_process=False,
        high_end_process=False, wav_subtype="FLOAT", audio_file_path=str(song),
    )  # fmt: skip
    split_bin = told["band"]["1"]["crop_stop"]
    sharpening = {"value": 0.05, "split_bin": split_bin, "aggr_correction": None}
    spectra = separator.inference_vr(separator.loading_mix(), torch.device("cpu"), sharpening)
    return np.stack([separator.spec_to_wav(spectrum) for spectrum in spectra])


def main() -> None:
    """Write everything anew."""
    FOLDER.mkdir(exist_ok=True)
    nets, nets_new, *separator = import_alone()
    given = {}
    for name, flavour in FLAVOURS.items():
        network = make_network(nets, nets_new, flavour)
        shapes = {key: list(array.shape) for key, array in network.state_dict().items()}
        (FOLDER / f"{name}.json").write_text(json.dumps(shapes), "utf-8")
        arrays = make_arrays(shapes)
        network.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
        stems = separate(separator, flavour, network.eval(), make_mixture(name))
        given[name] = excerpts(stems).astype(np.float32)
    np.savez_compressed(GIVEN, **given)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
