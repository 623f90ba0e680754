"""The reference implementations of other families; `benchmarks.families` runs this.

python references.py make FAMILY FOLDER                   a checkpoint of real size, random weights
python references.py separate FAMILY FOLDER SONG STEMS    a song to one file a stem
"""

from __future__ import annotations

import sys
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import soundfile
import torch

if TYPE_CHECKING:
    import numpy as np

STEMS = ("vocals", "drums", "bass", "other")
SAMPLE_RATE_HZ = 44_100


class OpenUnmix:
    """Four networks of umxhq's size, a file each, and a Wiener filter over all."""

    iterations = 1

    def networks(self) -> dict[str, Any]:
        """Return networks of umxhq's size."""
        target = import_module("openunmix.model").OpenUnmix
        bins = {"nb_bins": 2049, "max_bin": 1487}
        return {stem: target(nb_channels=2, hidden_size=512, **bins).eval() for stem in STEMS}

    def make(self, folder: Path) -> None:
        """Write a checkpoint."""
        for stem, network in self.networks().items():
            torch.save(network.state_dict(), folder / f"{stem}.pth")

    def separate(self, folder: Path, mixture: torch.Tensor) -> np.ndarray:
        """Return (stems, channels, samples)."""
        networks = self.networks()
        for stem, network in networks.items():
            network.load_state_dict(torch.load(folder / f"{stem}.pth"))
        separator = import_module("openunmix.model").Separator(networks, niter=self.iterations)
        return separator(mixture[None])[0].numpy()


class OpenUnmixWithoutFilter(OpenUnmix):
    """The same without the filter."""

    iterations = 0


class _DenseAfterConvolutions(torch.nn.Module):
    """Three convolutions, and what two dense layers over the bins add to them."""

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for _ in range(3):
            layers += [torch.nn.Conv2d(channels, channels, 3, padding=1), *_norm(channels)]
        self.convolutions = torch.nn.Sequential(*layers)
        self.dense = torch.nn.Sequential(
            torch.nn.Linear(bins, bins // 8, bias=False), *_norm(channels),
            torch.nn.Linear(bins // 8, bins, bias=False), *_norm(channels),
        )  # fmt: skip

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        convolved = self.convolutions(signal)
        return convolved + self.dense(convolved)


class _TfcTdf(torch.nn.Module):
    """MDX-Net's U-Net: planes (1, 4, bins, time_frames) to the same."""

    def __init__(self, bins: int, growth: int = 32, levels: int = 5) -> None:
        super().__init__()
        widths = [growth * level for level in range(1, levels + 2)]
        sizes = [bins >> level for level in range(levels + 1)]
        conv, back = torch.nn.Conv2d, torch.nn.ConvTranspose2d
        sequence, modules = torch.nn.Sequential, torch.nn.ModuleList
        self.first = sequence(conv(4, growth, 1), *_norm(growth))
        self.blocks = modules(map(_DenseAfterConvolutions, widths, sizes))
        self.down = modules(
            sequence(conv(narrow, wide, 2, 2), *_norm(wide)) for narrow, wide in pairwise(widths)
        )
        self.up = modules(
            sequence(back(wide, narrow, 2, 2), *_norm(narrow)) for narrow, wide in pairwise(widths)
        )
        self.after = modules(map(_DenseAfterConvolutions, widths[:-1], sizes))
        self.last = conv(growth, 4, 1)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        signal = self.first(planes.transpose(2, 3))
        skips = []
        for block, down in zip(self.blocks, self.down, strict=False):
            skips.append(block(signal))
            signal = down(skips[-1])
        signal = self.blocks[-1](signal)
        for up, after in reversed(list(zip(self.up, self.after, strict=True))):
            signal = after(up(signal) * skips.pop())
        return self.last(signal).transpose(2, 3)


def _norm(channels: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    return torch.nn.BatchNorm2d(channels), torch.nn.ReLU()


class MdxNet:
    """A U-Net in ONNX Runtime between torch's transforms, as those who publish them run it."""

    window, hop, bins, frames = 6144, 1024, 2048, 256

    def make(self, folder: Path) -> None:
        """Write a checkpoint, and what tells the length of its transform."""
        planes = torch.zeros(1, 4, self.bins, self.frames)
        network = _TfcTdf(self.bins).eval()
        torch.onnx.export(network, (planes,), folder / "net.onnx", dynamo=False)
        (folder / "net.json").write_text(f'{{"mdx_n_fft_scale_set": {self.window}}}')

    def separate(self, folder: Path, mixture: torch.Tensor) -> np.ndarray:
        """Return (stems, channels, samples)."""
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(folder / "net.onnx"), providers=["CPUExecutionProvider"]
        )
        (source,), margin = session.get_inputs(), self.window // 2
        passage = self.hop * (self.frames - 1)
        given = passage - 2 * margin
        length = -(-mixture.shape[1] // given) * given
        padding = margin, margin + length - mixture.shape[1]
        padded = torch.nn.functional.pad(mixture, padding)
        window = torch.hann_window(self.window)
        parts = []
        for start in range(0, length, given):
            shown = padded[:, start : start + passage]
            spectrum = torch.stft(shown, self.window, self.hop, window=window, return_complex=True)
            planes = torch.view_as_real(spectrum).permute(0, 3, 1, 2).reshape(1, 4, -1, self.frames)
            (made,) = session.run(None, {source.name: planes[:, :, : self.bins].numpy()})
            spectrum[:, self.bins :] = 0
            halves = torch.from_numpy(made).reshape(2, 2, self.bins, -1)
            spectrum[:, : self.bins] = torch.complex(halves[:, 0], halves[:, 1])
            samples = torch.istft(spectrum, self.window, self.hop, window=window, length=passage)
            parts.append(samples[:, margin:-margin])
        stem = torch.cat(parts, 1)[:, : mixture.shape[1]]
        return torch.stack([stem, mixture - stem]).numpy()


class Demucs:
    """A network of the package demucs: its own defaults for samples alone."""

    network = "demucs.Demucs"
    widths: ClassVar[dict[str, Any]] = {}

    def make(self, folder: Path) -> None:
        """Write a checkpoint as the package's training does."""
        module, kind = self.network.split(".")
        make_network = getattr(import_module(f"demucs.{module}"), kind)
        network = make_network(sources=["drums", "bass", "other", "vocals"], **self.widths)
        settings = import_module("omegaconf").OmegaConf.create({})
        package = import_module("demucs.states").serialize_model(network, settings, half=True)
        torch.save(package, folder / "net.th")

    def separate(self, folder: Path, mixture: torch.Tensor) -> np.ndarray:
        """Return (stems, channels, samples)."""
        package = torch.load(folder / "net.th", weights_only=False)
        network = import_module("demucs.states").load_model(package).eval()
        apply_model = import_module("demucs.apply").apply_model
        return apply_model(network, mixture[None], shifts=0)[0].numpy()


class RecurrentDemucs(Demucs):
    """The same with what its second version had instead of branches and normalisations."""

    widths: ClassVar = {"lstm_layers": 2, "dconv_mode": 0, "gelu": False, "norm_starts": 99}


class HybridDemucs(Demucs):
    """As hdemucs_mmi, whose passages are of 44 s."""

    network = "hdemucs.HDemucs"
    widths: ClassVar = {"channels": 48, "segment": 44}


class HybridTransformerDemucs(Demucs):
    """As htdemucs."""

    network = "htdemucs.HTDemucs"
    widths: ClassVar = {"bottom_channels": 512, "segment": Fraction(39, 5)}


FAMILIES: dict[str, Any] = {
    "openunmix": OpenUnmix,
    "openunmix, no filter": OpenUnmixWithoutFilter,
    "demucs 2": RecurrentDemucs,
    "demucs 3": Demucs,
    "hybrid demucs": HybridDemucs,
    "ht demucs": HybridTransformerDemucs,
    "mdx": MdxNet,
}


def main() -> None:
    """Do what the command line says."""
    torch.manual_seed(0)
    command, family, folder, *paths = sys.argv[1:]
    reference = FAMILIES[family]()
    if command == "make":
        reference.make(Path(folder))
        return
    song, target = map(Path, paths)
    samples, _ = soundfile.read(song, dtype="float32", always_2d=True)
    with torch.no_grad():
        stems = reference.separate(Path(folder), torch.from_numpy(samples.T.copy()))
    target.mkdir(exist_ok=True)
    for number, stem in enumerate(stems):
        soundfile.write(target / f"{number}.wav", stem.T, SAMPLE_RATE_HZ, "PCM_24")


if __name__ == "__main__":
    main()
