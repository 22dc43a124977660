"""The kinds of values that keys of the file have. Each reads a value of TOML, or says in one line what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from mpcontinuity.model import durations, hosts


class ValueKind(Protocol):
    """What a key may hold."""

    @property
    def allowed(self) -> str:
        """What is allowed, as words that complete 'must be …'."""
        ...

    def read(self, value: Any) -> Any:
        """Returns the value as the settings hold it.

        Raises ValueError, with a message of its own where ``allowed`` says too little.
        """
        ...


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer from ``low`` to ``high``."""

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
    """A duration from ``low`` to ``high`` seconds, which is read into seconds whatever unit the file has."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        return f'{durations.show(self.low)} to {durations.show(self.high)}, as "90s", "15m", "1h", "5d" or seconds'

    def read(self, value: Any) -> float:
        if isinstance(value, str):
            try:
                value = durations.parse(value)
            except ValueError:
                raise ValueError from None  # `allowed` says more
        if type(value) not in (int, float) or not self.low <= value <= self.high:  # NaN fails here too
            raise ValueError
        return float(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    allowed = "true or false"

    def read(self, value: Any) -> bool:
        if type(value) is not bool:
            raise ValueError
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """A text for which ``check`` returns true."""

    allowed: str
    check: Callable[[str], bool]

    def read(self, value: Any) -> str:
        if type(value) is not str or not self.check(value):
            raise ValueError
        return value


@dataclass(frozen=True, slots=True)
class Database:
    """The database of the store. Since a URL may have a password, an error never quotes the value."""

    allowed = '"sqlite" or "postgresql+psycopg://user:password@host:5432/database"'

    def read(self, value: Any) -> str:
        if type(value) is not str or not (value == "sqlite" or value.startswith("postgres")):
            raise ValueError(f"must be {self.allowed}")
        if value != "sqlite":
            from mpcontinuity.store.postgresql.url import conninfo  # loads psycopg: only where it is used

            conninfo(value)
        return value


@dataclass(frozen=True, slots=True)
class Texts:
    """An array of texts, each of which is read by ``read_one``, which raises ValueError."""

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
    """An array of Twisted endpoint strings. A single one need not stand in an array."""

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


def server(text: str) -> str:
    """Reads the address of a DNS server, ``host[:port]``; an IPv6 address with a port stands in brackets.

    Raises ValueError.
    """
    host, port = hosts.split(text, 53)
    if not 1 <= port <= 65535:
        raise ValueError("the port must be 1 to 65535")
    try:
        ip_address(host)
    except ValueError:
        raise ValueError("must be the IP address of a DNS server, with :port if it is not 53") from None
    return text


def endpoint(text: str) -> str:
    """Checks an endpoint string as far as that is possible without a reactor. Raises ValueError.

    ``ssl:`` and ``tls:`` are refused, because the server adds TLS itself.
    """
    kind, *fields = hosts.endpoint_fields(text)
    if kind in ("ssl", "tls"):
        raise ValueError("TLS is added by the server where the door wants it; use tcp:")
    if kind == "haproxy" and fields and fields[0] not in ("haproxy", ""):
        endpoint(text.removeprefix("haproxy:"))
        return text
    if kind not in ("tcp", "tcp6", "unix", "systemd", "fd"):
        raise ValueError('must begin with tcp:, unix:, systemd: or haproxy:, as "tcp:1025:interface=127.0.0.1"')
    if kind in ("tcp", "tcp6"):
        port = fields[0].removeprefix("port=") if fields else ""
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("the port must be 0 to 65535; 0 takes a free one")
        unknown = [field for field in fields[1:] if field.partition("=")[0] not in ("interface", "backlog")]
        if unknown:
            raise ValueError(f'{unknown[0]!r} is no option of tcp; it has interface= and backlog= (":" as "\\:")')
    return text


# Slow on purpose, by iterations or memory that passlib chooses; as they stand, and in the forms of others.
_SLOW = frozenset(
    {"argon2", "bcrypt", "bcrypt_sha256", "scrypt", "pbkdf2_sha256", "pbkdf2_sha512", "sha256_crypt", "sha512_crypt"}
)
_FORMS = ("django_", "ldap_", "grub_")


def is_slow(scheme: str) -> bool:
    """Returns whether passwords hashed under this scheme take long to guess."""
    return any(scheme.removeprefix(form) in _SLOW for form in _FORMS)


def is_scheme(text: str) -> bool:
    """Returns whether passlib can hash under this scheme here, given nothing but the password."""
    if text == "argon2":
        return True
    from passlib import registry  # loads all of passlib: only where the default does not do

    handler = registry.get_crypt_handler(text, None) if re.fullmatch("[a-z][a-z0-9_]*", text) else None
    if handler is None or handler.context_kwds or getattr(handler, "is_disabled", False):
        return False
    has_backend = getattr(handler, "has_backend", None)
    return has_backend is None or bool(has_backend())
