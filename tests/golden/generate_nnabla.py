"""Make the golden files of X-UMX and D3Net: what nnabla gives for networks with random weights.

PYTHONPATH=. nnabla/bin/python tests/golden/generate_nnabla.py; README.md says what else it takes.
"""

from __future__ import annotations

import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.golden.nnabla_case import (
    D3NET,
    D3NET_WINDOW,
    GIVEN,
    SPLITS,
    XUMX,
    XUMX_STEMS,
    XUMX_WINDOW,
    make_mixture,
    thin_out,
)
from tests.golden.nnabla_signals import fill_parameters, invert, transform
from tests.golden.songs import GOLDEN, excerpts

if TYPE_CHECKING:
    from collections.abc import Sequence

EPSILON = 1e-10


def refine(estimates: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Refine spectra (stems, channels, time_frames, bins) by norbert's Wiener filter."""
    import norbert

    magnitudes = np.abs(estimates).transpose(2, 3, 1, 0)
    spectra = mixture.transpose(1, 2, 0).astype(np.complex128)
    refined = norbert.wiener(magnitudes, spectra, 1, use_softmask=False, eps=EPSILON)
    return refined.transpose(3, 2, 0, 1)


def run_xumx() -> tuple[np.ndarray, np.ndarray]:
    """Return the spectra of a mixture (channels, …) and of X-UMX's stems (stems, channels, …)."""
    import nnabla as nn

    spectra = transform(make_mixture(XUMX_WINDOW), XUMX_WINDOW)
    magnitudes = np.abs(spectra).transpose(1, 0, 2)[:, np.newaxis]
    networks: Any = import_module("tests.golden.nnabla_networks")
    masks = networks.make_xumx(nn.Variable.from_numpy_array(magnitudes), stems=XUMX_STEMS, **XUMX)
    fill_parameters(1, magnitudes)
    masks.forward()
    return spectra, masks.d[:, :, 0].transpose(0, 2, 1, 3) * spectra


def run_d3net() -> tuple[np.ndarray, np.ndarray]:
    """Return the spectra of a mixture (channels, …) and of D3Net's stems (stems, channels, …).

    What has no phase is silent.
    """
    import nnabla as nn

    spectra = transform(make_mixture(D3NET_WINDOW), D3NET_WINDOW)
    frames = spectra.shape[1]
    magnitudes = np.pad(np.abs(spectra), ((0, 0), (0, -frames % 4), (0, 0)))[np.newaxis]
    networks: Any = import_module("tests.golden.nnabla_networks")
    estimates = []
    for seed, (stem, split) in enumerate(SPLITS.items()):
        with nn.parameter_scope(stem):
            mixture = nn.Variable.from_numpy_array(magnitudes)
            estimate = networks.make_d3net(mixture, D3NET, split)
            fill_parameters(seed, magnitudes)
        estimate.forward()
        estimates.append(estimate.d[0, :, :frames])
    return spectra, np.array(estimates) * np.exp(1j * np.angle(spectra)) * (spectra != 0)


def save(archive: Path, names: Sequence[str]) -> None:
    """Let nnabla write its parameters, one file for each of these scopes, into an archive."""
    import nnabla as nn

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive, "w") as files:
        for name in names:
            held = nn.get_parameters(grad_only=False)
            chosen = {k: v for k, v in held.items() if k.startswith(f"{name}/") or len(names) == 1}
            path = Path(folder) / f"{name}.h5"
            nn.save_parameters(str(path), chosen)
            files.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_LZMA)


def main() -> None:
    """Make the golden files."""
    import nnabla as nn

    golden = {}
    for family, run, names in (
        ("xumx", run_xumx, ["x-umx"]),
        ("d3net", run_d3net, list(SPLITS)),
    ):
        nn.clear_parameters()
        mixture, estimates = run()
        samples = make_mixture(2 * (mixture.shape[-1] - 1)).shape[-1]
        estimates[..., D3NET["seen_bins"] :] = 0
        golden[f"{family}_estimates"] = thin_out(np.abs(estimates))
        golden[f"{family}_unrefined"] = excerpts(invert(estimates, samples))
        golden[f"{family}_refined"] = excerpts(invert(refine(estimates, mixture), samples))
        save(GOLDEN / f"{family}.zip", names)
    single = {name: array.astype(np.float32) for name, array in golden.items()}
    np.savez_compressed(GIVEN, **single)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
