"""Archives of strangers: what comes out of them is no more than weights can be."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from daw_bridge.conversion.checkpoints import archives
from daw_bridge.conversion.checkpoints.archives import is_tar, open_zip, read_tar, read_unpacked
from daw_bridge.conversion.checkpoints.demucs_packages import read_package
from daw_bridge.conversion.checkpoints.nnabla_files import has_names
from daw_bridge.conversion.checkpoints.tensorflow import list_variables, read_latest
from daw_bridge.conversion.checkpoints.torch_files import read_torch_file
from daw_bridge.errors import WeightsError
from tests.golden.songs import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEBI = 2**20
ZEROS = bytes(MEBI)
PACK = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
PACKED = pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
METHODS = {"deflate": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA}


@contextmanager
def in_memory_of(limit_bytes: float) -> Iterator[None]:
    """Fail where more memory was taken at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit_bytes
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have small bombs do: 4 MiB may always come out of a file."""
    monkeypatch.setattr(archives, "_ALWAYS_BYTES", 4 * MEBI)


def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def understate(archive: bytes, size: int, said: int) -> bytes:
    """Have an archive say another size of its member."""
    return archive.replace(struct.pack("<I", size), struct.pack("<I", said))


@PACKED
def test_compressed_files_are_unpacked(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(pack(b"weights" * 1000))
    assert read_unpacked(path) == b"weights" * 1000
    assert read_unpacked(path, 10) == b"weightswei"
    path.write_bytes(pack(b"weights" * 1000)[:-12])
    with pytest.raises(WeightsError, match=r"it is damaged: .*\.$"):
        read_unpacked(path)


@PACKED
def test_a_bomb_is_refused_while_it_is_unpacked(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "it.th"
    path.write_bytes(pack(ZEROS * 64))
    for read in (read_unpacked, read_package, read_tar):
        with in_memory_of(32 * MEBI), pytest.raises(WeightsError, match=r"unpacks to more than"):
            read(path)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_zip_of_a_bomb_is_refused_by_what_it_says(method: int, tmp_path: Path) -> None:
    path = tmp_path / "it.zip"
    names = ("a/data.pkl", "x.h5", "model.index")
    path.write_bytes(zip_of(*((name, ZEROS * 32) for name in names), method=method))
    for read in (
        has_names,
        read_latest,
        list_variables,
        lambda path: read_torch_file(path.read_bytes(), "it.zip"),
    ):
        with in_memory_of(16 * MEBI), pytest.raises(WeightsError, match=r"it\.zip unpacks to more"):
            read(path)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_zip_that_understates_a_bomb_is_refused(method: int) -> None:
    bomb = understate(zip_of(("a", ZEROS * 160), method=method), 160 * MEBI, 1000)
    with (
        in_memory_of(96 * MEBI),
        open_zip(bomb, "it") as members,
        pytest.raises(WeightsError, match=r"it has no whole member 'a': Bad CRC"),
    ):
        members.read("a")


def test_a_method_that_nothing_bounds_is_refused() -> None:
    with (
        open_zip(zip_of(("a", b"weights"), method=zipfile.ZIP_BZIP2), "it") as members,
        pytest.raises(WeightsError, match="by a method that nothing bounds"),
    ):
        members.read("a")


def test_two_members_of_a_name_are_refused() -> None:
    content = zip_of(("a/data.pkl", b"N."), ("a/data.pkl", b"K\x01."))
    with pytest.raises(WeightsError, match=r"it holds 'a/data\.pkl' twice"):
        read_torch_file(content, "it")


@pytest.mark.parametrize(
    "names", [["a/data.pkl", "b/data.pkl"], ["a/b/data.pkl"], ["a/evildata.pkl"]]
)
def test_one_pickle_is_read_at_its_place(names: list[str]) -> None:
    with pytest.raises(WeightsError, match=r"it holds [02] files data\.pkl, not one"):
        read_torch_file(zip_of(*((name, b"}.") for name in names)), "it")


def test_members_that_share_their_bytes_count_each() -> None:
    one = zip_of(("a0", ZEROS))
    directory = one.index(b"PK\x01\x02")
    entry, end = one[directory:-22], one[-22:]
    entries = [entry.replace(b"a0", bytes([97, 97 + number])) for number in range(20)]
    counted = struct.pack("<HHII", 20, 20, len(entry) * 20, directory)
    content = one[:directory] + b"".join(entries) + end[:8] + counted + end[20:]
    with pytest.raises(WeightsError, match="it unpacks to more than"), open_zip(content, "it"):
        pass


def test_encrypted_and_missing_members_are_told_in_a_sentence() -> None:
    content = zip_of(("a", b"weights")).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )
    with open_zip(content, "it") as members:
        for name in ("a", "\x1b[2J"):
            with pytest.raises(WeightsError, match=r"^it has no whole member '[^\x1b]*$"):
                members.read(name)


def tar_of(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_files_of_a_tar_are_read_and_links_left_out(tmp_path: Path) -> None:
    path = tmp_path / "it.tar.gz"
    file, link = tarfile.TarInfo("./model.index"), tarfile.TarInfo("passwd")
    file.size = 7
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    path.write_bytes(gzip.compress(tar_of(file, link, content=b"weights")))
    assert is_tar(path)
    assert read_tar(path) == {"./model.index": b"weights"}


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x00" * 1024])
def test_what_is_no_tar_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(content)
    assert not is_tar(tmp_path / "it") or read_tar(tmp_path / "it") == {}


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_a_tar_that_is_a_bomb_is_refused(kind: bytes, tmp_path: Path) -> None:
    header = tarfile.TarInfo("it")
    header.type, header.size = kind, 64 * MEBI
    path = tmp_path / "it.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + ZEROS * 64))
    with in_memory_of(16 * MEBI):
        assert list_variables(path) == set()
        with pytest.raises(WeightsError, match="unpacks to more"):
            read_latest(path)


def test_a_sparse_file_of_a_tar_takes_no_room(tmp_path: Path) -> None:
    member = tarfile.TarInfo("model.index")
    member.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "model.index",
        "GNU.sparse.size": str(2**40), "GNU.sparse.realsize": str(2**40), "GNU.sparse.map": "0,0",
    }  # fmt: skip
    path = tmp_path / "it.tar"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member)
    path.write_bytes(stream.getvalue())
    with in_memory_of(16 * MEBI):
        assert read_tar(path) == {}


def test_published_archives_are_read_to_the_same_bytes() -> None:
    with zipfile.ZipFile(GOLDEN / "xumx.zip") as archive:
        expected = {name: archive.read(name) for name in archive.namelist()}
    with open_zip(GOLDEN / "xumx.zip", "it") as members:
        assert {name: members.read(name) for name in members.names} == expected
