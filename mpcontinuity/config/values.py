"""What a key of the file may hold: each kind reads a TOML value, or says in one line what it allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Protocol
from urllib.parse import urlsplit


class Kind(Protocol):
    @property
    def allowed(self) -> str:
        """Completes 'must be …'."""
        ...

    def read(self, value: Any) -> Any:
        """The value as the settings hold it. Raises ValueError, with a message where ``allowed`` says too little."""
        ...


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f"{self.low} to {self.high}"

    def read(self, value: Any) -> int:
        if type(value) is not int or not self.low <= value <= self.high:
            raise ValueError
        return value


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds, whatever the file has."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        return f'{show_duration(self.low)} to {show_duration(self.high)}, as "90s", "15m", "1h", "5d" or seconds'

    def read(self, value: Any) -> float:
        if isinstance(value, str):
            match = _DURATION.fullmatch(value)
            if match is None:
                raise ValueError
            value = float(match[1]) * _UNITS[match[2]]
        if type(value) not in (int, float) or not self.low <= value <= self.high:  # NaN fails here too
            raise ValueError
        return float(value)


def show_duration(seconds: float) -> str:
    """In the largest unit that needs no fraction."""
    for unit in "dhm":
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"


@dataclass(frozen=True, slots=True)
class Flag:
    allowed = "true or false"

    def read(self, value: Any) -> bool:
        if type(value) is not bool:
            raise ValueError
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """``check`` says whether it will do."""

    allowed: str
    check: Callable[[str], bool]

    def read(self, value: Any) -> str:
        if type(value) is not str or not self.check(value):
            raise ValueError
        return value


@dataclass(frozen=True, slots=True)
class Texts:
    """An array; ``read_one`` raises ValueError."""

    allowed: str
    read_one: Callable[[str], str]

    def read(self, value: Any) -> tuple[str, ...]:
        if type(value) is not list:
            raise ValueError
        read = []
        for element in value:
            if type(element) is not str:
                raise ValueError
            try:
                read.append(self.read_one(element))
            except ValueError as error:
                raise ValueError(f'"{element}": {error}') from None
        return tuple(read)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Twisted endpoint strings; one alone need not stand in an array."""

    allowed = 'endpoint strings, as ["tcp:1025:interface=127.0.0.1"]; [] turns the door off'

    def read(self, value: Any) -> tuple[str, ...]:
        return Texts(self.allowed, endpoint).read([value] if type(value) is str else value)


@dataclass(frozen=True, slots=True)
class Ports:
    """A table of port numbers by door."""

    doors: Sequence[str]

    @property
    def allowed(self) -> str:
        return f"a table of ports, 1 to 65535, for {', '.join(self.doors)}"

    def read(self, value: Any) -> dict[str, int]:
        if type(value) is not dict:
            raise ValueError
        for door, port in value.items():
            if door not in self.doors or type(port) is not int or not 1 <= port <= 65535:
                raise ValueError
        return value


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


def server(text: str) -> str:
    """``host[:port]``; an IPv6 address with a port stands in brackets."""
    host, port = split_server(text, 53)
    if not 1 <= port <= 65535:
        raise ValueError("the port must be 1 to 65535")
    try:
        ip_address(host)
    except ValueError:
        raise ValueError("must be the IP address of a DNS server, with :port if it is not 53") from None
    return text


def split_server(text: str, default: int) -> tuple[str, int]:
    """Host and port. Raises ValueError."""
    match = re.fullmatch(r"\[([^]]+)\](?::(\d{1,5}))?|([^:\[\]]+)(?::(\d{1,5}))?|([0-9A-Fa-f:.]+)", text)
    if match is None:
        raise ValueError("not a host with an optional :port")
    port = match[2] or match[4]
    return match[1] or match[3] or match[5], int(port) if port else default


def is_route(text: str) -> bool:
    """``mx``, or a smarthost."""
    if text == "mx":
        return True
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    plain = not parts.query and not parts.fragment and parts.path in ("", "/")
    return parts.scheme == "smtp" and bool(parts.hostname) and plain and port != 0


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


def endpoint(text: str) -> str:
    """Checks what can be told without a reactor; TLS is ours to add, so ``ssl:`` and ``tls:`` are refused."""
    kind, *fields = endpoint_fields(text)
    if kind in ("ssl", "tls"):
        raise ValueError("TLS is added by the server where the door wants it; use tcp:")
    if kind not in ("tcp", "tcp6", "unix", "systemd", "haproxy", "fd"):
        raise ValueError('must begin with tcp:, unix:, systemd: or haproxy:, as "tcp:1025:interface=127.0.0.1"')
    if kind in ("tcp", "tcp6"):
        port = fields[0].removeprefix("port=") if fields else ""
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("the port must be 0 to 65535; 0 takes a free one")
        unknown = [field for field in fields[1:] if field.partition("=")[0] not in ("interface", "backlog")]
        if unknown:
            raise ValueError(f'{unknown[0]!r} is no option of tcp; it has interface= and backlog= (":" as "\\:")')
    return text


def is_scheme(text: str) -> bool:
    """Whether passlib can hash under it here, knowing nothing but the password."""
    if text == "argon2":
        return True
    from passlib import registry  # loads all of passlib: only where the default does not do

    handler = registry.get_crypt_handler(text, None) if text.isidentifier() else None
    if handler is None or handler.context_kwds or getattr(handler, "is_disabled", False):
        return False
    has_backend = getattr(handler, "has_backend", None)
    return has_backend is None or bool(has_backend())
