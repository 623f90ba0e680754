"""Checkpoints and networks from strangers: read as numbers, never run, and bounded."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks.networks import LEFT, TOLD, elsewhere, endless, vast, write_network
from tests.attacks.victims import IS_FULL, Run, assert_refused, stemtool, untouched
from tests.web import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHECKPOINT = Path(__file__).parents[1] / "golden/demucs/hdemucs.th"
_PROTOCOL_BYTES = 2
_PROTOCOLS = range(6) if IS_FULL else range(0, 6, 2)
_BOMB_BYTES = 1 << 30
_IMPORT_MB = 700
_CHUNK = bytes(1 << 24)


class Call:
    """What a pickle calls a function by."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._called = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._called


def _pushed(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _state_of(place: str, attribute: str, value: str) -> bytes:
    """Return a pickle that sets an attribute of a class, by BUILD."""
    module, _, name = place.rpartition(".")
    state = b"N}" + _pushed(attribute) + _pushed(value) + b"s\x86"
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + state + b"b."


def _pickles(canary: str) -> dict[str, bytes]:
    """Return pickles that do something to a folder when they are read as pickles are."""
    touch = f"touch {canary}/run"
    return {
        **{f"system-{n}": pickle.dumps(Call(os.system, touch), n) for n in _PROTOCOLS},
        "write": pickle.dumps(Call(open, f"{canary}/run", "w")),
        "mkdir": pickle.dumps(Call(os.mkdir, f"{canary}/run")),
        "eval": pickle.dumps(Call(eval, f"open({canary + '/run'!r}, 'w')")),
        "inst": f"(S'{touch}'\nios\nsystem\n.".encode(),
        "obj": f"(cos\nsystem\nS'{touch}'\no.".encode(),
        "stack-global": b"\x80\x04" + _pushed("os") + _pushed("system") + b"\x93"
        + _pushed(touch) + b"\x85R.",
        "attribute": b"\x80\x04" + _pushed("collections") + _pushed("abc.sys.exit") + b"\x93)R.",
        "extension": b"\x80\x02\x82\x01)R.",
        "path-class": _state_of("pathlib.PosixPath", "_str", canary),
        "fraction-class": _state_of("fractions.Fraction", "numerator", canary),
        "namespace-class": _state_of("argparse.Namespace", "shape", canary),
        "array-class": _state_of("numpy.ndarray", "shape", canary),
        "nested": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        "doubling": b"\x80\x02]q\x00" + b"(h\x00h\x00tq\x00" * 64 + b".",
    }  # fmt: skip


def _in_zip(pickled: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/version", "3\n")
    return buffer.getvalue()


def _in_a_good_one(pickled: bytes) -> bytes:
    """Return a checkpoint that is what it should be once the attack is over."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(_CHECKPOINT) as good, zipfile.ZipFile(buffer, "w") as archive:
        for name in good.namelist():
            data = good.read(name)
            if name.endswith("data.pkl"):
                data = data[:_PROTOCOL_BYTES] + pickled.removesuffix(b".") + b"0" + data[2:]
            archive.writestr(name, data)
    return buffer.getvalue()


_WRAPS = [_in_a_good_one, _in_zip, bytes] if IS_FULL else [_in_a_good_one]


@pytest.mark.parametrize("wrap", _WRAPS)
@pytest.mark.parametrize("attack", _pickles(""))
def test_a_checkpoint_runs_nothing(
    attack: str, wrap: Callable[[bytes], bytes], home: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "song").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/net.th").write_bytes(wrap(_pickles(str(canary))[attack]))
    with serve(tmp_path / "site") as site, untouched(tmp_path, but=(home,)):
        run = stemtool("models", "import", f"{site.address}/net.th")
    assert run.is_refusal or wrap is _in_a_good_one, run


def _write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("net/version", "3\n")
        with archive.open("net/data.pkl", "w", force_zip64=True) as member:
            for chunk in _chunks():
                member.write(chunk)


def _write_gzip(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for chunk in _chunks():
            stream.write(chunk)


def _write_tar(path: Path) -> None:
    index = tarfile.TarInfo("./model.index")
    index.size = _BOMB_BYTES
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(index.tobuf())
        for chunk in _chunks():
            stream.write(chunk)


def _chunks() -> Iterator[bytes]:
    return (_CHUNK for _ in range(_BOMB_BYTES // len(_CHUNK)))


@pytest.mark.parametrize(
    ("name", "write"),
    [("net.th", _write_zip), ("net-12345678.th.gz", _write_gzip), ("2stems.tar.gz", _write_tar)],
)
def test_an_archive_takes_no_more_memory_than_a_network(
    name: str, write: Callable[[Path], None], home: Path, tmp_path: Path
) -> None:
    write(tmp_path / name)
    run = stemtool("models", "import", tmp_path / name)
    assert_refused(run)
    assert run.peak_mb < _IMPORT_MB


def _import_and_use(network: Path, song: Path) -> Run:
    """Return how far a network gets: what refuses it, or what it makes of a song."""
    run = stemtool("models", "import", network)
    if run.status:
        return run
    return stemtool("separate", "-m", network.stem, song, "-o", song.parent / "out")


@pytest.mark.parametrize(
    "make",
    [endless, *(lambda name=name: vast(name) for name in ("ConstantOfShape", "Expand", "Tile"))],
    ids=["Loop", "ConstantOfShape", "Expand", "Tile"],
)
def test_a_network_takes_bounded_time_and_memory(
    make: Callable[[], tuple[Any, Any]], home: Path, song: Path, tmp_path: Path
) -> None:
    network = write_network(tmp_path / "net.onnx", *make())
    assert_refused(_import_and_use(network, song))


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "secret", "link"])
def test_a_network_reads_no_other_file(
    location: str, home: Path, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(bytes(64))
    (tmp_path / "link").symlink_to("/etc/passwd")
    network = write_network(tmp_path / "net.onnx", constants=[elsewhere(location)])
    assert_refused(_import_and_use(network, song))


@pytest.mark.parametrize(
    "told",
    [
        {"mdx_n_fft_scale_set": "1000000000000000000"},
        {"mdx_n_fft_scale_set": "9" * 5_000},
        {"mdx_n_fft_scale_set": "-6144"},
        {"compensate": "nan"},
        {"compensate": "inf"},
        {"compensate": "1e400"},
        {"compensate": "-1"},
    ],
    ids=str,
)
def test_what_a_network_tells_is_checked(
    told: dict[str, str], home: Path, song: Path, tmp_path: Path
) -> None:
    network = write_network(tmp_path / "net.onnx", told={**TOLD, **told})
    assert_refused(_import_and_use(network, song))


@pytest.mark.parametrize("shape", [("batch", 4, 2048, 1 << 40), ("batch", 4, 2048, 1 << 62)])
def test_a_network_asks_for_no_endless_passage(
    shape: tuple[str | int, ...], home: Path, song: Path, tmp_path: Path
) -> None:
    assert_refused(_import_and_use(write_network(tmp_path / "net.onnx", shape=shape), song))


@pytest.mark.parametrize("stem", ["../../x", "/x", "..", ".", "", "x\x00y", "a/b", "x" * 5_000])
def test_a_stem_of_a_network_stays_in_its_folder(
    stem: str, home: Path, song: Path, tmp_path: Path
) -> None:
    told = {**TOLD, "primary_stem": stem.replace("/x", f"{tmp_path}/x") if stem == "/x" else stem}
    network = write_network(tmp_path / "net.onnx", constants=[LEFT], told=told)
    with untouched(tmp_path, but=(home, tmp_path / "out")):
        run = _import_and_use(network, song)
    assert run.status == 0 or run.is_refusal, run
