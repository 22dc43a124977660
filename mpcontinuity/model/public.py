"""Where people and their programs find this server: host and ports by [public], or else as it listens.

What a client says of us (the Host header of a request) is never asked: whoever writes it would choose where a link
leads that is mailed to somebody else.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

from mpcontinuity.model import hosts
from mpcontinuity.model.settings import Settings

OUTAGE_ROOM: Final = "outage"  # the page of a domain, below its path in the portal
_HTTPS: Final = 443

# For each way into the mailbox, and out of it, the doors that serve it, the better first.
_WAYS: Final = (
    ("IMAP", (("imaps", "SSL/TLS"), ("imap", "STARTTLS"))),
    ("POP3", (("pop3s", "SSL/TLS"), ("pop3", "STARTTLS"))),
    ("SMTP", (("submissions", "SSL/TLS"), ("submission", "STARTTLS"))),
)


class Place(NamedTuple):
    """Where a mail program finds a protocol: host, port, and how the connection is secured, as programs call it."""

    protocol: str
    host: str
    port: int
    security: str


def host(settings: Settings) -> str:
    """Returns the name of this server for people: ``[public] host``, or ``hostname`` where that is empty."""
    return settings.public.host or settings.hostname


def port(settings: Settings, door: str) -> int | None:
    """Returns the port at which people reach a door, a key of ``[listen]``; None where there is none.

    It is the one of ``[public] ports``, or else of the door's first TCP endpoint.
    """
    listening = hosts.places(getattr(settings.listen, door))
    return settings.public.ports.get(door) or next((number for _, number in listening), None)


def url(settings: Settings, path: str = "/") -> str | None:
    """Returns the URL of a path of our pages, by HTTPS; None where ``[listen] web`` is off and no port is public."""
    number = port(settings, "web")
    if number is None:
        return None
    name = host(settings).removeprefix("[").removesuffix("]").removeprefix("IPv6:")
    name = f"[{name}]" if ":" in name else name
    return f"https://{name}{'' if number == _HTTPS else f':{number}'}{path}"


def places(settings: Settings) -> list[Place]:
    """Returns where mail programs read mail (IMAP, POP3) and send it (SMTP), one place for each that is not off."""
    found = []
    for protocol, doors in _WAYS:
        for door, security in doors:
            number = port(settings, door)
            if number is not None:
                found.append(Place(protocol, host(settings), number, security))
                break
    return found


def outage_room(settings: Settings, domain: str) -> str | None:
    """Returns the URL of the page that shows administrators how an outage of a domain goes; None as for `url`."""
    return url(settings, f"/admin/domain/{quote(domain, safe='')}/{OUTAGE_ROOM}")
