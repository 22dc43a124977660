"""The certificates that domains' home servers get if they ask: their files, keys and ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpcontinuity.app.doctor.finding import Finding
from mpcontinuity.app.doctor.tls import EXPIRES_SOON
from mpcontinuity.outbound.certificates import NONE, read_certificate

_RENEW = "renew it; it is re-read without a restart"
_SETTING = "home-tls-certificate"
_OTHERS = 0o007  # permissions of a file for those who neither own it nor are of its group


def examine(domains: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """Gives findings about the file of each domain that has one; ``domains`` are rows of `domain show`.

    Domains without a file show the server's own certificate, which is examined with the server.
    """
    for row in domains:
        path = row[_SETTING]
        if path not in ("", NONE):
            yield from _file(row["domain"], path)


def _file(domain: str, path: str) -> Iterator[Finding]:
    try:
        leaf = read_certificate(path).chain[0]
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        text = f"{_SETTING} {path}: {getattr(error, 'strerror', None) or error}"
        yield Finding(domain, "wrong", text, "bring a PEM file with a certificate and its key, or set another")
        return
    now, end = datetime.now(UTC), leaf.not_valid_after_utc
    if leaf.not_valid_before_utc > now:
        text = f"{_SETTING} {path} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        yield Finding(domain, "wrong", text, "look at the clock")
    elif end < now:
        yield Finding(domain, "wrong", f"{_SETTING} {path} expired {end:%Y-%m-%d}", _RENEW)
    elif end - now < EXPIRES_SOON:
        yield Finding(domain, "warning", f"{_SETTING} {path} expires {end:%Y-%m-%d}", _RENEW)
    else:
        yield Finding(domain, "good", f"{_SETTING}: certificate and key belong together")
    if mode & _OTHERS:
        yield Finding(domain, "warning", f"{_SETTING} {path} is readable for everybody, and has a key", "chmod o= it")
