"""What a browser is told of webmail that installs it as a program: its name, its icons, and where it begins.

There is no service worker. It would keep private mail in the browser beyond the session, or be one more thing that is
not up to date in an outage; and what is typed is kept without it (decisions/0056-lists.md).
"""

from __future__ import annotations

from typing import Final

import msgspec

from mpcontinuity.access.webmail.signed_in import HOME, PACKAGE, Visit, Webmail
from mpcontinuity.web import static
from mpcontinuity.web.answers import Answer
from mpcontinuity.web.asked import Asked
from mpcontinuity.web.headers import DATA
from mpcontinuity.web.languages import marked
from mpcontinuity.web.routes import Route

MANIFEST: Final = "/manifest.webmanifest"
NOTIFICATIONS: Final = "/settings/notifications"

_NAME: Final = marked("Continuity mail")
_SHORT: Final = marked("Mail")
_WRITE: Final = marked("Write")
_TYPE: Final = "application/manifest+json"
_KEPT: Final = b"private, max-age=3600"  # it depends on the reader's language
_GROUND: Final = "#ffffff"  # as --ground and --raised of base.css; a manifest has no dark ones
_BAR: Final = "#f5f6f8"


def routes(webmail: Webmail) -> list[Route]:
    """Returns the routes of these pages."""
    return [Route("GET", MANIFEST, manifest, guards=DATA), webmail.get(NOTIFICATIONS, show)]


async def manifest(asked: Asked) -> Answer:
    """Answers with the manifest (https://www.w3.org/TR/appmanifest/), for which browsers ask without cookies."""
    said, url = asked.language.said, static.files(PACKAGE).url
    told = {
        "id": HOME,
        "name": said(_NAME),
        "short_name": said(_SHORT),
        "lang": asked.language.code,
        "start_url": HOME,
        "scope": HOME,
        "display": "standalone",
        "background_color": _GROUND,
        "theme_color": _BAR,
        "icons": [
            {"src": url("icon.svg"), "sizes": "any", "type": "image/svg+xml"},
            {"src": url("icon-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": url("icon-512.png"), "sizes": "512x512", "type": "image/png"},
            {"src": url("icon-maskable-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
        ],
        "shortcuts": [{"name": said(_WRITE), "url": "/write"}],
    }
    return Answer(msgspec.json.encode(told), content_type=_TYPE, fields={b"cache-control": _KEPT})


async def show(visit: Visit) -> Answer:
    """Shows the page where a browser is asked to tell of new mail; a script of it does all that is done."""
    return await visit.render("notifications.html")
