"""Which way mail leaves: `[outbound] route`, and a domain's `outbound-route`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mpcontinuity.outbound.opening import SMTP_PORT, Security


@dataclass(frozen=True, slots=True)
class Route:
    """``host`` empty: to the MX hosts of each domain."""

    security: Security
    host: str = ""
    port: int = SMTP_PORT

    @property
    def shown(self) -> str:
        """Without its password."""
        return f"smtp://{self.host}:{self.port}" if self.host else "mx"


MX = Route(Security("opportunistic", setting="route"))


def parse(text: str) -> Route:
    """What `hosts.is_route` says yes to."""
    if text in ("", "mx"):
        return MX
    parts = urlsplit(text)
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    security = Security("opportunistic", setting="route", login=login)
    return Route(security, parts.hostname or "", parts.port or SMTP_PORT)
