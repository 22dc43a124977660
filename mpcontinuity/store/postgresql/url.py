"""Where the database is: the URL in ``[store] database``, for libpq and for people."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# What a connection is opened with unless the URL says otherwise: a server that was cut off is noticed within 15 s.
_PARAMETERS = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "client_encoding": "utf-8",
}

_SCHEME = re.compile(r"postgres(ql)?(\+psycopg)?://", re.IGNORECASE)
# One for all hosts, or one for each of them.
_PORTS = re.compile(r"([0-9]{0,5},)*[0-9]{0,5}")


def conninfo(url: str) -> str:
    """Returns what libpq is given for the URL in ``[store] database``.

    Raises ValueError, whose text does not quote the URL, since that has a password.
    """
    if not _SCHEME.match(url):
        raise ValueError("it must begin with postgresql+psycopg:// or postgresql://")
    rest = url.partition("://")[2]
    credentials = rest.partition("?")[0].rpartition("@")[0]
    try:
        given = conninfo_to_dict("postgresql://" + rest)
        # libpq ends a password at its first "@" or "/", and would quote the rest of it as a host, port or database.
        if not set(credentials).isdisjoint("@/") or not _PORTS.fullmatch(str(given.get("port", ""))):
            raise ValueError
    except (psycopg.Error, ValueError):
        raise ValueError(
            "it is no URL as postgresql+psycopg://user:password@host:5432/database?sslmode=verify-full; "
            "special characters in a password are written as %40"
        ) from None
    if not given.get("dbname") and "service" not in given:
        raise ValueError("it names no database: postgresql+psycopg://user:password@host:5432/database")
    parameters: dict[str, Any] = {**_PARAMETERS, **given}
    return make_conninfo(**parameters)


def shown(url: str) -> str:
    """Returns the URL without what is secret in it."""
    try:
        given = conninfo_to_dict(conninfo(url))
    except ValueError:
        return "postgresql://…"
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"
