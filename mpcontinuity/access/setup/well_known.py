"""Pages that stand at the same place on every server: whether it lives, and whom to tell of a hole in it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Final

from mpcontinuity.accounts import domains
from mpcontinuity.control.operation import Control
from mpcontinuity.model import public
from mpcontinuity.model.clock import DAY, SECOND
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.routes import Route

SECURITY: Final = "/.well-known/security.txt"
_LASTS: Final = 180 * DAY  # RFC 9116 §2.5.5 recommends less than a year


def routes(control: Control) -> list[Route]:
    """Returns the routes of these pages."""
    return [
        Route("GET", "/healthz", _alive, guards=DATA),
        Route("GET", SECURITY, partial(_security, control), guards=DATA),
    ]


async def _alive(asked: Asked) -> Answer:
    """That it answers shows that it lives; the page of the same name at ``[listen] metrics`` looks at more."""
    return Answer(b"ok\n")


async def _security(control: Control, asked: Asked) -> Answer:
    """RFC 9116. Without a contact that is set it is postmaster, whom every domain has to have (RFC 5321 §4.5.1)."""
    contact = control.settings.web.security_contact
    if not contact:
        first = await control.store.read(partial(domains.listing))
        name = min((domain.name for domain in first), default=public.host(control.settings))
        contact = f"postmaster@{name}"
    until = datetime.fromtimestamp((control.store.clock.now() + _LASTS) // SECOND, UTC)
    lines = [
        f"Contact: {contact if contact.startswith('https://') else f'mailto:{contact}'}",
        f"Expires: {until.isoformat().replace('+00:00', 'Z')}",
        "Preferred-Languages: en",
    ]
    page = public.url(control.settings, SECURITY)
    if page is not None:
        lines.append(f"Canonical: {page}")
    return Answer("".join(f"{line}\n" for line in lines).encode())
