"""Hosts, networks and routes as administrators write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from mpcontinuity.model.settings import Listen

_LONGEST_NAME = 108  # of a socket in the file system
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST_PORT = re.compile(r"\[([^]]+)\](?::(\d{1,5}))?|([^:\[\]]+)(?::(\d{1,5}))?|([0-9A-Fa-f:.]+)")


def is_hostname(text: str) -> bool:
    """RFC 1123 §2.1, or an address literal as RFC 5321 §4.1.3 has it in EHLO."""
    if text.startswith("[") and text.endswith("]"):
        try:
            ip_address(text[1:-1].removeprefix("IPv6:"))
        except ValueError:
            return False
        return True
    return len(text) <= 253 and _HOSTNAME.fullmatch(text) is not None


def network(text: str) -> str:
    """In canonical form."""
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        wider = ip_network(text, strict=False)
    except ValueError:
        raise ValueError('not a network; write it as "192.0.2.0/24" or "2001:db8::/32"') from None
    raise ValueError(f"has bits set beyond its mask; did you mean {str(wider)!r}?")


def contains(networks: Iterable[IPv4Network | IPv6Network], peer: str) -> bool:
    """Whether a peer's address, an IPv4 one in IPv6 too, lies in one of the networks."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def host_of(peer: str) -> str:
    """What a client is counted by: its IPv4 address, or its IPv6 /64, all of which a single host may use (RFC 6177
    gives each site more than one). A peer without an IP address counts by its name."""
    return _counted(peer)[0]


def network_of(host: str) -> str:
    """What hosts are counted by together: an IPv4 /24, an IPv6 /48 (what a site is given, RFC 6177 §2)."""
    return _counted(host)[1]


@lru_cache(maxsize=10_000)
def _counted(peer: str) -> tuple[str, str]:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer[:_LONGEST_NAME], peer[:_LONGEST_NAME]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return str(address), str(IPv4Address(int(address) >> 8 << 8)) + "/24"
    return str(IPv6Address(int(address) >> 64 << 64)), str(IPv6Address(int(address) >> 80 << 80)) + "/48"


def split(text: str, default: int) -> tuple[str, int]:
    """Host and port. Raises ValueError."""
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError("not a host with an optional :port")
    port = match[2] or match[4]
    return match[1] or match[3] or match[5], int(port) if port else default


_ROUTE_TLS = ("opportunistic", "required", "verify", "off")
ROUTE = '"mx" or "smtp://[user:password@]host[:port]", either with "?tls=required" or "?tls=verify" behind it'


def is_route(text: str) -> bool:
    """``mx``, or a smarthost: what `outbound/route.py` reads."""
    text, mark, query = text.partition("?")
    if mark and query not in [f"tls={tls}" for tls in _ROUTE_TLS]:
        return False
    if text == "mx":
        return True
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = not parts.fragment and parts.path in ("", "/")
    return parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and plain and port != 0


def without_password(route: str) -> str:
    """A smarthost, or any URL, as it may be shown."""
    before, at, host = route.rpartition("@")
    scheme, mark, credentials = before.rpartition("//")
    name, colon, _ = credentials.partition(":")
    return f"{scheme}{mark}{name}:…@{host}" if at and mark and colon else route


_ENDPOINT_PIECE = re.compile(r"\\(.)|(:)|([^\\:]+)", re.DOTALL)


def endpoint_fields(text: str) -> list[str]:
    """The parts of a Twisted endpoint string; ``\\`` escapes a colon in one."""
    fields = [""]
    for escaped, colon, plain in _ENDPOINT_PIECE.findall(text):
        if colon:
            fields.append("")
        else:
            fields[-1] += escaped or plain
    return fields


def listeners(doors: Listen) -> list[tuple[str, int]]:
    """Interface (empty: all) and port of every TCP endpoint."""
    places = []
    for door in doors.__struct_fields__:
        for endpoint in getattr(doors, door):
            kind, *fields = endpoint_fields(endpoint.removeprefix("haproxy:"))
            if kind in ("tcp", "tcp6"):
                options = dict(field.partition("=")[::2] for field in fields[1:])
                places.append((options.get("interface", ""), int(fields[0].removeprefix("port="))))
    return places
