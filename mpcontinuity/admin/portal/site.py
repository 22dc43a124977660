"""Which pages the portal has."""

from __future__ import annotations

from functools import cache

from mpcontinuity.accounts.administrator_login import Administrator, AdministratorLogin
from mpcontinuity.accounts.web_sessions import WebSessions
from mpcontinuity.admin.portal import (
    account,
    administrators,
    alert_link,
    archive,
    archive_holds,
    audit,
    cards,
    continuity,
    domain,
    domains,
    drills,
    health,
    home,
    importing,
    kept,
    outage_room,
    publishing,
    queue,
    recovery,
    report,
    tokens,
    tracking,
    users,
    webhooks,
)
from mpcontinuity.admin.portal.browsers import browser
from mpcontinuity.admin.portal.signed_in import Portal, PortalServices
from mpcontinuity.admin.portal.signing_in import SigningIn
from mpcontinuity.control.operation import Control
from mpcontinuity.web.routes import Route
from mpcontinuity.web.templates import Templates

_PAGES = (
    home,
    domains,
    domain,
    continuity,
    drills,
    outage_room,
    kept,
    publishing,
    cards,
    importing,
    users,
    tracking,
    archive,
    archive_holds,
    queue,
    recovery,
    report,
    audit,
    administrators,
    tokens,
    account,
    alert_link,
    health,
    webhooks,
)


def routes(*, control: Control, login: AdministratorLogin, sessions: WebSessions[Administrator]) -> list[Route]:
    """Returns the routes of all pages. The arguments are those of `PortalServices`."""
    portal = Portal(PortalServices(control=control, login=login, sessions=sessions, templates=templates()))
    return [*SigningIn(portal).routes(), *(route for pages in _PAGES for route in pages.routes(portal))]


@cache
def templates() -> Templates:
    """Returns those of this package. To compile them takes as long as all else of a server's start."""
    return Templates("mpcontinuity.admin.portal", browser=browser)
