"""Cookies (RFC 6265): only those that no other site, no script and no subdomain can have set or read.

The prefixes ``__Host-`` and ``__Secure-`` have the browser itself refuse cookies of those names that were set
without TLS, and ``__Host-`` those that another host of the same domain set. A cookie without one is none of ours.
"""

from __future__ import annotations

import re
from typing import Final

_HOST: Final = "__Host-"
_SECURE: Final = "__Secure-"
_MOST: Final = 50  # of a request; the header is bounded as well
_VALUE: Final = re.compile(r"[A-Za-z0-9._-]*")  # of a cookie that we set


def set_cookie(name: str, value: str, *, path: str = "/", max_age: int) -> tuple[bytes, bytes]:
    """Returns the header field that keeps ``value``, letters and digits and ``-_.``, for ``max_age`` seconds.

    It is sent back to the pages below ``path``, by navigation from our own pages alone (SameSite=Strict), and no script
    sees it.
    """
    prefix = _HOST if path == "/" else _SECURE
    text = f"{prefix}{name}={value}; Path={path}; Max-Age={max_age}; Secure; HttpOnly; SameSite=Strict"
    return b"set-cookie", text.encode("ascii")


def clear_cookie(name: str, *, path: str = "/") -> tuple[bytes, bytes]:
    """Returns the header field that has the browser forget a cookie."""
    return set_cookie(name, "", path=path, max_age=0)


def read_cookies(header: str) -> dict[str, str]:
    """Returns the cookies of a Cookie header that this server can have set, by their names without the prefix: those
    that have one, and a value as `set_cookie` takes it."""
    found: dict[str, str] = {}
    for pair in header.split(";", _MOST)[:_MOST]:
        name, _, value = pair.strip().partition("=")
        for prefix in (_HOST, _SECURE):
            if name.startswith(prefix) and _VALUE.fullmatch(value):
                found.setdefault(name.removeprefix(prefix), value)
    return found
