"""The header of HAProxy's PROXY protocol, versions 1 and 2, by which a balancer tells who its client is.

https://www.haproxy.org/download/3.1/doc/proxy-protocol.txt
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

MAX_V1 = 107  # octets, line end included (§2.1)
MAX_V2 = 16 + 4096  # what comes behind the addresses is skipped; nobody needs more of it

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1 = re.compile(rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|(TCP[46]) ([0-9A-Fa-f:.]+) [0-9A-Fa-f:.]+ (\d{1,5}) \d{1,5})")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class BadHeader(ValueError):
    """Raised for octets that are no such header."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header of ``length`` octets.

    ``host`` is an IP address, or None where the balancer speaks for itself or does not know.
    """

    host: str | None
    port: int
    length: int


def parse(data: bytes) -> Header | None:
    """Returns the header that ``data`` begins with, or None while more must come. Raises BadHeader."""
    if data.startswith(_SIGNATURE):
        return _version_2(data)
    if _SIGNATURE.startswith(data):
        return None
    beginning = data[:6]
    if not b"PROXY ".startswith(beginning):
        raise BadHeader(f"no PROXY header: {data[:20]!r}")
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise BadHeader(f"a PROXY line of more than {MAX_V1} octets")
        return None
    match = _V1.fullmatch(data, 0, end)
    if match is None:
        raise BadHeader(f"no PROXY line: {data[:end]!r}")
    family, host, port = match.groups()
    if family is None:
        return Header(None, 0, end + 2)
    try:
        address = IPv4Address(host.decode()) if family == b"TCP4" else IPv6Address(host.decode())
    except ValueError:
        raise BadHeader(f"no PROXY line: {data[:end]!r}") from None
    return Header(str(address), _port(int(port)), end + 2)


def _version_2(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    command, family, length = struct.unpack_from("!BBH", data, 12)
    if command not in (_LOCAL, _PROXY):
        raise BadHeader(f"unknown version and command {command:#x}")
    if 16 + length > MAX_V2:
        raise BadHeader(f"a PROXY header of {16 + length} octets")
    if len(data) < 16 + length:
        return None
    if command == _PROXY and family == _TCP4:
        return _known(IPv4Address, "!4s4sH", data, length)
    if command == _PROXY and family == _TCP6:
        return _known(IPv6Address, "!16s16sH", data, length)
    return Header(None, 0, 16 + length)


def _known(kind: type[IPv4Address] | type[IPv6Address], form: str, data: bytes, length: int) -> Header:
    if length < struct.calcsize(form) + 2:
        raise BadHeader("a PROXY header without room for its addresses")
    source, _, port = struct.unpack_from(form, data, 16)
    return Header(str(kind(source)), port, 16 + length)


def _port(number: int) -> int:
    if number > 65535:
        raise BadHeader(f"port {number}")
    return number
