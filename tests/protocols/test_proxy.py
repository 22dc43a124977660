"""PROXY headers as balancers send them, and as somebody else might."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcontinuity.protocols.proxy import MAX_V1, MAX_V2, BadHeader, Header, parse

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 54321 25\r\n"
V2 = SIGNATURE + b"\x21\x11\0\x0c" + bytes((203, 0, 113, 7, 192, 0, 2, 1)) + struct.pack("!HH", 54321, 25)
V2_WITH_MORE = (
    SIGNATURE
    + b"\x21\x21\0\x29"
    + bytes.fromhex("20010db8" + "00" * 11 + "07")
    + bytes(16)
    + (struct.pack("!HH", 54321, 25) + b"\x04\0\x02ok")
)


@pytest.mark.parametrize(
    ("header", "host", "port"),
    [
        (V1, "203.0.113.7", 54321),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 54321 25\r\n", "2001:db8::7", 54321),
        (b"PROXY UNKNOWN\r\n", None, 0),
        (b"PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n", None, 0),
        (V2, "203.0.113.7", 54321),
        (V2_WITH_MORE, "2001:db8::7", 54321),
        (SIGNATURE + b"\x20\0\0\0", None, 0),
        (SIGNATURE + b"\x21\x31\0\xd8" + bytes(216), None, 0),
    ],
)
def test_a_header_says_who_the_client_is_however_it_is_cut(header: bytes, host: str | None, port: int) -> None:
    for length in range(len(header)):
        assert parse(header[:length]) is None
    assert parse(header) == parse(header + b"EHLO c\r\n") == Header(host, port, len(header))


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO client.example\r\n",
        b"\x16\x03\x01\x02\0\x01\0",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 54321\r\n",
        b"PROXY TCP4 203.0.113.300 192.0.2.1 54321 25\r\n",
        b"PROXY TCP4 2001:db8::7 192.0.2.1 54321 25\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 99999 25\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 1 25\nQUIT\r\n",
        b"PROXY  TCP4 203.0.113.7 192.0.2.1 1 25\r\n",
        b"proxy TCP4 203.0.113.7 192.0.2.1 1 25\r\n",
        b"PROXY " + b"x" * MAX_V1,
        SIGNATURE + b"\x11\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", MAX_V2),
        b"\r\n\r\nhello",
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(data)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(SIGNATURE.__add__) | st.binary().map(b"PROXY ".__add__))
def test_no_octets_whatever_are_waited_on_for_ever(data: bytes) -> None:
    try:
        header = parse(data)
    except BadHeader:
        return
    if header is None:
        assert len(data) < MAX_V2
    else:
        assert header.length <= len(data)
