"""Hosts, networks, routes and endpoints as administrators write them."""

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
    """Returns whether the text is a host name (RFC 1123 §2.1) or an address literal of EHLO (RFC 5321 §4.1.3)."""
    if text.startswith("[") and text.endswith("]"):
        try:
            ip_address(text[1:-1].removeprefix("IPv6:"))
        except ValueError:
            return False
        return True
    return len(text) <= 253 and _HOSTNAME.fullmatch(text) is not None


def network(text: str) -> str:
    """Returns a network in its canonical form. Raises ValueError."""
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        wider = ip_network(text, strict=False)
    except ValueError:
        raise ValueError('not a network; write it as "192.0.2.0/24" or "2001:db8::/32"') from None
    raise ValueError(f"has bits set beyond its mask; did you mean {str(wider)!r}?")


def networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Reads networks as the configuration has them, checked before: ``192.0.2.0/24``, or one address."""
    return tuple(ip_network(text) for text in texts)


def contains(networks: Iterable[IPv4Network | IPv6Network], peer: str) -> bool:
    """Returns whether the IP address of a peer lies in one of the networks.

    An IPv4 address inside IPv6 counts as IPv4.
    """
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def host_of(peer: str) -> str:
    """Returns the host by which a client is counted: its IPv4 address or its IPv6 /64.

    A single host may use all addresses of a /64, since RFC 6177 gives each site more than one. A peer without an IP
    address is counted by its name.
    """
    return _counted(peer)[0]


def network_of(host: str) -> str:
    """Returns the network by which hosts are counted together: an IPv4 /24 or an IPv6 /48 (RFC 6177 §2)."""
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
    """Splits ``host:port`` and returns both; ``default`` is the port where none is given. Raises ValueError."""
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError("not a host with an optional :port")
    port = match[2] or match[4]
    return match[1] or match[3] or match[5], int(port) if port else default


_ROUTE_TLS = ("opportunistic", "required", "verify", "off")
ROUTE = '"mx" or "smtp://[user:password@]host[:port]", either with "?tls=required" or "?tls=verify" behind it'


def is_route(text: str) -> bool:
    """Returns whether the text is a route for outbound mail, ``mx`` or a smarthost, as `outbound/route.py` reads it."""
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


# From the first colon behind scheme and slashes to the last @, also where the slashes are wrong; and what stands in the
# place of a port and is none, where the @ was forgotten. A password may have any of : / @ in it.
_PASSWORD = re.compile(r"\A((?:[^:/@]*:/++|(?![^:/@]*:/))[^:]*):.*(?=@)", re.DOTALL)
_NO_PORT = re.compile(r"\A([^:/@]*:/+[^:/?#\[\]@]+):(?!\d{1,5}(?:[/?#]|$)).+", re.DOTALL)


def without_password(route: str) -> str:
    """Returns a smarthost, or any other URL, without its password, so that it may be shown."""
    return (_PASSWORD if "@" in route else _NO_PORT).sub(r"\1:…", route)


_ENDPOINT_PIECE = re.compile(r"\\(.)|(:)|([^\\:]+)", re.DOTALL)


def endpoint_fields(text: str) -> list[str]:
    """Returns the parts of a Twisted endpoint string. A backslash escapes a colon in a part."""
    fields = [""]
    for escaped, colon, plain in _ENDPOINT_PIECE.findall(text):
        if colon:
            fields.append("")
        else:
            fields[-1] += escaped or plain
    return fields


def listeners(doors: Listen) -> list[tuple[str, int]]:
    """Returns the interface (empty for all) and the port of every TCP endpoint."""
    return [place for door in doors.__struct_fields__ for place in places(getattr(doors, door))]


def places(endpoints: Iterable[str]) -> list[tuple[str, int]]:
    """Returns the interface (empty for all) and the port of each of these endpoints that is one of TCP."""
    found = []
    for endpoint in endpoints:
        kind, *fields = endpoint_fields(endpoint.removeprefix("haproxy:"))
        if kind in ("tcp", "tcp6"):
            options = dict(field.partition("=")[::2] for field in fields[1:])
            found.append((options.get("interface", ""), int(fields[0].removeprefix("port="))))
    return found
