"""Which way mail leaves: `[outbound] route`, and a domain's `outbound-route`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote, urlsplit

from mpcontinuity.model import hosts
from mpcontinuity.model.settings import DomainSettings
from mpcontinuity.outbound.opening import SMTP_PORT, Security

_SMTPS_PORT = 465  # RFC 8314 §7.3


@dataclass(frozen=True, slots=True)
class Route:
    """A way for mail that leaves. ``host`` is the smarthost; empty: mail goes to the MX hosts of each domain."""

    security: Security
    host: str = ""
    port: int = SMTP_PORT

    @property
    def shown(self) -> str:
        """The route without its password."""
        return f"smtp://{self.host}:{self.port}" if self.host else "mx"


@cache
def parse(text: str) -> Route:
    """Returns the route that a text says; `hosts.is_route` tells which texts do."""
    text, _, query = text.partition("?")
    tls = query.removeprefix("tls=") or "opportunistic"
    if text in ("", "mx"):
        return Route(Security(tls, setting="the route"))
    parts = urlsplit(text)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    implicit = parts.scheme == "smtps"
    security = Security(tls, setting="the route", login=login, implicit=implicit)
    return Route(security, parts.hostname or "", parts.port or (_SMTPS_PORT if implicit else SMTP_PORT))


def past_home(settings: DomainSettings, general: str, attempts: int) -> Route:
    """Returns the way for an alert about the domain with those settings after so many attempts.

    It is `outbound-route`, else the ``general`` one of `[outbound]`, but never host and port of a home server of the
    domain: that may be what the alert is about. A smarthost may be the home server by another name or port, or be away
    with it, so every second attempt goes to the MX hosts.
    """
    homes = {hosts.split(home.lower(), SMTP_PORT) for home in settings.home}
    ways = [parse(text) for text in (settings.outbound_route, general) if text]
    usable = [way for way in ways if (way.host.lower(), way.port) not in homes]
    return usable[0] if usable and attempts % 2 == 0 else parse("mx")
