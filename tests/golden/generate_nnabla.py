"""Make the golden files of X-UMX and D3Net: what nnabla gives for networks with random weights.

nnabla/bin/python tests/golden/generate_nnabla.py, where README.md says what else that takes.
"""

from __future__ import annotations

import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "nnabla.npz"
SONG = FOLDER.parent / "audio" / "rubidium.ogg"
XUMX_STEMS = ("bass", "drums", "vocals", "other")
XUMX_WINDOW = 256
XUMX: dict[str, Any] = {"seen_bins": 65, "hidden": 8, "layers": 3}
D3NET_WINDOW = 4096
LOW = {"init": 4, "k": (3, 2, 4), "layers": (2, 3, 2), "blocks": (2, 1, 2)}
MIDDLE = {"init": 3, "k": (2, 2, 2, 2, 2), "layers": (1,) * 5, "blocks": (1,) * 5}
FULL = {"init": 4, "k": (3, 2, 4, 3, 3), "layers": (2, 1, 3, 2, 2), "blocks": (2, 3, 1, 2, 1)}
D3NET: dict[str, Any] = {
    "seen_bins": 1600, "low": LOW, "middle": MIDDLE, "full": FULL, "k": 4, "layers": 3
}  # fmt: skip
SPLITS = {"vocals": 256, "bass": 192}
"""Where the lowest band ends, in bins, by D3Net's stems."""
SECONDS = 2.7
EPSILON = 1e-10


def make_mixture(window: int) -> np.ndarray:
    """Return some seconds of a song, and silence for as long as a window: (channels, samples)."""
    song, sample_rate_hz = soundfile.read(SONG, dtype="float32", always_2d=True)
    hop = window // 4
    samples = song.T[:, : round(SECONDS * sample_rate_hz) // hop * hop].copy()
    samples[:, -window:] = 0
    return samples


def thin_out(estimates: np.ndarray) -> np.ndarray:
    """Keep some frames and bins of (…, time_frames, bins), about 20,000 numbers."""
    frames, bins = estimates.shape[-2:]
    return estimates[..., :: max(1, frames // 12), :: max(1, bins // 90)]


def excerpts(stems: np.ndarray) -> np.ndarray:
    """Keep some samples of (…, samples), those at both ends among them."""
    starts = np.linspace(0, stems.shape[-1] - 96, 10).astype(int)
    return np.stack([stems[..., start : start + 96] for start in starts], axis=-2)


def fill_parameters(seed: int, magnitudes: np.ndarray) -> None:
    """Give every parameter of the current scope random values, or statistics of (…, bins).

    Inputs are brought to unit variance, gates lie between open and closed, and estimates take many
    values. Half precision leaves zeros, which pack well.
    """
    import nnabla as nn

    rng = np.random.default_rng(seed)
    mean = magnitudes.reshape(-1, magnitudes.shape[-1]).mean(axis=0)
    spectrum = np.maximum(mean, 1e-3)
    draws: dict[str, Callable[[tuple[int, ...]], Any]] = {
        "input_mean": lambda shape: -spectrum[: shape[-1]],
        "input_scale": lambda shape: 1 / spectrum[: shape[-1]],
        "in": lambda shape: spectrum,
        "decode": lambda shape: mean[: shape[-1]] * rng.uniform(0.03, 0.1, shape),
        "output_mean": lambda shape: rng.uniform(0.2, 0.6, shape),
        "output_scale": lambda shape: rng.uniform(0.2, 0.6, shape),
        "gamma": lambda shape: rng.uniform(0.5, 1.5, shape),
        "var": lambda shape: rng.uniform(0.3, 1, shape),
        "W": lambda shape: rng.normal(size=shape) / np.prod(_inputs(shape)) ** 0.5,
        "weight": lambda shape: rng.normal(size=shape) / shape[-1] ** 0.5,
    }
    for name, variable in sorted(nn.get_parameters(grad_only=False).items()):
        kind = name.rpartition("/")[2]
        draw = draws.get(kind) or draws.get(kind.rpartition("_")[0])
        values = draw(variable.shape) if draw else rng.uniform(-0.5, 0.5, variable.shape)
        variable.d = np.float16(values).astype(np.float32).reshape(variable.shape)


def _inputs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes of a kernel that are summed over."""
    return shape[1:] if len(shape) == 4 else shape[:1]


def transform(samples: np.ndarray, window: int) -> np.ndarray:
    """Return spectra (channels, time_frames, bins) of a signal with a window of zeros before it.

    nnabla's transform, which the networks were trained on, gives them in single precision.
    """
    import nnabla as nn

    hop = window // 4
    padded = np.pad(samples, ((0, 0), (window, window - hop)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]
    spectra = np.fft.rfft(frames * _hann(window))
    given = nn.functions.stft(
        nn.Variable.from_numpy_array(padded), window, hop, window, center=False
    )
    nn.forward_all(given)
    real, imaginary = (each.d.transpose(0, 2, 1) for each in given)
    if not np.allclose(real + 1j * imaginary, spectra, atol=1e-3):
        raise ValueError("nnabla transforms otherwise")
    return spectra


def _hann(window: int) -> np.ndarray:
    return np.hanning(window + 1)[:-1]


def invert(spectra: np.ndarray, samples: int) -> np.ndarray:
    """Return the signals (…, samples) of spectra (…, time_frames, bins)."""
    frames, window = spectra.shape[-2], 2 * (spectra.shape[-1] - 1)
    hop = window // 4
    signals = np.zeros((*spectra.shape[:-2], (frames + 3) * hop))
    for frame, part in enumerate(np.moveaxis(np.fft.irfft(spectra) * _hann(window) / 1.5, -2, 0)):
        signals[..., frame * hop : frame * hop + window] += part
    return signals[..., window:][..., :samples]


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
    networks: Any = import_module("nnabla_networks")
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
    networks: Any = import_module("nnabla_networks")
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
        save(FOLDER / f"{family}.zip", names)
    single = {name: array.astype(np.float32) for name, array in golden.items()}
    np.savez_compressed(GOLDEN, **single)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
