"""Messages as octets, made of a header and parts."""

from __future__ import annotations

from mpcontinuity.message.display.show import show
from mpcontinuity.message.display.shown import Shown, Wanted

IMAGES = "/images/CAPABILITY"


def shown(content: bytes, **wanted: object) -> Shown:
    given = {"length": len(content), "images": IMAGES, "domains": ("example.org",), **wanted}
    return show(content, Wanted(**given))  # type: ignore[arg-type]


def plain(text: str, parameters: str = "", header: str = "") -> bytes:
    kind = f"Content-Type: text/plain; charset=utf-8{parameters}"
    return f"From: a@b.example\r\n{header}{kind}\r\n\r\n{text}".encode()


def html(text: str, header: str = "") -> bytes:
    return f"From: a@b.example\r\n{header}Content-Type: text/html; charset=utf-8\r\n\r\n{text}".encode()


def several(subtype: str, *parts: bytes, header: str = "From: a@b.example\r\n") -> bytes:
    boundary = b"=_b%d" % len(b"".join(parts))
    head = header.encode() + b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (subtype.encode(), boundary)
    return head + b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary


def part(kind: str, content: bytes, more: str = "") -> bytes:
    return f"Content-Type: {kind}\r\n{more}\r\n".encode() + content
