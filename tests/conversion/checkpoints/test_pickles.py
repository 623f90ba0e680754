"""Pickles of strangers: whatever they say, nothing runs and nothing changes."""

from __future__ import annotations

import argparse
import builtins
import collections
import copyreg
import io
import os
import pickle
import pickletools
import sys
import tracemalloc
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path, PosixPath, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daw_bridge.conversion.checkpoints.archives import read_unpacked
from daw_bridge.conversion.checkpoints.demucs_packages import read_package
from daw_bridge.errors import WeightsError
from tests.conversion.checkpoints.pickled import PROTOCOLS, WRAPPERS, named, program, text
from tests.golden.songs import GOLDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IS_FULL = os.environ.get("DAW_BRIDGE_STRESS") == "full"
EXAMPLES = 5_000 if IS_FULL else 60
WRAPPED = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
TARGETS = (
    "pathlib.PosixPath",
    "fractions.Fraction",
    "argparse.Namespace",
    "collections.OrderedDict",
    "numpy.dtype",
    "numpy.ndarray",
    "demucs.htdemucs.HTDemucs",
)
"""What packages of Demucs name beside tensors."""
WATCHED = (
    *(PurePath, PurePosixPath, PosixPath, Path, Fraction, types.SimpleNamespace),
    *(argparse.Namespace, OrderedDict, dict, np.dtype, np.ndarray, type),
    *(builtins, collections, copyreg, os, pickle, io),
)


def state_of_the_process() -> tuple[object, ...]:
    """Return what a pickle may not change."""
    return (
        [dict(vars(each)) for each in WATCHED],
        sorted(sys.modules),
        sorted(Path().iterdir()),
        sorted(os.environ.items()),
    )


WRITES = frozenset("wax+")
DEEDS = frozenset((
    *("import", "exec", "compile", "pickle.find_class", "ctypes.dlopen", "socket.connect"),
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"),
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree"),
))  # fmt: skip
done: list[str] = []
is_watched = False


def note(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what the interpreter does, if it is none of what reading needs."""
    if is_watched and (event in DEEDS or (event == "open" and WRITES & set(str(arguments[1])))):
        done.append(f"{event} {arguments}")


sys.addaudithook(note)


@contextmanager
def unchanged() -> Iterator[None]:
    """Fail where something ran, or where the process or the working folder is another one."""
    global is_watched  # noqa: PLW0603 - hooks cannot be taken away
    before = state_of_the_process()
    done.clear()
    is_watched = True
    try:
        yield
    finally:
        is_watched = False
    assert done == []
    assert state_of_the_process() == before


def test_deeds_are_noted(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"pickle\.find_class"), unchanged():
        pickle.loads(pickle.dumps(OrderedDict()))
    with pytest.raises(AssertionError, match="open"), unchanged():
        (tmp_path / "it").write_bytes(b"")


def write(folder: Path, content: bytes) -> Path:
    path = folder / "it.th"
    path.write_bytes(content)
    return path


def read(content: bytes, folder: Path) -> object:
    return read_package(write(folder, content))


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have imported what reading imports by itself, as codecs of members' names."""
    for wrap in WRAPPERS.values():
        with suppress(WeightsError):
            read(wrap(program(b"N")), tmp_path_factory.mktemp("warm"))
    read_package(GOLDEN / "demucs" / "htdemucs.th")


@WRAPPED
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("target", TARGETS)
def test_no_state_sets_attributes_of_classes(
    target: str, protocol: int, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    attribute = text("is_owned") + text("yes")
    for state in (b"}" + attribute + b"s", b"N}" + attribute + b"s\x86"):
        steps = named(target, protocol) + state + pickle.BUILD
        path = write(tmp_path, wrap(program(steps, protocol)))
        with unchanged(), pytest.raises(WeightsError, match=r"it\.th holds a state of .* --trust"):
            read_package(path)


@WRAPPED
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(
            lambda protocol: named("os.system", protocol) + text("touch owned") + b"\x85R",
            id="REDUCE",
        ),
        pytest.param(lambda _: text("touch owned") + b"\x85" + b"ios\nsystem\n", id="no mark"),
        pytest.param(lambda _: b"(" + text("touch owned") + b"ios\nsystem\n", id="INST"),
        pytest.param(
            lambda protocol: b"(" + named("os.system", protocol) + text("touch owned") + b"o",
            id="OBJ",
        ),
        pytest.param(
            lambda protocol: (
                named("builtins.type", protocol) + text("A") + b")}\x87" + pickle.NEWOBJ
            ),
            id="NEWOBJ",
        ),
        pytest.param(
            lambda protocol: (
                named("builtins.type", protocol) + text("A") + b")}\x87}" + pickle.NEWOBJ_EX
            ),
            id="NEWOBJ_EX",
        ),
        pytest.param(
            lambda protocol: named("demucs.htdemucs.HTDemucs", protocol) + b")" + pickle.NEWOBJ,
            id="an object of a class that may be named",
        ),
        pytest.param(lambda _: pickle.EXT1 + b"\x01", id="EXT1"),
        pytest.param(lambda _: pickle.EXT2 + b"\x01\x00", id="EXT2"),
        pytest.param(lambda _: pickle.EXT4 + b"\x01\x00\x00\x00", id="EXT4"),
        pytest.param(lambda _: pickle.NEXT_BUFFER, id="NEXT_BUFFER"),
        pytest.param(lambda _: pickle.PERSID + b"it\n", id="PERSID"),
        pytest.param(lambda _: b"]" + pickle.BINPERSID, id="BINPERSID"),
        pytest.param(lambda protocol: named("fractions.Fraction", protocol), id="a bare name"),
    ],
)
def test_nothing_that_is_named_runs(
    steps: Callable[[int], bytes],
    protocol: int,
    wrap: Callable[[bytes], bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    copyreg.add_extension("os", "system", 1)
    try:
        path = write(tmp_path, wrap(program(steps(protocol), protocol)))
        with unchanged(), pytest.raises(WeightsError, match=r"it\.th holds .*, where only arrays"):
            read_package(path)
    finally:
        copyreg.remove_extension("os", "system", 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_python_pickles_of_an_attack_is_refused(protocol: int, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    for wrap in WRAPPERS.values():
        with pytest.raises(WeightsError, match=r"holds (posix|nt)\.system, where only arrays"):
            read(wrap(pickle.dumps(Attack(), protocol)), tmp_path)
    assert not (tmp_path / "owned").exists()


def doubled(times: int) -> bytes:
    """Make a list of two lists of two lists …, each of them the same."""
    steps = b"]q\x00"
    for place in range(times):
        steps += b"]h" + bytes([place]) + b"ah" + bytes([place]) + b"aq" + bytes([place + 1])
    return steps


def dict_of(keys: Iterator[int]) -> bytes:
    """Make a dict of numbers."""
    return (
        b"}("
        + b"".join(pickle.LONG1 + b"\x10" + k.to_bytes(16, "little") + b"N" for k in keys)
        + b"u"
    )


BOMBS = {
    "lists in lists": (b"]" * 50_000 + b"a" * 49_999, "nested more than 100 deep"),
    "tuples in tuples": (b")" + b"\x85" * 50_000, "nested more than 100 deep"),
    "a key of tuples in tuples": (b"})" + b"\x85" * 200_000 + b"Ns", "neither a name nor a number"),
    "a list in itself": (b"]q\x00h\x00a", "in itself"),
    "a list in a tuple in itself": (b"]q\x00h\x00\x85a", "in itself"),
    "the same list, 2 ** 60 times": (doubled(60), "in too many places"),
    "a text, often": (
        text("a" * 10**6) + b"q\x00(" + b"h\x00" * 10_000 + b"t",
        "in too many places",
    ),
    "a number of ten million bytes": (
        pickle.LONG4 + (10**7).to_bytes(4, "little") + b"\x7f" * 10**7,
        "more than 128 bits",
    ),
    "many steps": (b"N0" * 300_000 + b"N", "more than 500,000 steps"),
    "many marks": (b"(" * 50_000, "lacks what it works on"),
    "a text that is not there": (
        pickle.BINUNICODE8 + b"\xff" * 7 + b"\x0f" + b"a",
        "no whole file",
    ),
    "bytes, made of a text often": (
        text("a" * 10**6)
        + b"q\x00("
        + (named("_codecs.encode") + b"h\x00" + text("latin1") + b"\x86R") * 99
        + b"t",
        "longer texts than it has",
    ),
    "paths, made of a text often": (
        text("a" * 4000) + b"q\x00(" + (named("pathlib.PosixPath") + b"h\x00\x85R") * 500 + b"t",
        "longer texts than it has",
    ),
    "a long path": (
        named("pathlib.PosixPath") + text("a" * 5000) + b"\x85R",
        "a path is longer than paths can be",
    ),
    "another encoding": (
        named("_codecs.encode") + text("a") + text("idna") + b"\x86R",
        "an encoding that they never have",
    ),
    "numbers of one hash": (
        dict_of((n + 1) * (2**61 - 1) for n in range(50_000)),
        "neither a name nor a number",
    ),
    "a fraction of a short text": (
        named("fractions.Fraction") + text("1e999999999") + b"\x85R",
        "anything but two numbers",
    ),
    "a fraction of nothing": (
        named("fractions.Fraction") + text("1/0") + b"\x85R",
        "anything but two numbers",
    ),
    "a call without a tuple": (named("fractions.Fraction") + b"]R", "with no tuple"),
    "a call of too many": (
        named("fractions.Fraction") + b"NNN\x87R",
        "arguments that it never has",
    ),
    "a key that cannot be printed": (b"}" + text("\x1b[2J") + b"Ns", "neither a name nor a number"),
    "a list as a dict": (b"]NNs", "fills something that is no container"),
    "a namespace without names": (named("argparse.Namespace") + b")\x81", "never finished"),
    "a long text as a number": (b"F" + b"x" * 10**6 + b"\n", r"^.{0,400}$"),
    "an empty stack": (b"0", "lacks what it works on"),
}


@WRAPPED
@pytest.mark.parametrize(("steps", "complaint"), BOMBS.values(), ids=BOMBS)
def test_little_that_makes_much_is_refused(
    steps: bytes, complaint: str, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=complaint):
            read(wrap(program(steps)), tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 150e6 + 10 * len(steps)
    finally:
        tracemalloc.stop()


def make_package() -> dict[str, Any]:
    """Return all that a package of Demucs may hold, small."""
    numbers = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    state = OrderedDict({"weight": numbers, "bias": numbers[0].half(), "step": torch.tensor(7)})
    musdb = Path("/data/musdb") if os.name == "posix" else "/data/musdb"
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return {
        "klass": "HTDemucs",
        "args": (),
        "kwargs": {"sources": ["drums", "other"], "segment": Fraction(39, 5), "wiener": None},
        "training_args": argparse.Namespace(musdb=musdb, lr=3e-4),
        "numbers": np.arange(6, dtype=np.int16).reshape(2, 3),
        "state": state,
    }


def save(held: object, *, zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(held, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_what_packages_hold_becomes_plain_values(zipped: bool, tmp_path: Path) -> None:
    package = read_package(write(tmp_path, save(make_package(), zipped=zipped)))
    assert package.settings["segment"] == Fraction(39, 5)
    assert np.array_equal(package.arrays["weight"], np.arange(12).reshape(3, 4))
    assert package.arrays["bias"].dtype == np.float16
    assert package.arrays["step"] == 7


SEEDS = (
    *(save(make_package(), zipped=zipped) for zipped in (True, False)),
    *(
        read_unpacked(GOLDEN / place)
        for place in ("demucs-waveforms/demucs1.th.gz", "demucs-waveforms/demucs2.th")
    ),
)
SNIPPETS = (
    *(opcode.code.encode("latin-1") for opcode in pickletools.opcodes),
    *(named(target) for target in (*TARGETS, "os.system", "torch._utils._rebuild_tensor_v2")),
    *(named(name) for name in ("torch.FloatStorage", "numpy.core.multiarray._reconstruct")),
    *(text(word) for word in ("storage", "touch owned", "39/5", "latin1", "f8", "__init__")),
    *(pickle.LONG1 + bytes([size]) + b"\x7f" * size for size in (4, 8, 17)),
    *(pickle.BININT + number.to_bytes(4, "little") for number in (2**31 - 1, 2**32 - 1)),
    b")R",
    b"}" + text("a") + text("b") + b"sb",
    b"\x85R",
    b"h\x00",
    b"(N",
)


def split(content: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return a file's pickle, and what makes a file of another."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        stream = io.BytesIO(content)
        begin, end = [stream.tell() for _ in range(4) if list(pickletools.genops(stream))][2:]
        return content[begin:end], lambda pickled: content[:begin] + pickled + content[end:]

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (place,) = (name for name in members if name.endswith("data.pkl"))

    def join(pickled: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, member in (members | {place: pickled}).items():
                archive.writestr(name, member)
        return stream.getvalue()

    return members[place], join


def steps_of(pickled: bytes) -> list[bytes]:
    """Return a pickle's opcodes, each with its argument."""
    places = [place for _, _, place in pickletools.genops(pickled) if place is not None]
    return [pickled[a:b] for a, b in zip(places, [*places[1:], len(pickled)], strict=True)]


FILES = [(content, *split(content)) for content in SEEDS]
STEPS = [steps_of(pickled) for _, pickled, _ in FILES]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file of which some opcodes, or bytes of its pickle, or bytes of the whole, are others."""
    number = draw(st.integers(0, len(FILES) - 1))
    content, pickled, join = FILES[number]
    match draw(st.sampled_from(["opcodes", "opcodes", "bytes", "file"])):
        case "opcodes":
            steps = list(STEPS[number])
            for _ in range(draw(st.integers(1, 4))):
                mutate_steps(draw, steps)
            return join(b"".join(steps))
        case "bytes":
            return join(mutate_bytes(draw, pickled))
        case _:
            return mutate_bytes(draw, content)


def mutate_steps(draw: st.DrawFn, steps: list[bytes]) -> None:
    """Leave one out, have it twice, swap two of them, or put in another."""
    first, second = (draw(st.integers(0, len(steps) - 1)) for _ in range(2))
    match draw(st.sampled_from(["leave out", "repeat", "swap", "put in", "replace"])):
        case "leave out":
            del steps[first]
        case "repeat":
            steps.insert(second, steps[first])
        case "swap":
            steps[first], steps[second] = steps[second], steps[first]
        case "put in":
            steps.insert(first, draw(st.sampled_from(SNIPPETS)))
        case _:
            steps[first] = draw(st.sampled_from(SNIPPETS))


def mutate_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Put other bytes in the place of a few."""
    begin = draw(st.integers(0, len(content)))
    end = begin + draw(st.integers(0, 8))
    return content[:begin] + draw(st.binary(max_size=8)) + content[end:]


@given(content=damaged())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_damage_does_more_than_raise(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    tracemalloc.start()
    try:
        with unchanged(), suppress(WeightsError):
            read_package(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
