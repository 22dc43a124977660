"""What the head of a request must be, so that whoever passed it on and this server see the same request in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twisted.web.http_headers import Headers

_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)((?:[/?].*)?)", re.IGNORECASE)
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-fv.:]+\])(?::[0-9]*)?")  # RFC 9110 §7.2


def origin_form(target: bytes) -> tuple[bytes, bytes | None]:
    """Returns path and query of a request's target, and the host that it names itself, if it does.

    RFC 9112 §3.2.2: a server accepts the absolute form. What is in neither form is returned as it is.
    """
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return target, None
    host, path = absolute.groups()
    return path if path.startswith(b"/") else b"/" + path, host


def is_faulty(version: bytes, headers: Headers) -> bool:
    """Says whether a request has to be refused for its host, or because two readers could find its end elsewhere."""
    hosts: Sequence[bytes] = headers.getRawHeaders(b"host") or []
    if len(hosts) > 1 or (version == b"HTTP/1.1" and not hosts):  # RFC 9112 §3.2
        return True
    if hosts and not _HOST.fullmatch(hosts[0]):
        return True
    codings = headers.getRawHeaders(b"transfer-encoding")
    if not codings:
        return False
    # RFC 9112 §6.1, §6.3: no other length beside it, none in HTTP/1.0. There is no coding "identity" any more.
    faulty = version == b"HTTP/1.0" or headers.hasHeader(b"content-length")
    return faulty or any(coding.lower() != b"chunked" for coding in codings)
