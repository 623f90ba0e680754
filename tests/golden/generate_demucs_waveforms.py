"""Make the golden files of Demucs on samples alone: networks that it saved, and what it gives.

python tests/golden/generate_demucs_waveforms.py [--workspace FOLDER]

Version 1 is no package; its networks are those of version 2 that do not resample.
"""

from __future__ import annotations

import argparse
import gzip
import io
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.demucs_waveforms_case import (
    FOLDER,
    SAMPLE_RATE_HZ,
    SHORT_SAMPLES,
    SOURCES,
    excerpts,
    make_mixture,
)

VERSIONS = {"2": "demucs==2.0.3", "4": "demucs==4.0.1"}
OTHERS = ("julius==0.2.7", "einops==0.8.1")
STUBS = {
    "diffq.py": "DiffQuantizer = UniformQuantizer = None",
    "omegaconf.py": "class OmegaConf: to_container = staticmethod(lambda args, resolve: args)",
    "dora/__init__.py": "",
    "dora/log.py": "fatal = None",
    "tqdm.py": "",
    "yaml.py": "",
    "openunmix/__init__.py": "",
    "openunmix/filtering.py": "wiener = None",
}
"""What is imported, and used for what is not done here."""
NARROW: dict[str, Any] = {
    "sources": SOURCES, "channels": 3, "depth": 3, "lstm_layers": 2, "samplerate": SAMPLE_RATE_HZ
}  # fmt: skip
LATER: dict[str, Any] = {
    "channels": 4, "lstm_layers": 1, "norm_starts": 1, "norm_groups": 2, "segment": 6,
    "dconv_mode": 3, "dconv_comp": 2, "dconv_attn": 2, "dconv_lstm": 2,
}  # fmt: skip


def fill(network: Any, seed: int) -> Any:
    """Fill a network so that what each layer gives is about as loud as what it takes."""
    import torch

    rng = np.random.default_rng(seed)
    for name, parameter in network.named_parameters():
        numbers = rng.standard_normal(parameter.shape)
        if parameter.ndim > 1:
            numbers *= np.sqrt((2 if "lstm" in name else 4) / parameter[0].numel())
        elif name.endswith(("weight", "scale")):
            numbers = 1 + 0.3 * numbers
        else:
            numbers *= 0.3
        parameter.data = torch.from_numpy(numbers.astype(np.float32))
    return network.eval()


def make_older() -> dict[str, np.ndarray]:
    """Save networks of versions 1 and 2, and separate with them."""
    import torch

    model, utils = import_module("demucs.model"), import_module("demucs.utils")
    settings = argparse.Namespace(musdb=Path("musdb"), epochs=3)
    golden = {}
    for seed, name in enumerate(("demucs1", "demucs2")):
        network = fill(model.Demucs(**NARROW, normalize=True, resample=name == "demucs2"), seed)
        if name == "demucs2":
            utils.save_model(network, None, settings, FOLDER / f"{name}.th")
        else:
            args, kwargs = network._init_args_kwargs
            kwargs = {k: v for k, v in kwargs.items() if k not in ("normalize", "resample")}
            package = (model.Demucs, args, {**kwargs, "sources": 4}, network.state_dict())
            saved = io.BytesIO()
            torch.save(package, saved, _use_new_zipfile_serialization=False)
            (FOLDER / f"{name}.th.gz").write_bytes(gzip.compress(saved.getvalue(), mtime=0))
        whole = network.valid_length(10 * SAMPLE_RATE_HZ)
        network.segment_length = network(torch.zeros(1, 2, whole)).shape[-1]
        mixture = torch.from_numpy(make_mixture())
        stems = utils.apply_model(network.double(), mixture.double(), split=True)
        golden[name] = excerpts(stems.numpy())
    return golden


def make_later() -> dict[str, np.ndarray]:
    """Save networks of version 4, and separate with them."""
    import torch

    model, states = import_module("demucs.demucs"), import_module("demucs.states")
    apply = import_module("demucs.apply")
    network = fill(model.Demucs(**NARROW | LATER), 2)
    torch.save(states.serialize_model(network, {}), FOLDER / "demucs3.th")
    for parameter in network.parameters():
        parameter.data = parameter.data.half().double()
    mixture = torch.from_numpy(make_mixture()).double()
    stems = apply.apply_model(network, mixture[np.newaxis], shifts=0)[0]
    short = network(mixture[np.newaxis, :, :SHORT_SAMPLES])[0]
    return {"demucs3": excerpts(stems.numpy()), "short": short.numpy()[..., ::16]}


def main() -> None:
    """Make the golden files, each with a version of the package in an interpreter of its own."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(tempfile.gettempdir()) / "demucs")
    parser.add_argument("--version", choices=VERSIONS, help="the one that is installed")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for version, requirement in VERSIONS.items():
        folder = arguments.workspace / version
        if version == arguments.version:
            sys.path.insert(0, str(folder))
            with torch.no_grad():
                golden = make_older() if version == "2" else make_later()
            single = {name: array.astype(np.float32) for name, array in golden.items()}
            np.savez_compressed(FOLDER / f"{version}.npz", **single)  # type: ignore[arg-type]
        elif not arguments.version:
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"]
            subprocess.run([*install, "--target", folder, requirement, *OTHERS], check=True)
            for name, text in STUBS.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text)
            again = [sys.executable, __file__, "--workspace", str(arguments.workspace)]
            subprocess.run([*again, "--version", version], check=True)


if __name__ == "__main__":
    main()
