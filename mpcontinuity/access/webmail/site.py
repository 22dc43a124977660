"""Which pages webmail has."""

from __future__ import annotations

from mpcontinuity.access.webmail import (
    actions,
    archive,
    attaching,
    attachments,
    contents,
    continuity,
    conversation,
    events,
    factor,
    folder,
    folders,
    formatting,
    installing,
    language,
    message,
    outbox,
    people,
    searching,
    settings,
    signature,
    trust,
    vacation,
    window,
    write,
)
from mpcontinuity.access.webmail.services import WebmailServices
from mpcontinuity.access.webmail.signed_in import PACKAGE, Webmail
from mpcontinuity.access.webmail.signing_in import SigningIn, welcome
from mpcontinuity.web.routes import Route

__all__ = ["PACKAGE", "routes", "welcome"]

_PAGES = (
    folder,
    window,
    message,
    contents,
    attachments,
    actions,
    folders,
    continuity,
    events,
    searching,
    archive,
    conversation,
    write,
    formatting,
    attaching,
    people,
    outbox,
    settings,
    factor,
    trust,
    language,
    signature,
    vacation,
    installing,
)


def routes(services: WebmailServices) -> list[Route]:
    """Returns the routes of all pages."""
    webmail = Webmail(services)
    return [*SigningIn(webmail).routes(), *(route for pages in _PAGES for route in pages.routes(webmail))]
