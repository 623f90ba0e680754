from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daw_bridge.errors import AudioError, BusyError, DawBridgeError, DiskFullError, OptionError
from daw_bridge.osc.addresses import STEM
from daw_bridge.osc.messages import MAX_ARGUMENTS, Message, decode, encode, fill
from daw_bridge.serving.codes import code_of, error_of

HELLO = encode("/stems/hello", "siis", "me", 1, 0, "")


def bundle(*elements: bytes) -> bytes:
    sized = (struct.pack(">i", len(each)) + each for each in elements)
    return b"#bundle\0" + bytes(7) + b"\1" + b"".join(sized)


def test_a_message_survives_the_journey() -> None:
    packet = encode("/stems/x", "sihfdbT", "é", -1, 1 << 40, 0.5, 0.1, b"\0\xff", True)
    assert decode(packet) == [Message("/stems/x", ["é", -1, 1 << 40, 0.5, 0.1, b"\0\xff", True])]


def test_type_tags_may_be_left_out_where_there_is_nothing_to_say() -> None:
    assert decode(b"/stems/list\0") == [Message("/stems/list", [])]


def test_bundles_are_opened_in_order_whatever_their_time() -> None:
    sync = [encode("/stems/sync", "i", number) for number in range(3)]
    future = bundle(bundle(sync[0], sync[1]), sync[2]).replace(bytes(7) + b"\1", b"\xff" * 8)
    assert [message.arguments for message in decode(future)] == [[0], [1], [2]]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"garbage!",
        b"/no/end",
        b"/x\0\0,i\0\0",
        b"/x\0\0,s\0\0abcd",
        b"/x\0\0,b\0\0\x7f\xff\xff\xff",
        b"/x\0\0,q\0\0\0\0\0\0",
        b"/x\0\0i\0\0\0\0\0\0\0",
        b"/\xff\xfe\0,\0\0\0",
        b"/x\0\0,s\0\0\xff\xff\0\0",
        b"/x\0\0,[[[",
        encode("/" + "x" * 300),
        encode("/x", "T" * (MAX_ARGUMENTS + 1), *[True] * (MAX_ARGUMENTS + 1)),
        b"#bundle\0",
        bundle() + struct.pack(">i", -4),
        bundle() + struct.pack(">i", 1 << 30) + HELLO,
        bundle(*[HELLO] * 300),
        bundle(*[bundle()] * 300),
        bundle(bundle(bundle(bundle(bundle(HELLO))))),
    ],
)
def test_what_breaks_the_rules_is_refused(packet: bytes) -> None:
    with pytest.raises(OptionError):
        decode(packet)


@given(st.binary(max_size=200), st.integers(0, 40))
def test_any_bytes_are_messages_or_are_refused(noise: bytes, keep: int) -> None:
    for packet in (noise, HELLO[:keep] + noise, b"#bundle\0" + noise, bundle(HELLO, noise)):
        try:
            messages = decode(packet)
        except OptionError:
            continue
        assert all(message.address.startswith("/") for message in messages)


def test_errors_have_codes() -> None:
    assert code_of(DiskFullError("x")) == -11
    assert code_of(AudioError("x")) == -4
    assert code_of(DawBridgeError("x")) == -1
    back = error_of(-6, "later")
    assert isinstance(back, BusyError)
    assert str(back) == "later"
    assert type(error_of(-99, "?")) is DawBridgeError


@given(st.text(), st.integers(), st.text(st.characters(categories=["Cs"])))
def test_any_name_and_number_can_be_told(name: str, number: int, broken_name: str) -> None:
    (message,) = decode(fill(STEM, name, number, 1, f"a\0{broken_name}", "/stems"))
    assert message.arguments[0] == name.replace("\0", "?")
    assert message.arguments[1] == max(min(number, 2**31 - 1), -(2**31) + 1)
    assert message.arguments[3] == f"a?{'?' * len(broken_name)}"


@given(st.floats(allow_nan=False))
def test_any_fraction_can_be_told(fraction: float) -> None:
    ((told,),) = (each.arguments for each in decode(encode("/x", "f", fraction)))
    assert told == pytest.approx(max(min(fraction, 3.4028234e38), -3.4028234e38), rel=1e-6)


@pytest.mark.parametrize("most", [1, 16])
def test_a_packet_has_so_many_messages(most: int) -> None:
    assert len(decode(bundle(*[HELLO] * most), most)) == most
    assert len(decode(bundle(bundle(*[HELLO] * most)), most)) == most
    with pytest.raises(OptionError, match=f"at most {most} "):
        decode(bundle(*[HELLO] * (most + 1)), most)


def test_texts_are_short() -> None:
    """They are read byte by byte."""
    assert decode(encode("/x", "s", "x" * 16_000))[0].arguments == ["x" * 16_000]
    with pytest.raises(OptionError, match="A text has at most"):
        decode(encode("/x", "s", "x" * 1_000_000))
